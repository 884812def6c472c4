// Requests to PostgREST as docs/gateways.md configures it: each function is there with its documentation, refusals
// have their status and reason, and nobody is answered as somebody else.
//
//   node postgrest.js DIRECTORY-WITH-ITS-MODULES
//
//   POSTGREST   the program
const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { createHmac, randomBytes, randomUUID } = require('node:crypto')
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
const http = require('node:http')
const { createRequire } = require('node:module')
const os = require('node:os')
const path = require('node:path')

const { Pool } = createRequire(path.join(process.argv[2], 'package.json'))('pg')
const document = readFileSync(path.join(__dirname, '../../docs/gateways.md'), 'utf8')
const configuration = document.split('## PostgREST\n')[1].match(/^```ini\n(.*?)^```/ms)[1]
const directory = mkdtempSync(path.join(os.tmpdir(), 'postgrest-'))
const dba = new Pool()
const agent = new http.Agent({ keepAlive: true, maxSockets: 20 })
const issuer = 'https://id.example.com'
const secret = randomBytes(32)

const base64 = (value) => Buffer.from(value).toString('base64url')

// Stands for an application's identity provider.
function tokenOf(user, claims, key = secret, header = { alg: 'HS256', typ: 'JWT' }) {
  const exp = Math.floor(Date.now() / 1000) + 600
  const payload = { iss: issuer, aud: 'app', sub: user, role: 'customer', exp, ...claims }
  const signed = `${base64(JSON.stringify(header))}.${base64(JSON.stringify(payload))}`
  return `${signed}.${header.alg === 'none' ? '' : createHmac('sha256', key).update(signed).digest('base64url')}`
}

