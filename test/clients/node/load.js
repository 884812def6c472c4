// The clients of Node: see ../README.md.  TITLE is the section of docs/clients.md, MODULES where npm put its packages.
const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const { promisify } = require('node:util')

const { TITLE: title, MODULES: directory } = process.env
const modules = createRequire(directory === '-' ? '/usr/share/nodejs/' : path.join(directory, 'package.json'))
const document = readFileSync(path.join(__dirname, '../../../docs/clients.md'), 'utf8')
const block = document.split(`## ${title}\n`)[1].match(/^```js\n(.*?)^```/ms)[1]

// What a client's own interface is to the requests: run(transaction, statement) returns rows, also outside of one.
const clients = {
  'node-postgres': {
    names: 'as, pool',
    run: ({ pool }) => async (tx, text) => (await (tx ?? pool).query(text)).rows,
    end: ({ pool }) => pool.end(),
  },
  'postgres.js': {
    names: 'as, idle, anonymous: open().sql',
    run: ({ anonymous }) => async (tx, text) => (tx ?? anonymous).unsafe(text),
    end: ({ idle, anonymous }) => Promise.all([anonymous, ...idle.map(({ sql }) => sql)].map((sql) => sql.end())),
  },
  Prisma: {
    names: 'as, prisma',
    run: ({ prisma }) => async (tx, text) => (tx ?? prisma).$queryRawUnsafe(text),
    end: ({ prisma }) => prisma.$disconnect(),
  },
  Drizzle: {
    names: 'as, db, sql, pool',
    run: ({ db, sql }) => async (tx, text) => (await (tx ?? db).execute(sql.raw(text))).rows,
    end: ({ pool }) => pool.end(),
  },
  Kysely: {
    names: 'as, db, sql',
    run: ({ db, sql }) => async (tx, text) => (await sql.raw(text).execute(tx ?? db)).rows,
    end: ({ db }) => db.destroy(),
  },
  Knex: {
    names: 'as, knex',
    run: ({ knex }) => async (tx, text) => (await (tx ?? knex).raw(text)).rows,
    end: ({ knex }) => knex.destroy(),
  },
}

const client = clients[title]
const made = new Function('require', 'process', 'console', `${block}\nreturn { ${client.names} }`)(modules, process, {
  ...console,
  error: () => {}, // what is lost is counted here
})
const { as } = made
const run = client.run(made)

const id = (kind, n) => `00000000-0000-0000-0000-00000000${kind}${String(n).padStart(2, '0')}`
const user = (n) => id('01', n)
const rows = 'SELECT tenant_id::text AS tenant, n FROM note'
const who = 'SELECT teamrbac.current_user_id()::text AS id'
const count = (row) => `UPDATE note SET n = n + 1 WHERE id = ${row} RETURNING n`

async function request(i) {
  const n = i % 20
  const kind = Math.floor(i / 20) % 10
  if (kind === 0) {
    assert.deepEqual([...(await run(null, rows))], [], 'a row without an identity')
  } else if (kind === 1) {
    await assert.rejects(
      as(user(n), async (tx) => {
        await run(tx, count(2))
        if (i % 2 === 0) await run(tx, 'SELECT 1 / 0')
        throw new Error('half way')
      }),
    )
  } else {
    await as(user(n), async (tx) => {
      assert.equal((await run(tx, who))[0].id, user(n))
      const seen = [...(await run(tx, rows))].map((row) => row.tenant)
      assert.deepEqual(seen, Array(5).fill(id('02', n)), 'rows of somebody else')
      assert.equal((await run(tx, count(1))).length, 1)
    })
  }
}

async function load() {
  let next = 0
  const worker = async () => {
    for (let i = next++; i < 2000; i = next++) await request(i)
  }
  await Promise.all(Array.from({ length: 20 }, worker))
}

// An error, or the outer identity afterwards.
async function nested() {
  await as(user(3), async (tx) => {
    await as(user(7), async (inner) => assert.equal((await run(inner, who))[0].id, user(7))).catch((error) => {
      if (error instanceof assert.AssertionError) throw error
    })
    assert.equal((await run(tx, who))[0].id, user(3), 'the inner identity has outlived its block')
  })
}

async function interrupted() {
  const asleep = Array.from({ length: 10 }, (_, n) => as(user(n), (tx) => run(tx, 'SELECT pg_sleep(60)::text')))
  const ends = Promise.allSettled(asleep)
  await promisify(execFile)(process.env.INTERRUPT)
  const lost = (await ends).filter((end) => end.status === 'rejected').length
  assert.equal(lost, 10, 'a request whose backend was killed has not failed')
  for (let n = 0; n < 20; n++) {
    for (let attempt = 1; ; attempt++) {
      try {
        await as(user(n), async (tx) => assert.equal((await run(tx, who))[0].id, user(n)))
        break
      } catch (error) {
        if (attempt === 12 || error instanceof assert.AssertionError) throw error
      }
    }
  }
}

// README.md's block, which is node-postgres's.
async function readme() {
  const text = readFileSync(path.join(__dirname, '../../../README.md'), 'utf8')
  const lines = text.split('## In a pooled application\n')[1].match(/^```js\n(.*?)^```/ms)[1]
  const connection = await made.pool.connect()
  const AsyncFunction = (async () => {}).constructor
  const endpoints = await new AsyncFunction('client', 'userId', `${lines}\nreturn endpoints`)(connection, user(4))
  assert.deepEqual([...new Set(endpoints.rows.map((row) => row.tenant_id))], [id('02', 4)])
  assert.equal(endpoints.rows.length, 50)
  assert.deepEqual((await connection.query('SELECT FROM endpoint')).rows, [])
  connection.release()
}

async function main() {
  await load()
  if (title === 'node-postgres') await readme()
  await nested()
  await interrupted()
  await client.end(made)
  console.log(`${title}: 2000 requests of 20 users, nested, interrupted: no wrong row.`)
  process.exitCode = 0
}

// A promise that nothing will ever fulfil leaves Node without a word.
process.exitCode = 1
main().catch((error) => {
  console.error(title, error)
  process.exit(1)
})
