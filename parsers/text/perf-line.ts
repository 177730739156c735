import {
  COLON,
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
const SLASH = 47
const POINT = 46
const MINUS = 45
/** Task name, ids, cpu and time take fewer bytes than this. */
const MAX_HEAD_BYTES = 120

/**
 * `COMM TID [CPU] TIME: EVENT: BODY` or `COMM PID/TID [CPU] ...`; [CPU] and, before the event, a period may be there or not.
 * Source: tools/perf/builtin-script.c perf_sample__fprintf_start (6.12).
 */
export function parsePerfLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  line: EventLine,
): number {
  const limit = Math.min(end, start + MAX_HEAD_BYTES)
  for (let at = start + 3; at < limit; at++) {
    if (bytes[at] !== COLON || !isDigit(bytes[at - 1] as number)) continue
    const found = parseAround(bytes, start, at, end, line)
    if (found !== NO_MATCH) return found
  }
  return NO_MATCH
}

function parseAround(
  bytes: Uint8Array,
  start: number,
  colon: number,
  end: number,
  line: EventLine,
): number {
  let at = colon
  while (at > start && (isDigit(bytes[at - 1] as number) || bytes[at - 1] === POINT)) at--
  if (at === start || bytes[at - 1] !== SPACE) return NO_MATCH
  const time = readTime(bytes, at, end, line)
  if (time !== colon + 1 || line.isBare) return NO_MATCH
  at = backOverSpaces(bytes, start, at)
  line.cpu = 0
  if (bytes[at - 1] === CLOSE_BRACKET) {
    const close = at - 1
    while (at > start && bytes[at - 1] !== OPEN_BRACKET) at--
    line.cpu = toInteger(bytes, at, close)
    if (at === start || line.cpu < 0) return NO_MATCH
    at = backOverSpaces(bytes, start, at - 1)
  }
  line.tgid = -1
  let from = backOverDigits(bytes, start, at)
  line.tid = toInteger(bytes, from, at)
  if (line.tid < 0) return NO_MATCH
  if (from > start && bytes[from - 1] === MINUS) {
    line.tid = -line.tid
    from--
  }
  if (from > start && bytes[from - 1] === SLASH) {
    at = from - 1
    from = backOverDigits(bytes, start, at)
    line.tgid = toInteger(bytes, from, at)
    if (line.tgid < 0) return NO_MATCH
  }
  if (from === start || bytes[from - 1] !== SPACE) return NO_MATCH
  line.commStart = skipSpaces(bytes, start, from)
  line.commEnd = Math.max(line.commStart, backOverSpaces(bytes, start, from))
  line.flags = 0
  let event = skipSpaces(bytes, time, end)
  // Sampled events have a period here; tracepoints do only when it is not 1.
  const digits = event
  while (event < end && isDigit(bytes[event] as number)) event++
  return readName(bytes, event < end && bytes[event] === SPACE ? event : digits, end, line)
}

function backOverSpaces(bytes: Uint8Array, start: number, from: number): number {
  let at = from
  while (at > start && bytes[at - 1] === SPACE) at--
  return at
}

function backOverDigits(bytes: Uint8Array, start: number, from: number): number {
  let at = from
  while (at > start && isDigit(bytes[at - 1] as number)) at--
  return at
}
