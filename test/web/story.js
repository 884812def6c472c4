// The team page's story, clicked through in Chromium: who may do what, from the first invitation to the new Owner.
//
//   node story.js MODULES PICTURES ADDRESS     puppeteer-core is in MODULES; pictures of the pages go to PICTURES
import assert from 'node:assert/strict'
import { openBrowser, Person } from './browser.js'

const [modules, pictures, address] = process.argv.slice(2)
const browser = await openBrowser(modules)
const person = () => Person.of(browser, address)
const picture = (who, name) => who.page.$('body').then((body) => body.screenshot({ path: `${pictures}/${name}.png` }))
let last

async function step(title, work) {
  last = title
  await work()
  console.log(`ok - ${title}`)
}

// The links in the mails to somebody, the newest first; waits for as many as there should be.
async function linksTo(email, count) {
  for (let tries = 0; ; tries++) {
    const page = await (await fetch(`${address}/mailbox`)).text()
    const links = [...page.matchAll(/<article><h2>To (.*?): .*?href="(.*?)"/gs)]
      .filter((m) => m[1] === email)
      .map((m) => m[2])
    if (links.length >= count) return links
    assert.ok(tries < 100, `${links.length} mails to ${email} came, not ${count}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

// What somebody does who makes up a form that the page does not offer.
async function forge(who, where, fields) {
  const answer = who.page.waitForNavigation()
  await who.page.evaluate(
    (action, values) => {
      const form = document.body.appendChild(document.createElement('form'))
      Object.assign(form, { action, method: 'post' })
      for (const [name, value] of Object.entries(values)) {
        Object.assign(form.appendChild(document.createElement('input')), { name, value, ariaLabel: name })
      }
      form.submit()
    },
    where,
    fields,
  )
  await answer
  await who.look()
}

const idOf = (who, name) =>
  who.has(`Manage ${name}`, 'link').then((e) => e.evaluate((a) => a.pathname.split('/').pop()))

async function story() {
  const olivia = await person()
  const [adam, dana, rita, vera, sam] = [
    await person(),
    await person(),
    await person(),
    await person(),
    await person(),
  ]

  await step('nobody sees anything before signing in', async () => {
    await olivia.visit('/t/acme/members')
    await olivia.look(401)
    await olivia.sees(/Please sign in/)
    await olivia.open('Sign in')
    await picture(olivia, 'sign-in')
    await olivia.open('Olivia')
  })
  await step('members: 46 of them by pages, and found by name or address', async () => {
    await olivia.sees(/46 in the team/, /aiko\.almeida@example\.com/)
    await picture(olivia, 'members')
    const first = await olivia.text()
    for (let page = 2; page <= 5; page++) await olivia.open('Next page')
    assert.notEqual(await olivia.text(), first)
    await olivia.sees(/Rita\s+rita@example\.com\s+reader/)
    assert.equal(await olivia.has('Next page', 'link'), null)
    await olivia.fill('Name or e-mail begins with', 'EKSTR', 'searchbox')
    await olivia.press('Search')
    await olivia.sees(/Aiko Ekström/, /Greta Ekström/)
    await olivia.seesNot(/Rita/)
  })
  await step('one team at a time, and no other', async () => {
    await olivia.open('Borealis')
    await olivia.sees(/3 in the team/, /Sam\s+owner/)
    await olivia.seesNot(/Rita/, /@example\.com\s+owner/)
    await olivia.open('Prompts')
    await olivia.sees(/Forecast/)
    await olivia.seesNot(/Greeting/)
    await olivia.visit('/t/cirrus/members')
    await olivia.look(403)
    await olivia.sees(/There is no such team, or you are not in it/)
    await olivia.open('Acme')
  })

  await step('by the keyboard alone, a developer is invited', async () => {
    await olivia.page.keyboard.press('Tab')
    await olivia.tabTo('Invitations')
    await Promise.all([olivia.page.waitForNavigation(), olivia.page.keyboard.press('Enter')])
    await olivia.tabTo('E-mail addresses')
    await olivia.page.keyboard.type('vera@newcorp.example')
    await olivia.tabTo('Role')
    await olivia.page.keyboard.type('dev')
    await olivia.tabTo('Invite')
    await Promise.all([olivia.page.waitForNavigation(), olivia.page.keyboard.press('Enter')])
    await olivia.sees(/1 of 1 invited as developer/)
  })
  await step('sent again, the first link is dead; cancelled, so is the other', async () => {
    await linksTo('vera@newcorp.example', 1)
    await olivia.open('All pending invitations')
    await olivia.press('Send again vera@newcorp.example')
    await olivia.sees(/has been sent again/)
    const [second, first] = await linksTo('vera@newcorp.example', 2)
    await vera.visit(first)
    await vera.look(404)
    await vera.sees(/This link is not valid/)
    await vera.visit(second)
    await vera.sees(/invited to join Acme as developer/)
    const [peters] = await linksTo('peter@newcorp.example', 1)
    await olivia.press('Cancel peter@newcorp.example')
    await olivia.seesNot(/peter@/)
    await sam.visit(peters)
    await sam.sees(/has been cancelled/)
  })
  await step('fifty are invited at once, each with an answer', async () => {
    const fifty = Array.from({ length: 47 }, (_, i) => `new${i + 1}@newcorp.example`)
    await olivia.fill(
      'E-mail addresses, one or many',
      [...fifty, 'dana@example.com', 'no address', 'NEW1@newcorp.example'].join('\n'),
    )
    await olivia.choose('Role', 'reader')
    await olivia.press('Invite')
    await olivia.sees(
      /47 of 51 invited as reader/,
      /dana@example\.com\s+member already/,
      /address\s+malformed/,
      /NEW1@\S+\s+repeated/,
    )
    await linksTo('new47@newcorp.example', 1)
    await olivia.open('All pending invitations')
    await picture(olivia, 'invitations')
    await olivia.fill('E-mail begins with', 'new4', 'searchbox')
    await olivia.press('Search')
    await olivia.sees(/new47@/)
    await olivia.seesNot(/new5@/)
  })
  await step('whoever was invited joins by the link, and nobody else', async () => {
    const [link] = await linksTo('vera@newcorp.example', 2)
    await sam.signIn('sam')
    await sam.visit(link)
    await sam.press('Join as Sam', 403)
    await vera.visit(link)
    await vera.open('Sign in to join')
    await vera.fill('Name', 'Vera')
    await vera.press('Sign in')
    await picture(vera, 'join')
    await vera.press('Join as Vera')
    await vera.sees(/Welcome to the team/)
    assert.equal(await vera.has('Invitations', 'link'), null)
    await vera.visit(link)
    await vera.sees(/has been accepted/)
    await vera.open('Acme')
  })
  await step('an invitation whose mail was lost is found after signing in', async () => {
    const invited = await person()
    await invited.visit('/sign-in')
    await invited.fill('E-mail', 'new9@newcorp.example')
    await invited.fill('Name', 'Nina')
    await invited.press('Sign in')
    await invited.sees(/Olivia invites you to join Acme as reader/)
    await invited.press('Join Acme')
    await invited.sees(/in the team/)
  })

  await step('a new developer makes a personal key, shown this once', async () => {
    await vera.open('API keys')
    assert.deepEqual(await vera.choices('Role'), ['reader', 'developer'])
    await vera.fill('Name: whose it is, and what for', 'Vera: first steps')
    await vera.press('Make a key')
    const secret = await vera.page.$eval('#secret', (element) => element.innerText)
    assert.match(secret, /^trk_[0-9a-f]{32}_[0-9A-Za-z]{49}$/)
    await picture(vera, 'key')
    await vera.open('I have copied it')
    await vera.sees(/Vera: first steps\s+developer\s+active/)
    await vera.seesNot(/trk_/, /Dana: laptop/)
    await vera.fill('Name: whose it is, and what for', 'Vera: first steps')
    await vera.press('Make a key', 409)
    await vera.sees(/Another key has this name/)
  })
  await step('a prompt goes from draft to Live, by those who may', async () => {
    await dana.signIn('dana')
    await dana.open('Prompts')
    await dana.fill('Title', 'Escalation')
    await dana.fill('Prompt', 'Hand over to a person, politely.')
    await dana.press('Save as a draft')
    await dana.sees(/Escalation\s+Hand over to a person, politely\.\s+draft/)
    await dana.press('Make live Escalation')
    await dana.sees(/The prompt is live/, /Escalation.*live/)
    await picture(dana, 'prompts')
  })
  await step('what people write is text, whatever it looks like', async () => {
    await dana.fill('Title', '<b>Bold</b>')
    await dana.fill('Prompt', '"><script>alert(1)</script>')
    await dana.press('Save as a draft')
    await dana.sees(/<b>Bold<\/b>\s+"><script>alert\(1\)<\/script>\s+draft/)
    await dana.press('Make live <b>Bold</b>')
  })
  await step('a Reader sees, and changes nothing, whatever they send', async () => {
    await rita.signIn('rita')
    await rita.seesNot(/@example\.com\s+reader/)
    await rita.open('Prompts')
    await rita.sees(/Greeting/, /Summary/)
    assert.equal(await rita.has('Make live Summary', 'button'), null)
    await forge(rita, '/t/acme/prompts', { title: 'Mine', body: 'x' })
    await rita.look(403)
    await forge(rita, '/t/acme/prompts/2/live', {})
    await rita.look(403)
    await rita.sees(/You are not allowed to do this/)
    await forge(rita, '/t/acme/invitations', { emails: 'friend@example.com', role: 'reader' })
    await rita.look(403)
    await rita.visit('/t/acme/audit')
    await rita.look(403)
  })

  await step("a contractor's access gets an end", async () => {
    await olivia.visit('/t/acme/members?search=bilal+c')
    await olivia.open('Manage Bilal Costa')
    const end = new Date(Date.now() + 30 * 86400000).toISOString().slice(0, 10)
    await (
      await olivia.page.$('[name=last_day]')
    ).evaluate((field, value) => {
      field.value = value
    }, end)
    await olivia.press('Note the end')
    await olivia.visit('/t/acme/members?search=bilal+c')
    await olivia.sees(new RegExp(end))
  })
  await step('an Admin who is made Developer manages nothing from that moment', async () => {
    await adam.signIn('adam')
    await adam.open('Invitations')
    assert.equal((await adam.choices('Role')).includes('owner'), false)
    await olivia.visit('/t/acme/members?search=adam')
    await olivia.open('Manage Adam')
    await olivia.choose('New role', 'developer')
    await olivia.press('Change role')
    await adam.fill('E-mail addresses, one or many', 'late@newcorp.example')
    await adam.press('Invite', 403)
    await adam.visit('/t/acme/keys')
    await adam.seesNot(/Dana: laptop/)
    await olivia.visit('/t/acme/members?search=adam')
    await olivia.open('Manage Adam')
    await olivia.choose('New role', 'admin')
    await olivia.press('Change role')
  })
  await step("a role of the team's own", async () => {
    await adam.open('Roles')
    await adam.fill('Name, such as support_team', 'support')
    await adam.fill('What it is for', 'Answers customers')
    for (const permission of ['logs.view', 'prompts.view']) await (await adam.find(permission, 'checkbox')).click()
    await adam.press('Save the role')
    await adam.sees(/support\s+Answers customers/)
    await picture(adam, 'roles')
    await olivia.visit('/t/acme/members?search=rita')
    await olivia.open('Manage Rita')
    await olivia.choose('New role', 'support')
    await olivia.press('Change role')
    await adam.press('Drop support', 409)
    await adam.sees(/is in use/)
    await rita.visit('/t/acme/prompts')
    await rita.sees(/Greeting/)
  })

  await step('a member is removed: what it means is told before, and it is so at once', async () => {
    await vera.visit('/t/acme/prompts')
    await adam.visit('/t/acme/members?search=vera')
    await adam.open('Manage Vera')
    await adam.sees(/Vera: first steps/)
    await picture(adam, 'remove')
    await adam.press('Remove Vera')
    await adam.sees(/their access has ended/)
    await vera.fill('Title', 'Too late')
    await vera.fill('Prompt', 'Too late')
    await vera.press('Save as a draft', 403)
    await adam.open('API keys')
    await adam.sees(/Vera: first steps\s+developer\s+active/)
    await adam.press('Revoke Vera: first steps')
    await adam.sees(/Vera: first steps\s+developer\s+revoked/)
  })
  await step('the Owner alone transfers the team, to an Admin', async () => {
    await adam.visit('/t/acme/members?search=olivia')
    assert.equal(await adam.has('Manage Olivia', 'link'), null)
    await adam.visit('/t/acme/members')
    assert.equal(await adam.has('Transfer the ownership of Acme', 'link'), null)
    await adam.visit('/t/acme/members?search=dana')
    const danas = await idOf(adam, 'Dana')
    await forge(adam, '/t/acme/transfer', { user_id: danas })
    await adam.look(403)
    await olivia.visit('/t/acme/members')
    await forge(olivia, '/t/acme/transfer', { user_id: danas })
    await olivia.look(409)
    await olivia.sees(/The new owner must be an Admin first/)
    await olivia.visit('/t/acme/transfer')
    await picture(olivia, 'transfer')
    await olivia.press('Make Owner Adam')
    await olivia.sees(/you are an Admin/)
    await adam.visit('/t/acme/members?search=olivia')
    await adam.sees(/Olivia\s+olivia@example\.com\s+admin/)
  })
  await step('the audit has it all', async () => {
    await olivia.open('Audit')
    await olivia.sees(/ownership\.transferred/, /member\.removed\s+Vera/, /member\.role_changed/)
    await picture(olivia, 'audit')
    await olivia.open('member.removed')
    await olivia.seesNot(/ownership\.transferred/)
    await olivia.open('All events')
    await olivia.open('Older events')
    await olivia.seesNot(/ownership\.transferred/)
  })
  await step('nothing from another site, nothing after signing out', async () => {
    const [{ value: token }] = await olivia.page.cookies()
    const send = (site) =>
      fetch(`${address}/t/acme/prompts`, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          cookie: `token=${token}`,
          'sec-fetch-site': site,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: 'title=a&body=b',
      })
    assert.equal((await send('cross-site')).status, 403)
    assert.equal((await send('same-origin')).status, 303)
    await olivia.press('Sign out')
    await olivia.visit('/t/acme/members')
    await olivia.look(401)
    // Hers, with one letter of the signature changed.
    await olivia.page.setCookie({
      name: 'token',
      value: token.slice(0, -9) + (token.at(-9) === 'A' ? 'B' : 'A') + token.slice(-8),
    })
    await olivia.visit('/t/acme/members')
    await olivia.look(401)
  })
}

try {
  await story()
} catch (error) {
  console.log(`not ok - ${last}`)
  console.error(error)
  process.exitCode = 1
} finally {
  await browser.close()
}
