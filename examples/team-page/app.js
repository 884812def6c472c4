// The team page: every request is one transaction, whose identity the database verifies and whose rules it keeps.
import express from 'express'
import { transaction } from './database.js'
import { refusal } from './errors.js'
import { html, layout } from './html.js'
import audit from './audit.js'
import entrance from './entrance.js'
import invitations from './invitations.js'
import keys from './keys.js'
import members from './members.js'
import prompts from './prompts.js'
import roles from './roles.js'

const DONE = {
  joined: 'Welcome to the team.',
  declined: 'You have declined the invitation.',
  role: 'The role has been changed, from this moment on.',
  expiry: 'The end of the membership has been noted.',
  removed: 'The member has been removed; their access has ended.',
  transferred: 'The team has a new Owner, and you are an Admin.',
  resent: 'The invitation has been sent again; the link in the earlier mail no longer works.',
  cancelled: 'The invitation has been cancelled; its link no longer works.',
  revoked: 'The key has been revoked, from this moment on.',
  defined: 'The role has been saved; whoever has it may do what it says from this moment on.',
  dropped: 'The role has been dropped.',
  drafted: 'The draft has been saved.',
  live: 'The prompt is live.',
}

const token = (req) => /(?:^|;\s*)token=([^;]+)/.exec(req.headers.cookie ?? '')?.[1]

// A route's work returns a page ({title, body, ...}) or where to go next ({to}); what it throws is a refusal.
const routes = (app, prefix, section) =>
  Object.fromEntries(['get', 'post'].map((method) => [method, (path, work) =>
    app[method](prefix + path, async (req, res) => {
      const { result, me } = await transaction(token(req), req.params.slug, (query, me) =>
        work({ query, me, tenant: me?.tenant?.tenant_id, base: `/t/${req.params.slug}`, params: req.params,
          ask: req.query, form: req.body ?? {} }))
      if (result.to) return res.redirect(303, result.to)
      res.send(layout({ me, section, notice: DONE[req.query.done], ...result }))
    })]))

export function application(more) {
  const app = express()
  app.disable('x-powered-by')
  app.use((req, res, next) => {
    // No script, nothing from elsewhere, and no address of ours told to anybody: some have a token in them.
    res.set({ 'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-store', 'Content-Security-Policy':
      "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'" })
    // A browser says when a form was another site's; the cookie is SameSite besides.
    const from = req.headers['sec-fetch-site']
    if (req.method === 'POST' && from && from !== 'same-origin') return res.status(403).send('Not from another site.')
    next()
  })
  app.get('/style.css', (req, res) => res.sendFile(new URL('style.css', import.meta.url).pathname))
  app.use(express.urlencoded({ extended: false, limit: '200kb' }))
  more?.(app)
  entrance(routes(app, '', ''))
  app.post('/sign-out', (req, res) => res.clearCookie('token').redirect(303, '/sign-in'))
  for (const [name, pages] of Object.entries({ members, invitations, keys, roles, prompts, audit })) {
    pages(routes(app, '/t/:slug', name))
  }
  app.use((req, res) => {
    const body = html`<p>There is no such page. <a href="/">To the start</a></p>`
    res.status(404).send(layout({ title: 'Not found', body }))
  })
  app.use((error, req, res, next) => {
    const { status, text } = refusal(error)
    if (status === 500) console.error(error)
    const back = error.me?.tenant ? `/t/${error.me.tenant.slug}/members` : '/'
    const body = html`<p class="alert" role="alert">${text}</p>
      <p>${status === 401 ? html`<a href="/sign-in">Sign in</a>` : html`<a href="${back}">Back</a>`}</p>`
    res.status(status).send(layout({ me: error.me, title: 'This did not work', body }))
  })
  return app
}