// A running PostgREST, of which only what belongs to this machine and this run differs from the document; and what else
// is said.
class Gateway {
  constructor(name, settings) {
    const file = path.join(directory, `${name}.conf`)
    this.socketPath = path.join(directory, `${name}.socket`)
    writeFileSync(file, configuration)
    this.log = ''
    this.process = spawn(process.env.POSTGREST, [file], {
      env: {
        ...process.env,
        PGRST_DB_URI: `postgresql://gateway@/${process.env.PGDATABASE}`,
        PGRST_JWT_SECRET: secret.toString('base64'),
        PGRST_JWT_SECRET_IS_BASE64: 'true',
        PGRST_SERVER_UNIX_SOCKET: this.socketPath,
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => (this.log += text))
    process.on('exit', () => this.process.kill())
  }

  // { status, headers, body }
  request(method, target, { token, headers, body } = {}) {
    return new Promise((resolve, reject) => {
      const options = {
        agent,
        method,
        path: target,
        socketPath: this.socketPath,
        headers: {
          ...(token && { authorization: `Bearer ${token}` }),
          ...(body && { 'content-type': 'application/json' }),
          ...headers,
        },
      }
      const request = http.request(options, async (response) => {
        let text = ''
        for await (const part of response.setEncoding('utf8')) text += part
        const parsed = /json/.test(response.headers['content-type'] ?? '') && text ? JSON.parse(text) : text
        resolve({ status: response.statusCode, headers: response.headers, body: parsed })
      })
      request.on('error', reject)
      request.end(body && JSON.stringify(body))
    })
  }

  // What is answered, or what is refused: "status reason".
  async answer(...args) {
    const { status, body } = await this.request(...args)
    return status < 300 ? body : `${status} ${body.details}`
  }

  read(user, name, args, more) {
    const query = new URLSearchParams(args)
    return this.answer('GET', `/rpc/${name}?${query}`, { ...(user && { token: tokenOf(user) }), ...more })
  }

  write(user, name, args, more) {
    return this.answer('POST', `/rpc/${name}`, { ...(user && { token: tokenOf(user) }), body: args, ...more })
  }

  // It listens before it knows the schema, and has no socket before that.
  async start() {
    for (let attempt = 0; attempt < 300; attempt++) {
      assert.equal(this.process.exitCode, null, this.log)
      const status = await this.request('GET', '/').then((response) => response.status, () => 0)
      if (status === 200) return this
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`PostgREST does not start:\n${this.log}`)
  }
}

async function newUser(label) {
  const id = randomUUID()
  await dba.query('SELECT teamrbac.register_user($1, $2, $3)', [`${label}-${id}@example.com`, label, id])
  return id
}

async function checkSchema(gateway) {
  const { paths } = await gateway.answer('GET', '/', { token: tokenOf(await newUser('reader')) })
  const { rows } = await dba.query(`SELECT proname, provolatile, obj_description(oid, 'pg_proc') AS comment
    FROM pg_proc WHERE pronamespace = 'api'::regnamespace`)
  assert.ok(rows.length > 30)
  assert.deepEqual(Object.keys(paths).sort(), ['/', ...rows.map((row) => `/rpc/${row.proname}`)].sort())
  for (const { proname, comment } of rows) {
    const { summary, description } = paths[`/rpc/${proname}`].post
    assert.equal([summary, description].join('\n\n').trim(), comment, proname)
  }
}

async function checkStory(gateway) {
  const [olivia, sam] = [await newUser('olivia'), await newUser('sam')]
  const { rows } = await dba.query('SELECT email FROM teamrbac.app_user WHERE user_id = $1', [sam])
  const acme = { name: 'Acme', slug: `acme-${randomUUID().slice(0, 8)}` }
  assert.equal(await gateway.write(null, 'create_tenant', acme), '401 not_signed_in')
  const { tenant_id, role } = await gateway.write(olivia, 'create_tenant', acme)
  assert.equal(role, 'owner')
  assert.equal(await gateway.write(olivia, 'create_tenant', acme), '409 slug_taken')
  const invite = { tenant_id, email: rows[0].email, role: 'reader' }
  assert.equal(await gateway.write(sam, 'invite_member', invite), '403 permission_denied')
  assert.match(await gateway.read(olivia, 'invite_member', invite), /^405 /)
  const { token } = await gateway.write(olivia, 'invite_member', invite)
  const { tenant_name, state } = await gateway.read(null, 'peek_invitation', { token })
  assert.deepEqual({ tenant_name, state }, { tenant_name: 'Acme', state: 'pending' })
  assert.equal(await gateway.read(null, 'peek_invitation', { token: 'unknown' }), '404 invitation_not_found')
  const joined = await gateway.write(sam, 'accept_invitation', { token })
  assert.deepEqual(joined, { tenant_id, ...acme, role: 'reader' })
  const members = await gateway.read(sam, 'members', { tenant_id, order: 'display_name', select: 'display_name,role' })
  assert.deepEqual(members, [{ display_name: 'olivia', role: 'owner' }, { display_name: 'sam', role: 'reader' }])
  const promotion = { tenant_id, user_id: sam, role: 'developer' }
  assert.equal((await gateway.write(olivia, 'change_role', promotion)).role, 'developer')
  assert.equal(await gateway.read(sam, 'has_permission', { tenant_id, permission: 'prompts.edit' }), true)
  const misspelt = { tenant_id, permission: 'prompts.edt' }
  assert.equal(await gateway.read(sam, 'has_permission', misspelt), '400 unknown_permission')
  const late = await gateway.write(olivia, 'invite_member', { tenant_id, email: 'late@example.com', role: 'reader' })
  await dba.query(`UPDATE teamrbac.invitation SET email = 'expired@example.com', expires_at = now()
    WHERE invitation_id = $1`, [late.invitation_id])
  await dba.query("UPDATE teamrbac.app_user SET email = 'expired@example.com' WHERE user_id = $1", [sam])
  assert.equal(await gateway.write(sam, 'accept_invitation', { token: late.token }), '410 invitation_expired')
  await dba.query('UPDATE teamrbac.app_user SET email = $2 WHERE user_id = $1', [sam, rows[0].email])
  assert.deepEqual(await gateway.read(null, 'members', { tenant_id }), [])
}

// The user, or what is refused.
async function whoami(gateway, token) {
  const answer = await gateway.answer('GET', '/rpc/whoami', { token })
  return answer.kind ? answer.user_id : answer
}

// Whom PostgREST does not know is refused before anything is asked of the database; whom teamrbac does not, likewise.
async function checkSignIn(gateway) {
  const user = await newUser('olivia')
  assert.equal(await whoami(gateway, tokenOf(user)), user)
  assert.equal(await whoami(gateway), null)
  for (const claims of [{ exp: 1 }, { aud: 'another' }])
    assert.match(await whoami(gateway, tokenOf(user, claims)), /^401 /)
  assert.match(await whoami(gateway, tokenOf(user, {}, randomBytes(32))), /^401 /)
  assert.match(await whoami(gateway, tokenOf(user, {}, secret, { alg: 'none' })), /^401 /)
  assert.match(await whoami(gateway, tokenOf(user, { role: 'postgres' })), /^403 /)
  assert.equal(await whoami(gateway, tokenOf(randomUUID())), '401 user_unregistered')
  assert.equal(await whoami(gateway, tokenOf('olivia')), '401 user_unregistered')
  await dba.query('CALL teamrbac.disable_user($1)', [user])
  assert.equal(await whoami(gateway, tokenOf(user)), '401 user_disabled')
}

// A page is of those behind the last one seen, until there are none.
async function checkPages(gateway) {
  const user = await newUser('olivia')
  const { tenant_id } = await gateway.write(user, 'create_tenant', { name: 'Acme' })
  const emails = Array.from({ length: 5 }, (_, n) => `guest-${n}@example.com`)
  for (const email of emails) await gateway.write(user, 'invite_member', { tenant_id, email, role: 'reader' })
  const seen = []
  for (let after; ; after = { after_place: seen.at(-1).place }) {
    const page = await gateway.read(user, 'invitations_page', { tenant_id, page_size: 2, ...after })
    if (page.length === 0) break
    assert.ok(page.length <= 2)
    seen.push(...page)
  }
  assert.deepEqual(seen.map((row) => row.email), emails)
  const [first] = await gateway.read(user, 'members_page', { tenant_id, page_size: 1 })
  assert.equal(first.display_name, 'olivia')
  assert.deepEqual(await gateway.read(user, 'members_page', { tenant_id, after_place: first.place }), [])
  const [newest] = await gateway.read(user, 'audit_page', { tenant_id, page_size: 1 })
  const before_sequence = newest.sequence
  const older = await gateway.read(user, 'audit_page', { tenant_id, before_sequence })
  assert.ok(older.length >= 5 && older.every((event) => event.sequence < before_sequence))
  assert.equal((await gateway.read(user, 'audit_export', { tenant_id, page_size: 2 })).length, 2)
}

// Whoever is in two tenants works in the one that the request's header names, and is a stranger in the other.
async function checkTenants(gateway, header = 'x-tenant') {
  const user = await newUser('both')
  const [first, second] = [
    await gateway.write(user, 'create_tenant', { name: 'First' }),
    await gateway.write(user, 'create_tenant', { name: 'Second' }),
  ]
  const mine = async (headers) => {
    const { tenant_id } = await gateway.read(user, 'whoami', {}, { headers })
    const counts = []
    for (const tenant of [first, second])
      counts.push((await gateway.read(user, 'members', { tenant_id: tenant.tenant_id }, { headers })).length)
    return [tenant_id, ...counts]
  }
  assert.deepEqual(await mine(), [null, 1, 1])
  assert.deepEqual(await mine({ [header]: second.tenant_id }), [second.tenant_id, 0, 1])
  assert.deepEqual(await mine(), [null, 1, 1])
  const headers = { [header]: first.tenant_id }
  const stranger = await newUser('stranger')
  assert.equal(await gateway.read(stranger, 'whoami', {}, { headers }), '403 permission_denied')
}

// Twenty users at once on ten connections, 2,000 requests: a tenth by nobody, a tenth refused half way.
async function checkCrowd(gateway) {
  const users = []
  for (let i = 0; i < 20; i++) {
    const id = await newUser(`user-${i}`)
    users.push({ id, ...(await gateway.write(id, 'create_tenant', { name: `Tenant ${i}` })) })
  }
  const counts = { own: 0, nobody: 0, refused: 0 }
  const inFlight = users.map(async (user, i) => {
    for (let n = 0; n < 100; n++) {
      if (n % 10 === 3) {
        const other = users[(i + 1) % users.length]
        const args = { tenant_id: other.tenant_id, user_id: other.id, role: 'reader' }
        assert.equal(await gateway.write(user.id, 'change_role', args), '403 permission_denied')
        counts.refused++
        continue
      }
      const asker = n % 10 === 7 ? null : user.id
      if (n % 2) assert.equal((await gateway.read(asker, 'whoami')).user_id, asker)
      else {
        const tenants = await gateway.read(asker, 'my_tenants', { select: 'name' })
        assert.deepEqual(tenants, asker ? [{ name: user.name }] : [])
      }
      counts[asker ? 'own' : 'nobody']++
    }
  })
  await Promise.all(inFlight)
  assert.deepEqual(counts, { own: 1600, nobody: 200, refused: 200 })
}

// A message is part of the answer's first line, and no argument ends that.
async function checkOneLine(gateway) {
  const permission = 'x\r\nSet-Cookie: planted=1\r\n\r\n<script>'
  const { status, headers, body } = await gateway.request('GET',
    `/rpc/has_permission?${new URLSearchParams({ tenant_id: randomUUID(), permission })}`)
  assert.deepEqual([status, headers['set-cookie'], body.details], [400, undefined, 'unknown_permission'])
}

// teamrbac verifies the token by itself: in begin_request, as docs/gateways.md says, and without, as docs/cookbook.md.
async function checkTokens() {
  const { rows } = await dba.query("SELECT pg_get_functiondef('gateway.begin_request'::regproc) AS definition")
  await dba.query(rows[0].definition.replace('begin_request', 'begin_with_token')
    .replace('sign_in_from_jwt_claims', 'sign_in_from_request'))
  const keys = JSON.stringify({ keys: [{ kty: 'oct', k: base64(secret) }] })
  await dba.query("SELECT teamrbac.trust_issuer($1, $2, '{app}', '{HS256}')", [issuer, keys])
  const gateway = await new Gateway('tokens', { PGRST_DB_PRE_REQUEST: 'gateway.begin_with_token' }).start()
  for (const check of [checkStory, checkPages, checkTenants, checkCrowd]) await check(gateway)
  await checkTenants(gateway, 'teamrbac-tenant')
  const user = await newUser('olivia')
  assert.equal(await whoami(gateway, tokenOf(user)), user)
  assert.equal(await whoami(gateway), null)
  assert.equal(await whoami(gateway, tokenOf(randomUUID())), '401 user_unregistered')
  assert.equal(await whoami(gateway, tokenOf(user, { iss: 'https://other.example.com' })), '401 token_issuer')
  await dba.query('CALL teamrbac.revoke_tokens($1)', [user])
  assert.equal(await whoami(gateway, tokenOf(user)), '401 token_revoked')

  const bare = await new Gateway('bare', { PGRST_DB_PRE_REQUEST: 'teamrbac.sign_in_from_request' }).start()
  const other = await newUser('other')
  assert.equal(await whoami(bare, tokenOf(other)), other)
  assert.equal(await whoami(bare), null)
  assert.match(await whoami(bare, tokenOf(user)), /^403 /)
}

async function main() {
  const gateway = await new Gateway('claims').start()
  const checks = [checkSchema, checkStory, checkSignIn, checkPages, checkTenants, checkCrowd, checkOneLine, checkTokens]
  for (const check of checks) {
    await check(gateway)
    console.log(`postgrest: ${check.name} passed`)
  }
}

process.on('exit', () => rmSync(directory, { recursive: true }))
main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
