import { html, table, options, button, day } from './html.js'

const DAYS = { '30 days': 30, '90 days': 90, 'a year': 365 }

const shown = (base, { secret, name }) => ({ title: 'API keys',
  notice: html`This is the key <b>${name}</b>. Copy it now: it is shown this once, and nobody can see it again.`,
  body: html`<p class="secret"><code id="secret">${secret}</code></p>
    <p><a href="${base}/keys">I have copied it</a></p>` })

export default ({ get, post }) => {
  get('/keys', async ({ query, me, tenant, base }) => {
    const keys = await query(`SELECT * FROM teamrbac.api_key_overview
      WHERE tenant_id = $1 ORDER BY created_at DESC LIMIT 100`, [tenant])
    // A key's role is one whose permissions its maker has.
    const roles = (await query('SELECT * FROM teamrbac.list_roles()'))
      .filter((r) => r.role !== 'owner' && r.permissions.every((p) => me.may.has(p)))
    const buttons = (k) => k.state === 'active' && html`${button(`${base}/keys/${k.key_id}/rotate`, 'Rotate', k.name)}
      ${button(`${base}/keys/${k.key_id}/revoke`, 'Revoke', k.name)}`
    return { title: 'API keys', body: html`<form method="post" action="${base}/keys" class="fields">
        <label>Name: whose it is, and what for <input name="name" required maxlength="100"></label>
        <label>Role <select name="role">${options(roles.map((r) => r.role), 'developer')}</select></label>
        <label>Good for <select name="days">${options(Object.keys(DAYS), '90 days')}</select></label>
        <button class="main">Make a key</button></form>
      ${table(['Name', 'Role', 'State', 'Made by', 'Last used', 'Good until', 'Actions'],
        keys.map((k) => [k.name, k.role, k.state, k.creator ?? 'somebody deleted', day(k.last_used_at) || 'never',
          day(k.expires_at) || 'revoked', buttons(k)]), 'There is no key yet.')}` }
  })
  post('/keys', async ({ query, tenant, base, form }) => {
    const [key] = await query(`SELECT secret FROM teamrbac.create_api_key($1, $2, $3,
      expires_at => now() + make_interval(days => $4))`, [tenant, form.name, form.role, DAYS[form.days] ?? 90])
    return shown(base, { ...key, name: form.name })
  })
  post('/keys/:id/rotate', async ({ query, base, params }) => {
    const [key] = await query(`SELECT k.secret, o.name FROM teamrbac.rotate_api_key($1, overlap => '1 day') AS k
      CROSS JOIN LATERAL (SELECT name FROM teamrbac.api_key_overview WHERE key_id = $1) AS o`, [params.id])
    return shown(base, key)
  })
  post('/keys/:id/revoke', async ({ query, base, params }) => {
    await query('CALL teamrbac.revoke_api_key($1)', [params.id])
    return { to: `${base}/keys?done=revoked` }
  })
}
