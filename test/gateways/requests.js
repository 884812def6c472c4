// Requests to PostGraphile as docs/gateways.md configures it: each function is there with its documentation, refusals
// have their status and reason, and nobody is answered as somebody else.
//
//   node requests.js postgraphile4|postgraphile5 DIRECTORY-WITH-ITS-MODULES
const assert = require('node:assert/strict')
const { randomUUID } = require('node:crypto')
const { readFileSync } = require('node:fs')
const http = require('node:http')
const { createRequire } = require('node:module')
const path = require('node:path')

const [name, directory] = process.argv.slice(2)
const modules = createRequire(path.join(directory, 'package.json'))
const { Pool } = modules('pg')

// All that PostGraphile 5 misses in Node 20.
Promise.withResolvers ??= () => {
  let resolve, reject
  const promise = new Promise((...both) => ([resolve, reject] = both))
  return { promise, resolve, reject }
}

const title = name.replace('postgraphile', 'PostGraphile ')
const document = readFileSync(path.join(__dirname, '../../docs/gateways.md'), 'utf8')
const block = document.split(`## ${title}\n`)[1].match(/^```js\n(.*?)^```/ms)[1]
const gateway = new Function('require', `${block}\nreturn gateway`)(modules)

const dba = new Pool()
const pool = new Pool({ user: 'gateway', max: 10 })
const server = http.createServer()

// Stands for an application's authentication.
server.on('request', (req) => {
  const id = req.headers['x-user']
  if (id) req.user = { id }
})

async function listen() {
  if (name === 'postgraphile4') {
    server.on('request', gateway(pool))
  } else {
    const { grafserv } = modules('postgraphile/grafserv/node')
    await gateway(pool).createServ(grafserv).addTo(server)
  }
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
}

