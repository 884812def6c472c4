// Starts examples/team-page on loopback, and plays what is around it: the identity provider, and everybody's mailbox.
//
//   node demo.js DIRECTORY     where the mail server keeps the mail, and the address goes to
import { spawn } from 'node:child_process'
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { application } from '../../examples/team-page/app.js'
import { html, layout } from '../../examples/team-page/html.js'

const [directory] = process.argv.slice(2)
const pg = createRequire(new URL('../../examples/team-page/app.js', import.meta.url))('pg')
const PEOPLE = {
  Olivia: 'Owner of Acme, Reader in Borealis',
  Adam: 'Admin of Acme',
  Dana: 'Developer in Acme, Admin of Borealis',
  Rita: 'Reader in Acme',
  Sam: 'Owner of Borealis and Cirrus',
}

// The provider: who has which address, which it has verified, and a key that the database trusts.
const issuer = 'https://id.example.com'
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const accounts = new Map()

async function trustProvider() {
  const dba = new pg.Client()
  await dba.connect()
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'demo', alg: 'EdDSA', use: 'sig' }] }
  await dba.query(
    `SELECT teamrbac.trust_issuer($1, $2, audience => '{team-page}', algorithms => '{EdDSA}',
    register_users => true)`,
    [issuer, keys],
  )
  for (const { user_id, email, display_name } of (await dba.query('SELECT * FROM teamrbac.app_user')).rows) {
    accounts.set(email, { sub: user_id, email, name: display_name })
  }
  await dba.end()
}

const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url')

function tokenOf(account) {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, aud: 'team-page', iat: now, exp: now + 3600, email_verified: true, ...account }
  const signed = `${encode({ alg: 'EdDSA', kid: 'demo', typ: 'JWT' })}.${encode(claims)}`
  return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`
}

function signIn(res, { email, name, next }) {
  const address = String(email).trim().toLowerCase()
  if (!accounts.has(address))
    accounts.set(address, { sub: randomUUID(), email: address, name: name || address.split('@')[0] })
  res.cookie('token', tokenOf(accounts.get(address)), { httpOnly: true, sameSite: 'lax' })
  res.redirect(303, /^\/(?![/\\])/.test(next) ? next : '/')
}

function mails() {
  try {
    return readFileSync(`${directory}/mail`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .reverse()
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

const linked = (text) =>
  text.split(/(https?:\/\/\S+)/).map((part, i) => (i % 2 ? html`<a href="${part}">${part}</a>` : part))

function around(app) {
  app.get('/sign-in', (req, res) =>
    res.send(
      layout({
        title: 'Sign in',
        body: html`
    <p>This page plays an identity provider, which knows everybody. Who are you?</p>
    <ul>${Object.entries(PEOPLE).map(
      ([name, what]) => html`<li>
      <a href="/sign-in/${name.toLowerCase()}">${name}</a>, ${what}</li>`,
    )}</ul>
    <h2>Somebody else</h2><form method="post" action="/sign-in" class="fields">
      <label>E-mail <input name="email" type="email" required value="${req.query.email}"></label>
      <label>Name <input name="name" required></label>
      <input type="hidden" name="next" value="${req.query.next}"><button class="main">Sign in</button></form>
    <p><a href="/mailbox">Everybody's mail</a></p>`,
      }),
    ),
  )
  app.get('/sign-in/:name', (req, res) => signIn(res, { email: `${req.params.name}@example.com` }))
  app.post('/sign-in', (req, res) => signIn(res, req.body))
  app.get('/mailbox', (req, res) =>
    res.send(
      layout({
        title: "Everybody's mail",
        body: mails()
          .slice(0, 60)
          .map(
            (mail) => html`
    <article><h2>To ${mail.rcpt_to.join(', ')}: ${Object.fromEntries(mail.headers).Subject}</h2>
    <pre>${linked(mail.body)}</pre></article>`,
          ),
      }),
    ),
  )
}

await trustProvider()
const server = application(around).listen(Number(process.env.TEAM_PAGE_PORT ?? 8080), '127.0.0.1', () => {
  const address = `http://127.0.0.1:${server.address().port}`
  const mailer = spawn('teamrbac-mailer', [], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      TEAMRBAC_MAILER_DATABASE: 'user=team_page_mailer',
      TEAMRBAC_MAILER_SMTP_TLS: 'off',
      TEAMRBAC_MAILER_SMTP_URL: `smtp://127.0.0.1:${readFileSync(`${directory}/port`, 'utf8').trim()}`,
      TEAMRBAC_MAILER_FROM_ADDRESS: 'no-reply@app.example',
      TEAMRBAC_MAILER_FROM_NAME: 'The App',
      TEAMRBAC_MAILER_ACCEPT_URL: `${address}/join?token={{token}}`,
    },
  })
  mailer.on('error', (error) => {
    throw error
  })
  process.on('SIGTERM', () => mailer.kill() && process.exit())
  console.log(`The team page is at ${address}/ until you press Ctrl-C, and everybody's mail at ${address}/mailbox.`)
  console.log('Sign in as')
  for (const [name, what] of Object.entries(PEOPLE))
    console.log(`  ${address}/sign-in/${name.toLowerCase()}  ${what}`)
  writeFileSync(`${directory}/address`, address)
})
