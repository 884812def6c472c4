// Chromium as somebody uses it who finds things by what they are called, as a screen reader does, and never by their
// place. Every page that comes up is looked over: whether all fields have names, a phone shows it without scrolling
// sideways, and nothing is refused by the page's own policy.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export async function openBrowser(modules) {
  const puppeteer = createRequire(path.join(modules, 'package.json'))('puppeteer-core')
  return puppeteer.launch({
    executablePath: '/usr/bin/chromium',
    userDataDir: mkdtempSync(path.join(tmpdir(), 'chromium-')),
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

const lookOver = () => ({
  language: document.documentElement.lang,
  headings: document.querySelectorAll('h1').length,
  nameless: [...document.querySelectorAll('input:not([type=hidden]), select, textarea')].filter(
    (e) => !e.labels.length && !e.ariaLabel,
  ).length,
  scripts: document.scripts.length,
})

export class Person {
  static async of(browser, address) {
    const context = await browser.createBrowserContext()
    const person = new Person()
    Object.assign(person, { address, context, complaints: [], status: 0 })
    await person.newPage()
    return person
  }

  // What this window was told last, as if it had been left open.
  async newPage() {
    this.page = await this.context.newPage()
    await this.page.setViewport({ width: 1100, height: 700 })
    this.page.on('console', (message) => this.complaints.push(message.text()))
    this.page.on('pageerror', (error) => this.complaints.push(error.message))
    this.page.on('response', (response) => {
      if (response.request().isNavigationRequest() && response.status() !== 303) this.status = response.status()
    })
  }

  async visit(where) {
    await this.page.goto(where.startsWith('http') ? where : this.address + where)
    await this.look()
  }

  async signIn(name) {
    await this.visit(`/sign-in/${name}`)
    return this
  }

  async look(expected) {
    if (expected) assert.equal(this.status, expected)
    const found = await this.page.evaluate(lookOver)
    assert.deepEqual(found, { language: 'en', headings: 1, nameless: 0, scripts: 0 }, this.page.url())
    await this.page.setViewport({ width: 390, height: 700 })
    const width = await this.page.evaluate(() => document.scrollingElement.scrollWidth)
    await this.page.setViewport({ width: 1100, height: 700 })
    assert.ok(width <= 390, `${this.page.url()} is ${width} pixels wide on a phone of 390`)
    // Chromium notes a refused form's status on the console; that is for the caller to expect.
    assert.deepEqual(
      this.complaints.filter((text) => !/responded with a status of 4/.test(text)),
      [],
    )
  }

  text() {
    return this.page.$eval('main', (main) => main.innerText)
  }

  async sees(...patterns) {
    const text = await this.text()
    for (const pattern of patterns) assert.match(text, pattern)
  }

  async seesNot(...patterns) {
    const text = await this.text()
    for (const pattern of patterns) assert.doesNotMatch(text, pattern)
  }

  has(name, role) {
    return this.page.$(`aria/${name}[role="${role}"]`)
  }

  async find(name, role) {
    const element = await this.has(name, role)
    assert.ok(element, `there is no ${role} "${name}" on ${this.page.url()}:\n${await this.text()}`)
    return element
  }

  // What becomes of the click is a page; expected: its status.
  async follow(element, expected = 200) {
    await Promise.all([this.page.waitForNavigation(), element.click()])
    await this.look(expected)
  }

  async press(name, expected) {
    await this.follow(await this.find(name, 'button'), expected)
  }

  async open(name, expected) {
    await this.follow(await this.find(name, 'link'), expected)
  }

  async fill(label, value, role = 'textbox') {
    const field = await this.find(label, role)
    await field.evaluate((element, text) => {
      element.value = text
    }, value)
  }

  async choose(label, value) {
    const field = await this.find(label, 'combobox')
    assert.deepEqual(await field.select(value), [value])
  }

  choices(label) {
    return this.find(label, 'combobox').then((field) => field.evaluate((e) => [...e.options].map((o) => o.text)))
  }

  // By the keyboard alone.
  async tabTo(name) {
    for (let presses = 0; presses < 60; presses++) {
      await this.page.keyboard.press('Tab')
      const reached = await this.page.evaluate(() => {
        const e = document.activeElement
        return (e.ariaLabel ?? e.labels?.[0]?.innerText ?? e.innerText ?? '').trim()
      })
      if (reached.startsWith(name)) return
    }
    assert.fail(`no way to "${name}" by the Tab key on ${this.page.url()}`)
  }
}
