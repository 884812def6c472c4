import { html, table, further, time } from './html.js'

const PAGE = 15

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

// What it was and what it is, of what has a value; ids say nothing to people.
function change({ before, after, subject_name: subject }) {
  const names = Object.keys({ ...before, ...after })
  const shown = (value) => [value ?? []].flat().filter((v) => !ID.test(v) && v !== subject).join(', ')
    .replace(/T(..:..):[0-9.]+Z$/, ' $1')
  return names.map((name) => [name.replaceAll('_', ' '), [before?.[name], after?.[name]].map(shown).filter(Boolean)])
    .filter(([, values]) => values.length).map(([name, values]) => `${name}: ${values.join(' → ')}`).join('; ')
}

export default ({ get }) => {
  get('/audit', async ({ query, tenant, base, ask }) => {
    const events = await query('SELECT * FROM teamrbac.audit_page($1, $2, $3, $4, $5)',
      [tenant, ask.before || null, PAGE, ask.action || null, ask.actor || null])
    const only = (name, value) => `${base}/audit?${new URLSearchParams({ [name]: value })}`
    const shown = ask.action ?? (ask.actor && `what ${events[0]?.actor_name} did`)
    const who = (e) => e.actor_name ?? 'somebody deleted'
    return { title: 'Audit', body: html`
      ${shown && html`<p>Only ${shown}. <a href="${base}/audit">All events</a></p>`}
      ${table(['No.', 'When (UTC)', 'Who', 'What', 'Whom or what', 'Change'], events.map((e) => [e.sequence,
        html`<span class="when">${time(e.occurred_at)}</span>`,
        e.actor_id ? html`<a href="${only('actor', e.actor_id)}">${who(e)}</a>` : who(e),
        html`<a href="${only('action', e.action)}">${e.action}</a>`, e.subject_name ?? e.subject, change(e)]),
        'There is no event.')}
      ${further(events, PAGE, 'Older events', `${base}/audit`, { ...ask, before: events.at(-1)?.sequence })}` }
  })
}
