import { html, table, options, button, day } from './html.js'

const PAGE = 10
const MAIL = { queued: 'about to be sent', sent: 'sent', failed: 'could not be sent' }

const place = (base, { search, after }) => `${base}/invitations?${new URLSearchParams({ ...(search && { search }), after })}`

export default ({ get, post }) => {
  get('/invitations', async ({ query, tenant, base, ask }) => {
    const roles = await query('SELECT role, description FROM teamrbac.assignable_roles($1)', [tenant])
    const rows = await query('SELECT * FROM teamrbac.invitations_page($1, $2, $3, $4)',
      [tenant, ask.after || null, PAGE, ask.search || null])
    const buttons = (i) => i.may_cancel && html`${button(`${base}/invitations/${i.invitation_id}/resend`, 'Send again', i.email)}
      ${button(`${base}/invitations/${i.invitation_id}/cancel`, 'Cancel', i.email)}`
    return { title: 'Invitations', body: html`<form method="post" action="${base}/invitations" class="fields">
        <label>E-mail addresses, one or many <textarea name="emails" required placeholder="vera@example.com"></textarea></label>
        <label>Role <select name="role">${options(roles.map((r) => r.role), 'developer')}</select></label>
        <button class="main">Invite</button></form>
      <h2>Pending</h2>
      <form class="line" role="search"><label>E-mail begins with <input name="search" type="search" value="${ask.search}"></label>
        <button>Search</button></form>
      ${table(['E-mail', 'Role', 'Invited by', 'Good until', 'Mail', ''], rows.map((i) => [i.email, i.role, i.invited_by,
        day(i.expires_at), MAIL[i.mail_state] ?? i.mail_state, buttons(i)]), 'No invitation is pending.')}
      <p class="pages">${rows.length === PAGE && html`<a rel="next"
        href="${place(base, { search: ask.search, after: rows.at(-1).place })}">Next page</a>`}</p>` }
  })
  post('/invitations', async ({ query, tenant, base, form }) => {
    const emails = [form.emails ?? ''].flat().join(' ').split(/[\s,;]+/).filter(Boolean)
    const rows = await query('SELECT email, outcome FROM teamrbac.invite_members($1, $2, $3)', [tenant, emails, form.role])
    const invited = rows.filter((r) => r.outcome.startsWith('invited')).length
    return { title: 'Invitations', notice: `${invited} of ${rows.length} invited as ${form.role}; the mails are on their way.`,
      body: html`${table(['E-mail', 'What happened'], rows.map((r) => [r.email, r.outcome]), 'No address was given.')}
        <p><a href="${base}/invitations">All pending invitations</a></p>` }
  })
  post('/invitations/:id/resend', async ({ query, base, params }) => {
    await query('SELECT teamrbac.resend_invitation($1)', [params.id])
    return { to: `${base}/invitations?done=resent` }
  })
  post('/invitations/:id/cancel', async ({ query, base, params }) => {
    await query('CALL teamrbac.cancel_invitation($1)', [params.id])
    return { to: `${base}/invitations?done=cancelled` }
  })
}
