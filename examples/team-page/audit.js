import { html, table, time } from './html.js'

const PAGE = 15

const fields = (values) => values && html`<code>${Object.entries(values).map(([name, value]) =>
  `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ')}</code>`

export default ({ get }) => {
  get('/audit', async ({ query, tenant, base, ask }) => {
    const events = await query('SELECT * FROM teamrbac.audit_page($1, $2, $3, $4, $5)',
      [tenant, ask.before || null, PAGE, ask.action || null, ask.actor || null])
    const only = (name, value) => `${base}/audit?${new URLSearchParams({ [name]: value })}`
    const older = new URLSearchParams({ ...ask, before: events.at(-1)?.sequence })
    return { title: 'Audit', body: html`${(ask.action || ask.actor) && html`<p>Only ${ask.action ?? `what ${events[0]?.actor_name} did`}.
        <a href="${base}/audit">All events</a></p>`}
      ${table(['', 'When (UTC)', 'Who', 'What', 'Whom or what', 'Before', 'After'], events.map((e) => [e.sequence, time(e.occurred_at),
        e.actor_id ? html`<a href="${only('actor', e.actor_id)}">${e.actor_name ?? 'somebody deleted'}</a>` : e.actor_name,
        html`<a href="${only('action', e.action)}">${e.action}</a>`, e.subject_name ?? e.subject, fields(e.before), fields(e.after)]),
        'There is no event.')}
      <p class="pages">${events.length === PAGE && html`<a rel="next" href="${base}/audit?${older}">Older events</a>`}</p>` }
  })
}
