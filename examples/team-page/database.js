import pg from 'pg'

export const pool = new pg.Pool({ user: 'team_page', application_name: 'team-page', max: 10 })
pool.on('error', (error) => console.error('an idle connection broke:', error.message))

// What the provider says of somebody, for the greeting. Not verified here: the database does that.
const name = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).name

// As the database would.
const refused = (code, constraint) => Object.assign(new Error(constraint), { code, constraint })

// Whoever the token is of, the teams of theirs, and the one that the address names, entered.
async function signIn(query, token, slug) {
  const me = { tenants: [], may: new Set() }
  await query('SELECT teamrbac.sign_in_with_token($1)', [token])
  me.name = name(token)
  me.tenants = await query('SELECT * FROM teamrbac.my_tenants()')
  if (slug !== undefined) {
    const tenant = me.tenants.find((t) => t.slug === slug)
    if (!tenant) throw Object.assign(refused('42501', 'no_such_team'), { me })
    await query('SELECT teamrbac.act_in_tenant($1)', [tenant.tenant_id])
    me.tenant = tenant
    const [{ may }] = await query('SELECT teamrbac.my_permissions($1) AS may', [tenant.tenant_id])
    me.may = new Set(may)
  }
  return me
}

// One transaction for each request. The identity ends with it, so that the connection may be anybody's next.
export async function transaction(token, slug, work) {
  const client = await pool.connect()
  const query = async (text, values) => (await client.query(text, values)).rows
  let broken, me
  try {
    await client.query('BEGIN')
    if (!token && slug) throw refused('28000', 'not_signed_in')
    me = token ? await signIn(query, token, slug) : null
    const result = await work(query, me)
    await client.query('COMMIT')
    return { result, me }
  } catch (error) {
    await client.query('ROLLBACK').catch((failed) => (broken = failed))
    throw Object.assign(error, me && { me })
  } finally {
    client.release(broken)
  }
}
