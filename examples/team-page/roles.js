import { html, table, button } from './html.js'

export default ({ get, post }) => {
  get('/roles', async ({ query, me, base }) => {
    const roles = await query('SELECT * FROM teamrbac.list_roles()')
    const permissions = [...new Set(roles.flatMap((r) => r.permissions))]
    const own = roles.filter((r) => !r.built_in)
    const has = (r, p) => r.permissions.includes(p) && 'yes'
    const drop = (r) => button(`${base}/roles/drop`, 'Drop', r.role, { name: r.role })
    return { title: 'Roles', body: html`
      ${table(['May', ...roles.map((r) => r.role)],
        permissions.map((p) => [html`<code>${p}</code>`, ...roles.map((r) => has(r, p))]))}
      ${me.may.has('roles.manage') && html`<h2>Roles of your own</h2>
      ${table(['Role', 'For', 'Actions'], own.map((r) => [r.role, r.description, drop(r)]), 'There is none yet.')}
      <form method="post" action="${base}/roles" class="fields">
        <label>Name, such as support_team <input name="name" required pattern="[a-z][a-z0-9_.]*"></label>
        <label>What it is for <input name="description" required></label>
        <fieldset><legend>It may</legend>${permissions.filter((p) => me.may.has(p)).map((p) => html`<label>
          <input type="checkbox" name="permissions" value="${p}"> ${p}</label>`)}</fieldset>
        <button class="main">Save the role</button></form>`}` }
  })
  post('/roles', async ({ query, tenant, base, form }) => {
    await query('SELECT teamrbac.define_tenant_role($1, $2, $3, $4)',
      [tenant, form.name, form.description, [form.permissions ?? []].flat()])
    return { to: `${base}/roles?done=defined` }
  })
  post('/roles/drop', async ({ query, tenant, base, form }) => {
    await query('CALL teamrbac.drop_tenant_role($1, $2)', [tenant, form.name])
    return { to: `${base}/roles?done=dropped` }
  })
}