// The data of a request, or what is refused: "status reason".
async function ask(user, query, tenant) {
  const response = await fetch(`http://127.0.0.1:${server.address().port}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(user && { 'x-user': user }),
      ...(tenant && { 'x-tenant': tenant }),
    },
    body: JSON.stringify({ query }),
  })
  const { data, errors } = await response.json()
  if (!errors) return data
  const { errcode, detail } = { ...errors[0], ...errors[0].extensions }
  return errcode ? `${errcode} ${detail}` : errors[0].message
}

const camel = (snake) => snake.replace(/_(.)/g, (_, letter) => letter.toUpperCase())
const literal = (value) => (value instanceof Array ? `[${value.map(literal)}]` : JSON.stringify(value))
const list = (args) => Object.entries(args).map(([key, value]) => `${key}: ${literal(value)}`)

// write('changeRole', 'member', {...}, 'role'): PostGraphile 4 names the field for the type.
async function write(user, command, type, args, fields) {
  const row = name === 'postgraphile4' ? type : 'result'
  const data = await ask(user, `mutation { ${command}(input: {${list(args)}}) { ${row} { ${fields} } } }`)
  return typeof data === 'string' ? data : data[command][row]
}

async function read(user, query, args, fields) {
  const data = await ask(user, `{ ${query}${list(args).length ? `(${list(args)})` : ''} ${fields} }`)
  return typeof data === 'string' ? data : data[query]
}

async function newUser(label) {
  const id = randomUUID()
  await dba.query('SELECT teamrbac.register_user($1, $2, $3)', [`${label}-${id}@example.com`, label, id])
  return id
}

async function checkSchema() {
  const fields = 'fields { name description }'
  const { __schema } = await ask(null, `{ __schema { queryType { ${fields} } mutationType { ${fields} } } }`)
  const { rows } = await dba.query(`SELECT proname, provolatile, obj_description(oid, 'pg_proc') AS comment
    FROM pg_proc WHERE pronamespace = 'api'::regnamespace`)
  assert.ok(rows.length > 30)
  for (const { proname, provolatile, comment } of rows) {
    const type = provolatile === 's' ? __schema.queryType : __schema.mutationType
    const field = type.fields.find((candidate) => candidate.name === camel(proname))
    assert.equal(field?.description, comment, proname)
  }
}

async function checkStory() {
  const [olivia, sam] = [await newUser('olivia'), await newUser('sam')]
  const { rows } = await dba.query('SELECT email FROM teamrbac.app_user WHERE user_id = $1', [sam])
  const tenantArgs = { name: 'Acme', slug: `acme-${randomUUID().slice(0, 8)}` }
  assert.equal(await write(null, 'createTenant', 'tenant', tenantArgs, 'name'), 'PT401 not_signed_in')
  const { tenantId, role } = await write(olivia, 'createTenant', 'tenant', tenantArgs, 'tenantId role')
  assert.equal(role, 'owner')
  assert.equal(await write(olivia, 'createTenant', 'tenant', tenantArgs, 'name'), 'PT409 slug_taken')
  const invite = { tenantId, email: rows[0].email, role: 'reader' }
  assert.equal(await write(sam, 'inviteMember', 'sentInvitation', invite, 'token'), 'PT403 permission_denied')
  const { token } = await write(olivia, 'inviteMember', 'sentInvitation', invite, 'token')
  const offer = await read(null, 'peekInvitation', { token }, '{ tenantName state }')
  assert.deepEqual(offer, { tenantName: 'Acme', state: 'pending' })
  assert.equal(await read(null, 'peekInvitation', { token: 'unknown' }, '{ state }'), 'PT404 invitation_not_found')
  const joined = await write(sam, 'acceptInvitation', 'tenant', { token }, 'name role')
  assert.deepEqual(joined, { name: 'Acme', role: 'reader' })
  const members = await read(sam, 'members', { tenantId }, '{ nodes { displayName role } }')
  assert.deepEqual(members.nodes.map((m) => `${m.displayName} ${m.role}`).sort(), ['olivia owner', 'sam reader'])
  const promotion = { tenantId, userId: sam, role: 'developer' }
  assert.deepEqual(await write(olivia, 'changeRole', 'member', promotion, 'role'), { role: 'developer' })
  assert.equal(await read(sam, 'hasPermission', { tenantId, permission: 'prompts.edit' }, ''), true)
  assert.equal(await read(sam, 'hasPermission', { tenantId, permission: 'prompts.edt' }, ''), 'PT400 unknown_permission')
  const { invitationId, token: late } = await write(olivia, 'inviteMember', 'sentInvitation',
    { tenantId, email: 'late@example.com', role: 'reader' }, 'invitationId token')
  await dba.query(`UPDATE teamrbac.invitation SET email = 'expired@example.com', expires_at = now()
    WHERE invitation_id = $1`, [invitationId])
  await dba.query("UPDATE teamrbac.app_user SET email = 'expired@example.com' WHERE user_id = $1", [sam])
  assert.equal(await write(sam, 'acceptInvitation', 'tenant', { token: late }, 'name'), 'PT410 invitation_expired')
  await dba.query('UPDATE teamrbac.app_user SET email = $2 WHERE user_id = $1', [sam, rows[0].email])
  assert.deepEqual(await read(null, 'members', { tenantId }, '{ nodes { role } }'), { nodes: [] })
}

// Whoever is in two tenants works in the one that the request names, and is a stranger in the other.
async function checkTenants() {
  const user = await newUser('both')
  const [first, second] = [
    await write(user, 'createTenant', 'tenant', { name: 'First' }, 'tenantId'),
    await write(user, 'createTenant', 'tenant', { name: 'Second' }, 'tenantId'),
  ]
  const mine = `{ whoami { tenantId }
    first: members(tenantId: "${first.tenantId}") { nodes { role } }
    second: members(tenantId: "${second.tenantId}") { nodes { role } } }`
  const owner = { nodes: [{ role: 'owner' }] }
  assert.deepEqual(await ask(user, mine), { whoami: { tenantId: null }, first: owner, second: owner })
  assert.deepEqual(await ask(user, mine, second.tenantId), { whoami: second, first: { nodes: [] }, second: owner })
  const refusal = await ask(await newUser('stranger'), '{ whoami { kind } }', first.tenantId)
  assert.match(refusal, /permission denied for tenant|PT403|42501|^An error occurred/)
}

// Twenty users at once on ten connections, 2,000 requests: a tenth by nobody, a tenth refused half way.
async function checkCrowd() {
  const users = []
  for (let i = 0; i < 20; i++) {
    const id = await newUser(`user-${i}`)
    users.push({ id, ...(await write(id, 'createTenant', 'tenant', { name: `Tenant ${i}` }, 'tenantId name')) })
  }
  const counts = { own: 0, nobody: 0, refused: 0 }
  const inFlight = users.map(async (user, i) => {
    for (let n = 0; n < 100; n++) {
      if (n % 10 === 3) {
        const other = users[(i + 1) % users.length]
        const args = { tenantId: other.tenantId, userId: other.id, role: 'reader' }
        assert.equal(await write(user.id, 'changeRole', 'member', args, 'role'), 'PT403 permission_denied')
        counts.refused++
        continue
      }
      const asker = n % 10 === 7 ? null : user.id
      const { whoami, myTenants } = await ask(asker, '{ whoami { userId } myTenants { nodes { name } } }')
      assert.equal(whoami.userId, asker)
      assert.deepEqual(myTenants.nodes, asker ? [{ name: user.name }] : [])
      counts[asker ? 'own' : 'nobody']++
    }
  })
  await Promise.all(inFlight)
  assert.deepEqual(counts, { own: 1600, nobody: 200, refused: 200 })
}

async function main() {
  await listen()
  for (const check of [checkSchema, checkStory, checkTenants, checkCrowd]) {
    await check()
    console.log(`${name}: ${check.name} passed`)
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
