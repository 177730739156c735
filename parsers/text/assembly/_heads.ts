// The head of a line, up to the event's name: who, where and when.

import { isDigit, skipSpaces, toInteger } from './_scan'

const MAX_FLAG_BYTES: u32 = 12
const LAZY_COLUMNS: u32 = 7
const MAX_HEAD_BYTES: u32 = 120

/** What the head read last says; times since the clock's zero. */
export let cpu: i32 = 0
export let tid: i32 = 0
export let tgid: i32 = 0
export let commStart: u32 = 0
export let commEnd: u32 = 0
export let flags: i32 = 0
export let seconds: u64 = 0
export let nanoseconds: u64 = 0
export let nameStart: u32 = 0
export let nameEnd: u32 = 0
export let bodyStart: u32 = 0

/** Seconds and a fraction; the place behind the colon, 0 if there is no such time. */
function readTime(start: u32, end: u32): u32 {
  let at = start
  let whole: u64 = 0
  while (at < end && isDigit(load<u8>(at))) whole = whole * 10 + (load<u8>(at++) - 48)
  if (at == start || at - start > 10 || at >= end || load<u8>(at) != 46) return 0
  const point = at++
  let fraction: u64 = 0
  while (at < end && isDigit(load<u8>(at))) fraction = fraction * 10 + (load<u8>(at++) - 48)
  const digits = at - point - 1
  if (digits == 0 || digits > 9 || at >= end || load<u8>(at) != 58) return 0
  for (let k = digits; k < 9; k++) fraction *= 10
  seconds = whole
  nanoseconds = fraction
  return at + 1
}

function readName(start: u32, end: u32): bool {
  const from = skipSpaces(start, end)
  let at = from
  while (at < end && load<u8>(at) != 32) at++
  if (at - from < 2 || load<u8>(at - 1) != 58) return false
  nameStart = from
  nameEnd = at - 1
  bodyStart = skipSpaces(at, end)
  return true
}

/** The letters and their bits: tracefs-line.ts. */
function toFlags(start: u32, end: u32): i32 {
  if (end - start < 4) return 0
  const isLazy = end - start >= LAZY_COLUMNS
  const context = start + (isLazy ? 3 : 2)
  const migrate = context + (isLazy ? 3 : 2)
  const found =
    irqFlags(load<u8>(start)) |
    reschedFlags(load<u8>(start + 1)) |
    contextFlags(load<u8>(context)) |
    (hexDigit(load<u8>(context + 1)) << 8)
  return migrate < end ? found | (hexDigit(load<u8>(migrate)) << 12) : found
}

function irqFlags(letter: u32): i32 {
  if (letter == 100) return 0x01 // d
  if (letter == 68) return 0x81 // D
  if (letter == 98) return 0x80 // b
  return letter == 88 ? 0x02 : 0 // X
}

function reschedFlags(letter: u32): i32 {
  if (letter == 78) return 0x24 // N
  if (letter == 110) return 0x04 // n
  if (letter == 112) return 0x20 // p
  if (letter == 66) return 0x26 // B
  if (letter == 76) return 0x22 // L
  if (letter == 98) return 0x06 // b
  return letter == 108 ? 0x02 : 0 // l
}

function contextFlags(letter: u32): i32 {
  if (letter == 115) return 0x10 // s
  if (letter == 104) return 0x08 // h
  if (letter == 72) return 0x18 // H
  if (letter == 122) return 0x40 // z
  return letter == 90 ? 0x48 : 0 // Z
}

function hexDigit(byte: u32): i32 {
  if (isDigit(byte)) return byte - 48
  return byte >= 97 && byte <= 102 ? byte - 87 : 0
}

/** `TASK-PID (TGID) [CPU] FLAGS TIME: EVENT: BODY` with the first bracket `bracket` bytes from the start: tracefs-line.ts. */
export function parseTracefs(start: u32, end: u32, bracket: u32): bool {
  const open = start + bracket
  if (open >= end || load<u8>(open) != 91) return false
  let at = open + 1
  while (at < end && isDigit(load<u8>(at))) at++
  cpu = toInteger(open + 1, at)
  if (cpu < 0 || load<u8>(at) != 93) return false
  const behind = at + 1
  tgid = -1
  at = open
  while (at > start && load<u8>(at - 1) == 32) at--
  if (at == open || at == start) return false
  if (load<u8>(at - 1) == 41) {
    const close = at - 1
    while (at > start && load<u8>(at - 1) != 40) at--
    if (at == start) return false
    tgid = toInteger(skipSpaces(at, close), close)
    at--
    while (at > start && load<u8>(at - 1) == 32) at--
  }
  const pidEnd = at
  while (at > start && isDigit(load<u8>(at - 1))) at--
  tid = toInteger(at, pidEnd)
  if (tid < 0 || at < start + 2 || load<u8>(at - 1) != 45 || load<u8>(at - 2) == 32) return false
  commEnd = at - 1
  commStart = skipSpaces(start, commEnd)
  at = skipSpaces(behind, end)
  if (load<u8>(at) == 40) return false
  flags = 0
  let time = readTime(at, end)
  if (time == 0) {
    const from = at
    while (at < end && load<u8>(at) != 32) at++
    if (at - from > MAX_FLAG_BYTES) return false
    flags = toFlags(from, at)
    time = readTime(skipSpaces(at, end), end)
    if (time == 0) return false
  }
  return readName(time, end)
}

/** `COMM TID [CPU] TIME: EVENT: BODY` or `COMM PID/TID [CPU] ...`: perf-line.ts. */
export function parsePerf(start: u32, end: u32): bool {
  const limit = min(end, start + MAX_HEAD_BYTES)
  let colon = start + 3
  while (colon < limit && (load<u8>(colon) != 58 || !isDigit(load<u8>(colon - 1)))) colon++
  if (colon >= limit) return false
  let at = colon
  while (at > start && (isDigit(load<u8>(at - 1)) || load<u8>(at - 1) == 46)) at--
  if (at == start || load<u8>(at - 1) != 32) return false
  const time = readTime(at, end)
  if (time != colon + 1) return false
  while (at > start && load<u8>(at - 1) == 32) at--
  if (at == start || load<u8>(at - 1) != 93) return false
  const close = at - 1
  at--
  while (at > start && isDigit(load<u8>(at - 1))) at--
  cpu = toInteger(at, close)
  if (cpu < 0 || at == start || load<u8>(at - 1) != 91) return false
  at--
  while (at > start && load<u8>(at - 1) == 32) at--
  tgid = -1
  let from = at
  while (from > start && isDigit(load<u8>(from - 1))) from--
  tid = toInteger(from, at)
  if (tid < 0 || from == start) return false
  if (load<u8>(from - 1) == 47) {
    at = from - 1
    from = at
    while (from > start && isDigit(load<u8>(from - 1))) from--
    tgid = toInteger(from, at)
    if (tgid < 0) return false
  }
  if (from == start || load<u8>(from - 1) != 32) return false
  commStart = skipSpaces(start, from)
  commEnd = from
  while (commEnd > start && load<u8>(commEnd - 1) == 32) commEnd--
  if (commEnd < commStart) commEnd = commStart
  flags = 0
  // A number before the name is a period.
  at = skipSpaces(time, end)
  if (at >= end || isDigit(load<u8>(at))) return false
  return readName(at, end)
}
