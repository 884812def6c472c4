// A refusal as a sentence, by its reason (the error's constraint): docs/errors.md has one for each. Without a known
// reason, by its SQLSTATE and what the database says.
import { readFileSync } from 'node:fs'

const documented = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
const rows = [...documented.matchAll(/^\| `(\w+)` \|.*\| (\S.*) \|$/gm)]
const REASONS = Object.fromEntries(rows.map(([, reason, text]) => [reason, text]))
REASONS.no_such_team = 'There is no such team, or you are not in it.'

const STATES = {
  42501: [403, 'You may not do this.'],
  28000: [401, 'Please sign in.'],
  22023: [400],
  23503: [409],
  23505: [409],
  55000: [409],
  P0002: [404],
  '22P02': [404, 'There is no such page.'],
}

const sentence = (text) => text && text[0].toUpperCase() + text.slice(1).replace(/[^.?!]$/, '$&.')

export function refusal(error) {
  const [status, told] = STATES[error.code] ?? [500, 'Something went wrong, and nothing was changed. Please try again.']
  if (REASONS[error.constraint]) return { status, text: REASONS[error.constraint] }
  if (status === 500 || error.code === '22P02') return { status, text: told }
  return { status, text: [told, sentence(error.message), sentence(error.detail)].filter(Boolean).join(' ') }
}
