// A refusal as a sentence: by its reason (the error's constraint), or else by its SQLSTATE and what the database says.
const REASONS = {
  nobody: 'Please sign in.',
  no_such_team: 'There is no such team, or you are not in it.',
  token_expired: 'Your sign-in has ended. Please sign in again.',
  token_revoked: 'Your sign-in has been ended for you. Please sign in again.',
  user_unregistered: 'We do not know you yet. Please verify your e-mail address where you sign in.',
  email_taken: 'Your e-mail address belongs to another account here. Please sign in the way you did before.',
  user_disabled: 'Your account has been disabled.',
}
const STATES = {
  42501: [403, 'You may not do this.'],
  28000: [401, 'Please sign in.'],
  22023: [400],
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
  if (status === 401) return { status, text: `${told} ${sentence(error.message)}` }
  const text = [told ?? sentence(error.message), sentence(error.detail), sentence(error.hint)].filter(Boolean).join(' ')
  return { status: /expired/.test(error.message) ? 410 : status, text }
}
