import { html, table, options, search, further, button, day } from './html.js'

const PAGE = 10
const MAIL = { queued: 'about to be sent', sent: 'sent', failed: 'could not be sent' }

export default ({ get, post }) => {
  get('/invitations', async ({ query, tenant, base, ask }) => {
    const roles = await query('SELECT role, description FROM teamrbac.assignable_roles($1)', [tenant])
    const rows = await query('SELECT * FROM teamrbac.invitations_page($1, $2, $3, $4)',
      [tenant, ask.after || null, PAGE, ask.search || null])
    const path = (i) => `${base}/invitations/${i.invitation_id}`
    const buttons = (i) => i.may_cancel && html`${button(`${path(i)}/resend`, 'Send again', i.email)}
      ${button(`${path(i)}/cancel`, 'Cancel', i.email)}`
    return { title: 'Invitations', body: html`<form method="post" action="${base}/invitations" class="fields">
        <label>E-mail addresses, one or many <textarea name="emails" required></textarea></label>
        <label>Role <select name="role">${options(roles.map((r) => r.role), 'developer')}</select></label>
        <button class="main">Invite</button></form>
      <h2>Pending</h2>
      ${search('E-mail begins with', ask.search)}
      ${table(['E-mail', 'Role', 'Invited by', 'Good until', 'Mail', 'Actions'], rows.map((i) => [i.email, i.role,
        i.invited_by, day(i.expires_at), MAIL[i.mail_state] ?? i.mail_state, buttons(i)]), 'No invitation is pending.')}
      ${further(rows, PAGE, 'Next page', `${base}/invitations`, { search: ask.search, after: rows.at(-1)?.place })}` }
  })
  post('/invitations', async ({ query, tenant, base, form }) => {
    const emails = [form.emails ?? ''].flat().join(' ').split(/[\s,;]+/).filter(Boolean)
    const rows = await query('SELECT email, outcome FROM teamrbac.invite_members($1, $2, $3)',
      [tenant, emails, form.role])
    const invited = rows.filter((r) => r.outcome.startsWith('invited')).length
    return { title: 'Invitations',
      notice: `${invited} of ${rows.length} invited as ${form.role}; the mails are on their way.`,
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
