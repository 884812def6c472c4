import { html, table, options, search, further, button, time, day, lastDay } from './html.js'

const PAGE = 10

export default ({ get, post }) => {
  get('/members', async ({ query, me, tenant, base, ask }) => {
    const rows = await query('SELECT * FROM teamrbac.members_page($1, $2, $3, $4)',
      [tenant, ask.after || null, PAGE, ask.search || null])
    const [{ members }] = await query('SELECT members FROM teamrbac.team_counts($1)', [tenant])
    const manages = me.may.has('team.manage')
    const onlyManagers = (...cells) => (manages ? cells : [])
    const manage = (m) => m.may_remove && html`<a href="${base}/members/${m.user_id}"
      aria-label="Manage ${m.display_name}">Manage</a>`
    return { title: 'Members', body: html`
      ${search(manages ? 'Name or e-mail begins with' : 'Name begins with', ask.search)}
      <p class="quiet">${members >= 1000 ? '1000 or more' : members} in the team</p>
      ${table(['Name', ...onlyManagers('E-mail'), 'Role', 'Member since', 'Last day', ...onlyManagers('Actions')],
        rows.map((m) => [m.display_name, ...onlyManagers(m.email), m.role, day(m.joined_at), lastDay(m.expires_at),
          ...onlyManagers(manage(m))]), 'Nobody is found.')}
      ${further(rows, PAGE, 'Next page', `${base}/members`, { search: ask.search, after: rows.at(-1)?.place })}
      ${me.tenant.role === 'owner'
        && html`<p><a href="${base}/transfer">Transfer the ownership of ${me.tenant.name}</a></p>`}` }
  })

  get('/members/:id', async ({ query, tenant, base, params }) => {
    const roles = await query('SELECT role FROM teamrbac.assignable_roles($1)', [tenant])
    const impact = await query('SELECT * FROM teamrbac.removal_impact($1, $2)', [tenant, params.id])
    const [m] = await query('SELECT * FROM teamrbac.team WHERE tenant_id = $1 AND user_id = $2', [tenant, params.id])
    const here = `${base}/members/${params.id}`
    return { title: m.display_name, body: html`<p>${m.email}, ${m.role}, a member since ${time(m.joined_at)} UTC</p>
      <h2>Role</h2><form method="post" action="${here}/role" class="line">
        <label>New role <select name="role">${options(roles.map((r) => r.role), m.role)}</select></label>
        <button>Change role</button></form>
      <h2>End of the membership</h2><form method="post" action="${here}/expiry" class="line">
        <label>Last day, if any <input type="date" name="last_day" value="${lastDay(m.expires_at)}"></label>
        <button>Note the end</button></form>
      <h2>Remove from the team</h2><p>Access ends at once. What else it means:</p>
      ${table(['What', 'Which', 'Then'],
        impact.map((i) => [i.kind.replace('_', ' '), i.subject, i.detail]), 'Nothing.')}
      <form method="post" action="${here}/remove" class="line">
        <label class="box"><input type="checkbox" name="revoke_keys"> Revoke the API keys that they made as well</label>
        <button class="danger">Remove ${m.display_name}</button></form>` }
  })
  post('/members/:id/role', async ({ query, tenant, base, params, form }) => {
    await query('CALL teamrbac.change_role($1, $2, $3)', [tenant, params.id, form.role])
    return { to: `${base}/members?done=role` }
  })
  post('/members/:id/expiry', async ({ query, tenant, base, params, form }) => {
    await query(`CALL teamrbac.set_membership_expiry($1, $2, ($3::date + 1)::timestamp AT TIME ZONE 'UTC')`,
      [tenant, params.id, form.last_day || null])
    return { to: `${base}/members?done=expiry` }
  })
  post('/members/:id/remove', async ({ query, tenant, base, params, form }) => {
    await query('CALL teamrbac.remove_member($1, $2, $3)', [tenant, params.id, form.revoke_keys === 'on'])
    return { to: `${base}/members?done=removed` }
  })

  get('/transfer', async ({ query, tenant, me, base }) => {
    const admins = await query(`SELECT user_id, display_name FROM teamrbac.team
      WHERE tenant_id = $1 AND role = 'admin' ORDER BY display_name LIMIT 100`, [tenant])
    const makeOwner = (a) => button(`${base}/transfer`, 'Make Owner', a.display_name, { user_id: a.user_id })
    return { title: 'Transfer the ownership', body: html`<p>Only an Admin can become the Owner. This is permanent:
      you become an Admin, and only the new Owner could give ${me.tenant.name} back.</p>
      ${table(['Admin', 'Actions'], admins.map((a) => [a.display_name, makeOwner(a)]), 'There is no Admin yet.')}` }
  })
  post('/transfer', async ({ query, tenant, base, form }) => {
    await query('CALL teamrbac.transfer_ownership($1, $2)', [tenant, form.user_id])
    return { to: `${base}/members?done=transferred` }
  })
}
