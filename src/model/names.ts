import { PstraceError } from './error.ts'

/** The known name closest to `name` in edit distance, or `undefined` when none is near enough to be a slip of the finger. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 2)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best ?? known.find((candidate) => candidate.startsWith(name))
}

/** Wrong usage: lists the known names and suggests the nearest. `what` is the noun, e.g. `policy`. */
export function unknownName(what: string, name: string, known: readonly string[]): PstraceError {
  // A number is no slip of another one.
  const nearest = /^\d+$/.test(name) ? undefined : nearestName(name, known)
  const suggestion = nearest === undefined ? '' : ` Did you mean ${nearest}?`
  const list = known.length === 0 ? 'there are none' : `known: ${known.join(', ')}`
  return new PstraceError('unknown-name', `unknown ${what} '${name}'; ${list}.${suggestion}`, {
    exitStatus: 2,
  })
}

/** Wrong usage of an option's value. */
export function badValue(option: string, value: string, expected: string): PstraceError {
  return new PstraceError('bad-value', `${option} '${value}': expected ${expected}`, {
    exitStatus: 2,
  })
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(substituted, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
