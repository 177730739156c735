/** One line of text taken apart up to its body; filled by a header form's parser, all places index the line's bytes. */
export class EventLine {
  cpu = 0
  tid = 0
  /** -1 = the line does not tell. */
  tgid = -1
  /** Digits of the time before the last nine (or before the point), and the rest as nanoseconds. */
  seconds = 0
  nanoseconds = 0
  /** True when the time is a bare integer: the clock does not count nanoseconds. */
  isBare = false
  flags = 0
  commStart = 0
  commEnd = 0
  /** `event` or `system:event`. */
  nameStart = 0
  nameEnd = 0
  bodyStart = 0
  /** Where in the line the cpu's bracket was last; only makes the next line faster. */
  bracket = 24
}

/** What a header form's parser found. */
export const NO_MATCH = 0
export const EVENT = 1
/** Task, cpu and time are there, but no event: a function tracer's line, a stack. */
export const NO_EVENT = 2

export const SPACE = 32
export const COLON = 58
const ZERO = 48
const POINT = 46
const NINE_DIGITS = 1_000_000_000
const SCALE = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1] as const
/** So many seconds, in nanoseconds, still fit a 64-bit clock. */
const MAX_SECONDS = 2 ** 35

export function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57
}

/** The number bytes[start .. end), or -1 when that is not 1 to 9 digits. */
export function toInteger(bytes: Uint8Array, start: number, end: number): number {
  if (end <= start || end - start > 9) return -1
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - ZERO
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

/** Place of the first byte from `start` that is no space, `end` where there is none. Tabs are not skipped. */
export function skipSpaces(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] === SPACE) at++
  return at
}

/** Reads `1234.567890:` or `1234567:`; returns the place after the colon, -1 if there is no time. */
export function readTime(bytes: Uint8Array, start: number, end: number, line: EventLine): number {
  let at = start
  let value = 0
  while (at < end && isDigit(bytes[at] as number))
    value = value * 10 + (bytes[at++] as number) - ZERO
  const digits = at - start
  if (digits === 0 || digits > 20 || at >= end) return -1
  if (bytes[at] === COLON) {
    // Digits are taken as two groups, because a cycle counter may exceed 2^53.
    const low = Math.max(start, at - 9)
    let high = 0
    for (let i = start; i < low; i++) high = high * 10 + (bytes[i] as number) - ZERO
    line.seconds = high
    line.nanoseconds = toInteger(bytes, low, at)
    line.isBare = true
    return high < MAX_SECONDS ? at + 1 : -1
  }
  if (bytes[at] !== POINT || value >= MAX_SECONDS) return -1
  const point = at++
  let fraction = 0
  while (at < end && isDigit(bytes[at] as number))
    fraction = fraction * 10 + (bytes[at++] as number) - ZERO
  const scale = SCALE[at - point - 1]
  if (at === point + 1 || scale === undefined || at >= end || bytes[at] !== COLON) return -1
  line.seconds = value
  line.nanoseconds = fraction * scale
  line.isBare = false
  return at + 1
}

/** Reads the event's name, a word that ends in a colon, and finds the body. */
export function readName(bytes: Uint8Array, start: number, end: number, line: EventLine): number {
  const from = skipSpaces(bytes, start, end)
  let at = from
  while (at < end && bytes[at] !== SPACE) at++
  if (at - from < 2 || bytes[at - 1] !== COLON) return NO_EVENT
  line.nameStart = from
  line.nameEnd = at - 1
  line.bodyStart = skipSpaces(bytes, at, end)
  return EVENT
}

/** Difference of two times as nanoseconds (or ticks) since `baseSeconds`. */
export function timeSince(baseSeconds: number, line: EventLine): number {
  return (line.seconds - baseSeconds) * NINE_DIGITS + line.nanoseconds
}
