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

const LETTER = {
  D: 68,
  H: 72,
  N: 78,
  X: 88,
  Z: 90,
  b: 98,
  d: 100,
  h: 104,
  n: 110,
  p: 112,
  s: 115,
  z: 122,
} as const

/** common_flags and, above them, common_preempt_count, from their letters (trace_print_lat_fmt of 6.12). */
function toFlags(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 4) return 0
  let flags = 0
  const irqs = bytes[start]
  if (irqs === LETTER.d || irqs === LETTER.D) flags |= 0x01
  if (irqs === LETTER.b || irqs === LETTER.D) flags |= 0x80
  if (irqs === LETTER.X) flags |= 0x02
  const resched = bytes[start + 1]
  if (resched === LETTER.N || resched === LETTER.n) flags |= 0x04
  if (resched === LETTER.N || resched === LETTER.p) flags |= 0x20
  const context = bytes[start + 2]
  if (context === LETTER.Z || context === LETTER.z) flags |= 0x40
  if (context === LETTER.H || context === LETTER.h || context === LETTER.Z) flags |= 0x08
  if (context === LETTER.H || context === LETTER.s) flags |= 0x10
  flags |= hexDigit(bytes[start + 3] as number) << 8
  return end - start > 4 ? flags | (hexDigit(bytes[start + 4] as number) << 12) : flags
}

function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - 48
  return byte >= 97 && byte <= 102 ? byte - 87 : 0
}
