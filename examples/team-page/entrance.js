// Before one is in a team: the start, and the page behind the link in an invitation's mail.
import { html, button, time } from './html.js'

const STATES = {
  accepted: 'This invitation has been accepted.',
  declined: 'This invitation has been declined.',
  cancelled: 'This invitation has been cancelled. Please ask whoever sent it for another.',
  expired: 'This invitation has expired. Please ask whoever sent it to send it again.',
}

export default ({ get, post }) => {
  get('/', async ({ query, me }) => {
    if (!me) return { to: '/sign-in' }
    const invited = await query('SELECT * FROM teamrbac.my_invitations()')
    if (me.tenants.length && !invited.length) return { to: `/t/${me.tenants[0].slug}/members` }
    return { title: 'Your teams', body: html`${!me.tenants.length && html`<p>You are in no team yet.</p>`}
      ${invited.map((i) => html`<p><b>${i.invited_by}</b> invites you to join <b>${i.tenant_name}</b> as ${i.role}.
        ${button(`/invitations/${i.invitation_id}/accept`, 'Join', i.tenant_name)}
        ${button(`/invitations/${i.invitation_id}/decline`, 'Decline', i.tenant_name)}</p>`)}
      ${me.tenants.map((t) => html`<p><a href="/t/${t.slug}/members">${t.name}</a>, where you are ${t.role}</p>`)}` }
  })
  post('/invitations/:id/accept', async ({ query, params }) => {
    await query('SELECT teamrbac.accept_my_invitation($1)', [params.id])
    return { to: '/' }
  })
  post('/invitations/:id/decline', async ({ query, params }) => {
    await query('CALL teamrbac.decline_my_invitation($1)', [params.id])
    return { to: '/' }
  })

  // Looking changes nothing, so that a scanner of mails takes nobody's invitation away.
  get('/join', async ({ query, me, ask }) => {
    const [invitation] = await query('SELECT * FROM teamrbac.peek_invitation($1)', [ask.token])
    const { tenant_name: team, role, email, state, expires_at: until } = invitation
    const title = `Join ${team}`
    if (state !== 'pending') return { title, body: html`<p class="alert">${STATES[state]}</p>` }
    const what = html`<p>You are invited to join <b>${team}</b> as <b>${role}</b>${email && html`; the invitation is for
      <b>${email}</b>`} and can be accepted until ${time(until)} UTC.</p>`
    if (!me) {
      const query = new URLSearchParams({ next: `/join?token=${ask.token}`, email: email ?? '' })
      return { title, body: html`${what}<p><a href="/sign-in?${query}">Sign in to join</a></p>` }
    }
    return { title, body: html`${what}<form method="post" action="/join" class="line">
      <input type="hidden" name="token" value="${ask.token}"><button class="main">Join as ${me.name}</button>
      <button formaction="/decline">Decline</button></form>` }
  })
  post('/join', async ({ query, form }) => {
    const [{ tenant_id: tenant }] = await query('SELECT * FROM teamrbac.accept_invitation($1)', [form.token])
    const joined = (await query('SELECT * FROM teamrbac.my_tenants()')).find((t) => t.tenant_id === tenant)
    return { to: `/t/${joined.slug}/members?done=joined` }
  })
  post('/decline', async ({ query, form }) => {
    await query('CALL teamrbac.decline_invitation($1)', [form.token])
    return { to: '/?done=declined' }
  })
}
