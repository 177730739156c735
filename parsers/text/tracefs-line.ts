import {
  type EventLine,
  isDigit,
  NO_MATCH,
  readName,
  readTime,
  SPACE,
  skipSpaces,
  toInteger,
} from './event-line.ts'

const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const OPEN = 40
const CLOSE = 41
const MINUS = 45
/** Task name, pid and tgid take fewer bytes than this. */
const MAX_TASK_BYTES = 80
const MAX_FLAG_BYTES = 12

/**
 * `TASK-PID (TGID) [CPU] FLAGS TIME: EVENT: BODY`, where (TGID) and FLAGS may be missing and (TGID) may follow [CPU].
 * Sources: kernel/trace/trace_output.c trace_print_context (4.9 to 6.12), trace-cmd report.
 */
export function parseTracefsLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  line: EventLine,
): number {
  // Names are padded: nearly all lines have the bracket where the last one had it.
  const expected = start + line.bracket
  if (expected < end && bytes[expected] === OPEN_BRACKET) {
    const found = parseAround(bytes, start, expected, end, line)
    if (found !== NO_MATCH) return found
  }
  const limit = Math.min(end, start + MAX_TASK_BYTES)
  // A task's name may hold brackets: the first place where everything fits counts.
  for (let at = start; at < limit; at++) {
    if (bytes[at] !== OPEN_BRACKET) continue
    const found = parseAround(bytes, start, at, end, line)
    if (found === NO_MATCH) continue
    line.bracket = at - start
    return found
  }
  return NO_MATCH
}

function parseAround(
  bytes: Uint8Array,
  start: number,
  bracket: number,
  end: number,
  line: EventLine,
): number {
  let at = bracket + 1
  while (at < end && isDigit(bytes[at] as number)) at++
  const cpu = toInteger(bytes, bracket + 1, at)
  if (cpu < 0 || bytes[at] !== CLOSE_BRACKET) return NO_MATCH
  line.tgid = -1
  if (!parseTask(bytes, start, bracket, line)) return NO_MATCH
  at = skipSpaces(bytes, at + 1, end)
  if (bytes[at] === OPEN) {
    const close = bytes.indexOf(CLOSE, at)
    if (close < 0 || close >= end) return NO_MATCH
    line.tgid = toInteger(bytes, skipSpaces(bytes, at + 1, close), close)
    at = skipSpaces(bytes, close + 1, end)
  }
  line.flags = 0
  let time = readTime(bytes, at, end, line)
  if (time < 0) {
    const from = at
    while (at < end && bytes[at] !== SPACE) at++
    if (at - from > MAX_FLAG_BYTES) return NO_MATCH
    line.flags = toFlags(bytes, from, at)
    time = readTime(bytes, skipSpaces(bytes, at, end), end, line)
    if (time < 0) return NO_MATCH
  }
  line.cpu = cpu
  return readName(bytes, time, end, line)
}

/** Reads `TASK-PID` or `TASK-PID (TGID)` before the bracket. */
function parseTask(bytes: Uint8Array, start: number, bracket: number, line: EventLine): boolean {
  let at = bracket
  while (at > start && bytes[at - 1] === SPACE) at--
  if (at === bracket) return false
  if (bytes[at - 1] === CLOSE) {
    const close = at - 1
    while (at > start && bytes[at - 1] !== OPEN) at--
    if (at === start) return false
    // (-------) is an unknown thread group.
    line.tgid = toInteger(bytes, skipSpaces(bytes, at, close), close)
    at--
    while (at > start && bytes[at - 1] === SPACE) at--
  }
  const pidEnd = at
  while (at > start && isDigit(bytes[at - 1] as number)) at--
  const tid = toInteger(bytes, at, pidEnd)
  if (tid < 0 || at === start || bytes[at - 1] !== MINUS || bytes[at - 2] === SPACE) return false
  line.tid = tid
  line.commEnd = at - 1
  line.commStart = skipSpaces(bytes, start, line.commEnd)
  return true
}

/** Flags by letter and place: trace_print_lat_fmt, kernel/trace/trace_output.c (4.9 to 6.18; the lazy ones from 6.13). */
const IRQS = flagsOf({ d: 0x01, D: 0x81, b: 0x80, X: 0x02 })
const RESCHED = flagsOf({ N: 0x24, n: 0x04, p: 0x20, B: 0x26, L: 0x22, b: 0x06, l: 0x02 })
const CONTEXT = flagsOf({ Z: 0x48, z: 0x40, H: 0x18, h: 0x08, s: 0x10 })
/** Of PREEMPT_RT before 6.13, with columns of their own for lazy rescheduling and its depth. */
const LAZY_COLUMNS = 7

function flagsOf(letters: Readonly<Record<string, number>>): Uint8Array {
  const flags = new Uint8Array(256)
  for (const [letter, flag] of Object.entries(letters)) flags[letter.charCodeAt(0)] = flag
  return flags
}

/** common_flags and, above them, common_preempt_count. */
function toFlags(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 4) return 0
  const isLazy = end - start >= LAZY_COLUMNS
  const context = start + (isLazy ? 3 : 2)
  const migrate = context + (isLazy ? 3 : 2)
  const flags =
    (IRQS[bytes[start] as number] as number) |
    (RESCHED[bytes[start + 1] as number] as number) |
    (CONTEXT[bytes[context] as number] as number) |
    (hexDigit(bytes[context + 1] as number) << 8)
  return migrate < end ? flags | (hexDigit(bytes[migrate] as number) << 12) : flags
}

function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - 48
  return byte >= 97 && byte <= 102 ? byte - 87 : 0
}
