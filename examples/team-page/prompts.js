import { html, table, further, button, time } from './html.js'

const PAGE = 50

export default ({ get, post }) => {
  // No condition on the tenant: the policies show that of the address.
  get('/prompts', async ({ query, me, base, ask }) => {
    const prompts = await query('SELECT * FROM prompt WHERE id < $1 ORDER BY id DESC LIMIT $2',
      [ask.before || '9223372036854775807', PAGE])
    const edits = me.may.has('prompts.edit')
    const promote = (p) => p.state === 'draft' && me.may.has('prompts.promote')
      && button(`${base}/prompts/${p.id}/live`, 'Make live', p.title)
    return { title: 'Prompts', body: html`${edits && html`<form method="post" action="${base}/prompts" class="fields">
        <label>Title <input name="title" required></label>
        <label>Prompt <textarea name="body" required></textarea></label>
        <button class="main">Save as a draft</button></form>`}
      ${table(['Title', 'Prompt', 'State', 'Changed (UTC)', 'Actions'], prompts.map((p) => [p.title, p.body, p.state,
        html`<span class="when">${time(p.changed_at)}</span>`, promote(p)]), 'There is no prompt yet.')}
      ${further(prompts, PAGE, 'Older prompts', `${base}/prompts`, { before: prompts.at(-1)?.id })}` }
  })
  post('/prompts', async ({ query, base, form }) => {
    await query('INSERT INTO prompt (title, body) VALUES ($1, $2)', [form.title, form.body])
    return { to: `${base}/prompts?done=drafted` }
  })
  post('/prompts/:id/live', async ({ query, tenant, base, params }) => {
    // The policies would let the UPDATE find nothing, without a word; the trigger asks for prompts.promote.
    await query(`SELECT teamrbac.require_permission($1, 'prompts.edit')`, [tenant])
    await query(`UPDATE prompt SET state = 'live', changed_at = now() WHERE id = $1`, [params.id])
    return { to: `${base}/prompts?done=live` }
  })
}
