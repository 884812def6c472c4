// Pages are template strings: what is put into one is text, unless it is markup that came out of one.
const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

class Markup {
  constructor(text) {
    this.text = text
  }
}

function markup(value) {
  if (value instanceof Markup) return value.text
  if (Array.isArray(value)) return value.map(markup).join('')
  if (value === null || value === undefined || value === false) return ''
  return String(value).replace(/[&<>"']/g, (character) => entities[character])
}

export const html = (strings, ...values) =>
  new Markup(strings.reduce((text, string, i) => text + markup(values[i - 1]) + string))

export const time = (date) => (date ? date.toISOString().slice(0, 16).replace('T', ' ') : '')
export const day = (date) => (date ? date.toISOString().slice(0, 10) : '')
// What ends at midnight has had the day before.
export const lastDay = (end) => (end ? day(new Date(end - 1)) : '')

export const table = (columns, rows, none) =>
  rows.length
    ? html`<div class="wide"><table><thead><tr>${columns.map((c) => html`<th scope="col">${c}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`
    : html`<p class="none">${none}</p>`

export const options = (values, chosen) => values.map((v) => html`<option ${v === chosen && 'selected'}>${v}</option>`)

export const search = (label, value) => html`<form class="line" role="search">
  <label>${label} <input name="search" type="search" value="${value}"></label><button>Search</button></form>`

// The way on from a page that is full.
export function further(rows, size, label, href, asked) {
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value))
  return rows.length === size && html`<p class="pages"><a rel="next" href="${href}?${query}">${label}</a></p>`
}

// A form that is one button.
export const button = (action, label, about, fields = {}) => html`<form method="post" action="${action}" class="inline">
  ${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
  <button aria-label="${label} ${about}">${label}</button></form>`

const SECTIONS = [
  ['members', 'Members'],
  ['invitations', 'Invitations', 'team.manage'],
  ['prompts', 'Prompts', 'prompts.view'],
  ['keys', 'API keys', 'api_keys.create_personal', 'api_keys.manage'],
  ['roles', 'Roles'],
  ['audit', 'Audit', 'audit.view'],
]

// me: who is signed in, in which tenant, if so; section: where in the team's menu the page is.
export function layout({ me, section, title, body, notice }) {
  const tenant = me?.tenant
  const sections = SECTIONS.filter(([, , ...needed]) => !needed.length || needed.some((p) => me?.may.has(p)))
  return html`<!doctype html><html lang="en"><head><meta charset="utf-8">
    <title>${title}${tenant && ` - ${tenant.name}`}</title><link rel="stylesheet" href="/style.css">
    <meta name="viewport" content="width=device-width, initial-scale=1"></head><body>
    <a class="skip" href="#main">Skip to the page</a>
    <header><nav aria-label="Teams">${me?.tenants.length ? me.tenants.map((t) => html`<a href="/t/${t.slug}/members"
      ${t.slug === tenant?.slug && html`aria-current="true"`}>${t.name}</a>`) : html`<a href="/">The App</a>`}</nav>
      ${me ? html`<div>${me.name}${tenant && `, ${tenant.role}`} <form method="post" action="/sign-out" class="inline">
        <button>Sign out</button></form></div>` : html`<a href="/sign-in">Sign in</a>`}</header>
    ${tenant && html`<nav class="sections" aria-label="${tenant.name}">${sections.map(([path, label]) => html`<a
      href="/t/${tenant.slug}/${path}" ${path === section && html`aria-current="page"`}>${label}</a>`)}</nav>`}
    <main id="main" tabindex="-1"><h1>${title}</h1>
    ${notice && html`<p role="status" class="notice">${notice}</p>`}${body}</main></body></html>`.text
}
