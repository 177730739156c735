// Takes lines of text apart that look like lines met before. AssemblyScript: compiled by scripts/build-wasm.mjs.
// What a line may look like is said in reader.ts, event-rows.ts and their neighbours; here only what needs no decision is done, and
// every line with anything unusual is left to them.

// Memory, in bytes. The tasks are arrays of tid, tgid, cpu, length of the name, name; see RecentTasks.
export const TASKS: u32 = 4096
export const TASK_COUNT: u32 = 1024
const TGIDS: u32 = TASKS + 4 * TASK_COUNT
const CPUS: u32 = TGIDS + 4 * TASK_COUNT
const LENGTHS: u32 = CPUS + 4 * TASK_COUNT
const COMMS: u32 = LENGTHS + TASK_COUNT
const COMM_BYTES: u32 = 32
// Slots of 16 bytes: address of the event + 1, bytes of its name.
const NAMES: u32 = 65536
const NAME_SLOTS: u32 = 1024
// An event: number of steps (-1: no plan), what is before them, whether a bracket makes its lines others, its name, and from STEPS on
// the steps.
export const EVENTS: u32 = 131072
export const EVENT_BYTES: u32 = 4096
export const MAX_EVENTS: u32 = 256
const PREFIX: u32 = 4
const SIGNED_SHRINKER: u32 = 1
const NO_BRACKET: u32 = 8
const NAME: u32 = 16
export const MAX_NAME_BYTES: u32 = 112
export const STEPS: u32 = 128
export const STEP_BYTES: u32 = 64
// A step: kind, length of its label, and the label, padded with zeros.
const LABEL: u32 = 8
export const MAX_LABEL_BYTES: u32 = 56
const SIGNED: u32 = 0
const UNSIGNED: u32 = 1
const TEXT: u32 = 2
const COMM_BEFORE_PID: u32 = 3
const UP_TO_PARENTHESIS: u32 = 4
const UP_TO_ARROW: u32 = 5
const COMM: u32 = 6
const WORD: u32 = 7
// A task's name has less bytes than this before its pid; see keyAfterComm in body.ts.
const COMM_REACH: u32 = 16
// Texts: u16 length + 1, u16 what they have, code, bytes padded with zeros.
const HAS_EQUALS: u32 = 1
const HAS_SPACE: u32 = 2
const HAS_CLOSING: u32 = 4
const HAS_END: u32 = 8
const TEXTS: u32 = EVENTS + EVENT_BYTES * MAX_EVENTS
const TEXT_SLOTS: u32 = 4096
const TEXT_SLOT_BYTES: u32 = 256
const MAX_TEXT_BYTES: u32 = 240
// Slots of the texts met lately, by event, step and two bytes of the text.
const HINTS: u32 = TEXTS + TEXT_SLOTS * TEXT_SLOT_BYTES
const HINTS_OF_STEP: u32 = 8
const HINTS_OF_EVENT: u32 = 64 * HINTS_OF_STEP
// Rows: f64 time, i32 event, cpu, tid, flags, then two words for each value.
export const OUTPUT: u32 = HINTS + 4 * HINTS_OF_EVENT * MAX_EVENTS
const OUTPUT_BYTES: u32 = 131072
const MAX_ROW_BYTES: u32 = 1024
export const INPUT: u32 = OUTPUT + OUTPUT_BYTES + 64
// Loads may reach so far behind the input.
export const SLACK: u32 = 64

// ` <- ` and `pid=`.
const ARROW: u32 = 0x202d3c20
const PID: u32 = 0x3d646970
const MAX_FLAG_BYTES: u32 = 12
const LAZY_COLUMNS: u32 = 7
// Why a line was not taken: for something else, or only because its text at textStart .. textEnd, or its task, is not known.
const NOTHING: u32 = 0
const A_TEXT: u32 = 1
const A_TASK: u32 = 2
const MAX_HEAD_BYTES: u32 = 120
const MAX_CPU: u32 = 8192

/** Where the last call stopped: the first line it did not take. */
export let stoppedAt: u32 = 0
/** What it lacked to take it. */
export let missing: u32 = NOTHING
export let textStart: u32 = 0
export let textEnd: u32 = 0
export let cpu: i32 = 0
export let tid: i32 = 0
export let tgid: i32 = 0
export let commStart: u32 = 0
export let commEnd: u32 = 0

/** Place of the cpu's bracket in the lines of tracefs. */
let bracket: u32 = 24
let flags: i32 = 0
let seconds: u64 = 0
let nanoseconds: u64 = 0
let nameStart: u32 = 0
let nameEnd: u32 = 0
let bodyStart: u32 = 0
let value: u64 = 0
let isNegative: bool = false

// @ts-ignore: decorator
@inline
function isDigit(byte: u32): bool {
  return byte - 48 < 10
}

// @ts-ignore: decorator
@inline
function skipSpaces(at: u32, end: u32): u32 {
  let p = at
  while (p < end && load<u8>(p) == 32) p++
  return p
}

// @ts-ignore: decorator
@inline
function isEqual(a: u32, b: u32, length: u32): bool {
  let k: u32 = 0
  for (; k + 8 <= length; k += 8) if (load<u64>(a + k) != load<u64>(b + k)) return false
  if (k == length) return true
  return (load<u64>(a + k) ^ load<u64>(b + k)) << <u64>(8 * (8 - (length - k))) == 0
}

function hashOf(at: u32, length: u32): u32 {
  let hash: u64 = length
  let k: u32 = 0
  for (; k + 8 <= length; k += 8) hash = (hash ^ load<u64>(at + k)) * 0x9e3779b97f4a7c15
  if (k < length)
    hash = (hash ^ (load<u64>(at + k) << <u64>(8 * (8 - (length - k))))) * 0x9e3779b97f4a7c15
  return <u32>(hash >> 32) ^ <u32>(hash >> 48)
}

// @ts-ignore: decorator
@inline
function newlineFrom(at: u32, end: u32): u32 {
  const wanted = i8x16.splat(10)
  for (let p = at; p < end; p += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), wanted))
    if (found != 0) return p + <u32>ctz<i32>(found)
  }
  return end
}

/** The number of 1 to 9 digits, -1 for anything else. */
function toInteger(start: u32, end: u32): i32 {
  if (end <= start || end - start > 9) return -1
  let number: i32 = 0
  for (let p = start; p < end; p++) {
    const digit = <u32>load<u8>(p) - 48
    if (digit > 9) return -1
    number = number * 10 + digit
  }
  return number
}

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

/** `TASK-PID (TGID) [CPU] FLAGS TIME: EVENT: BODY` with the bracket where the last line had it: tracefs-line.ts. */
function parseTracefs(start: u32, end: u32): bool {
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
function parsePerf(start: u32, end: u32): bool {
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

/** True when nothing is to be learned of the line's task. */
function isTaskKnown(): bool {
  const slot = <u32>tid & (TASK_COUNT - 1)
  const length = commEnd - commStart
  if (
    load<i32>(TASKS + 4 * slot) != tid ||
    load<i32>(TGIDS + 4 * slot) != tgid ||
    load<i32>(CPUS + 4 * slot) < cpu ||
    load<u8>(LENGTHS + slot) != length
  )
    return false
  return isEqual(COMMS + slot * COMM_BYTES, commStart, length)
}

function findEvent(start: u32, end: u32): u32 {
  const length = end - start
  if (length > MAX_NAME_BYTES) return 0
  let slot = hashOf(start, length) & (NAME_SLOTS - 1)
  while (true) {
    const event = load<u32>(NAMES + 16 * slot)
    if (event == 0) return 0
    if (load<u32>(NAMES + 16 * slot + 4) == length && isEqual(event + NAME, start, length))
      return event
    slot = (slot + 1) & (NAME_SLOTS - 1)
  }
}

/** Makes the event at EVENTS + number * EVENT_BYTES known by the name at `start`; it has no plan yet. */
export function addEvent(number: u32, start: u32, length: u32): void {
  const event = EVENTS + number * EVENT_BYTES
  store<i32>(event, -1)
  memory.copy(event + NAME, start, length)
  let slot = hashOf(start, length) & (NAME_SLOTS - 1)
  while (load<u32>(NAMES + 16 * slot) != 0) slot = (slot + 1) & (NAME_SLOTS - 1)
  store<u32>(NAMES + 16 * slot, event)
  store<u32>(NAMES + 16 * slot + 4, length)
}

// @ts-ignore: decorator
@inline
function textSlot(start: u32, length: u32): u32 {
  return TEXTS + (hashOf(start, length) & (TEXT_SLOTS - 1)) * TEXT_SLOT_BYTES
}

/** Makes a text known; it takes the place of the older of two. */
export function addText(start: u32, end: u32, code: u32): void {
  const length = end - start
  const slot = textSlot(start, length)
  memory.copy(slot ^ TEXT_SLOT_BYTES, slot, TEXT_SLOT_BYTES)
  let has: u32 = 0
  let last: u32 = 0
  for (let at = start; at < end; at++) {
    last = load<u8>(at)
    if (last == 61) has |= HAS_EQUALS
    if (last == 32) has |= HAS_SPACE
    if (last == 41 || last == 60) has |= HAS_CLOSING
  }
  if (last == 32 || last == 44 || last == 62) has |= HAS_END
  store<u16>(slot, <u16>(length + 1))
  store<u16>(slot + 2, <u16>has)
  store<u32>(slot + 4, code)
  memory.copy(slot + 8, start, length)
}

export function forgetTexts(): void {
  memory.fill(TEXTS, 0, TEXT_SLOTS * TEXT_SLOT_BYTES)
  memory.fill(HINTS, 0, 4 * HINTS_OF_EVENT * MAX_EVENTS)
}

/** Slot of a text, with `value` set to its code; 0 when it is not known. */
function findText(start: u32, end: u32): u32 {
  const length = end - start
  if (length > MAX_TEXT_BYTES) return 0
  let slot = textSlot(start, length)
  if (load<u16>(slot) != length + 1 || !isEqual(slot + 8, start, length)) {
    slot ^= TEXT_SLOT_BYTES
    if (load<u16>(slot) != length + 1 || !isEqual(slot + 8, start, length)) {
      missing = A_TEXT
      textStart = start
      textEnd = end
      return 0
    }
  }
  value = load<u32>(slot + 4)
  return slot
}

/** Steps over spaces, commas and sched_switch's arrow. */
// @ts-ignore: decorator
@inline
function skipSeparators(start: u32, end: u32): u32 {
  let at = start
  while (true) {
    while (at < end && (load<u8>(at) == 32 || load<u8>(at) == 44)) at++
    if (at + 3 > end || load<u8>(at) != 61 || load<u8>(at + 1) != 61 || load<u8>(at + 2) != 62)
      return at
    at += 3
  }
}

function trimEnd(start: u32, end: u32): u32 {
  let at = end
  while (true) {
    while (at > start && (load<u8>(at - 1) == 32 || load<u8>(at - 1) == 44)) at--
    if (at < start + 3 || load<u8>(at - 1) != 62 || load<u8>(at - 2) != 61 || load<u8>(at - 3) != 61)
      return at
    at -= 3
  }
}

/** Sets `value` to the number at `start`, which may have a unit; the place behind it, 0 if there is none. */
function readNumber(start: u32, end: u32): u32 {
  isNegative = false
  const first = <u32>load<u8>(start)
  if (start < end && ((first == 48 && load<u8>(start + 1) == 48) || (first >= 97 && first <= 102))) {
    const after = start + 16
    const next = <u32>load<u8>(after)
    if (after == end || (after < end && (next == 32 || next == 44 || next == 58)))
      if (readPointer(start)) return after
  }
  let at = start
  if (at < end && first == 45) {
    isNegative = true
    at++
  }
  if (load<u8>(at) == 48 && load<u8>(at + 1) == 120 && at + 2 < end)
    return isNegative ? 0 : readHex(at + 2, end)
  const digits = at
  value = 0
  while (at < end && isDigit(load<u8>(at))) value = value * 10 + (load<u8>(at++) - 48)
  // Longer ones may not fit.
  if (at == digits || at - digits > 18) return 0
  if (isNegative) value = 0 - value
  if (at < end) {
    const unit = load<u8>(at)
    if (unit == 66) return at + 1
    if (unit == 107 && at + 1 < end && load<u8>(at + 1) == 66) return at + 2
  }
  return at
}

/** Sixteen hexadecimal digits, none of them a capital. */
function readPointer(start: u32): bool {
  const bytes = v128.load(start)
  const digits = i8x16.sub(bytes, i8x16.splat(48))
  const letters = i8x16.sub(bytes, i8x16.splat(97))
  const isDigit = i8x16.lt_u(digits, i8x16.splat(10))
  const isLetter = i8x16.lt_u(letters, i8x16.splat(6))
  if (!i8x16.all_true(v128.or(isDigit, isLetter))) return false
  const halves = v128.bitselect(digits, i8x16.add(letters, i8x16.splat(10)), isDigit)
  // Two digits are a byte; the first is the higher.
  const pairs = v128.and(
    v128.or(i16x8.shl(halves, 4), i16x8.shr_u(halves, 8)),
    i16x8.splat(255),
  )
  value = bswap<u64>(i64x2.extract_lane(i8x16.narrow_i16x8_u(pairs, pairs), 0))
  return true
}

/** Up to sixteen hexadecimal digits; the place behind them, 0 if there are none, or more. */
function readHex(start: u32, end: u32): u32 {
  let at = start
  let number: u64 = 0
  for (; at < end; at++) {
    const byte = <u32>load<u8>(at)
    let digit = byte - 48
    if (digit > 9) {
      digit = (byte | 32) - 87
      if (digit < 10 || digit > 15) break
    }
    if (at - start >= 16) return 0
    number = (number << 4) | digit
  }
  if (at == start) return 0
  value = number
  return at
}

/** Where the text at `start` ends, by what follows it; 0 if another key may come first. */
function valueEnd(step: u32, next: u32, start: u32, end: u32): u32 {
  const kind = load<u32>(step)
  if (kind == UP_TO_PARENTHESIS || kind == UP_TO_ARROW) {
    for (let at = start; at < end; at++) {
      const byte = load<u8>(at)
      if (byte == 41) return kind == UP_TO_PARENTHESIS ? at : 0
      if (byte == 32 && at + 4 <= end && load<u32>(at) == ARROW)
        return kind == UP_TO_ARROW ? at : 0
    }
    return 0
  }
  const before = load<u32>(step + 4) - 5
  const length = next == 0 ? 0 : load<u32>(next + 4)
  let hasEquals = false
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at)
    if (byte == 61) {
      if (kind != COMM_BEFORE_PID) return 0
      hasEquals = true
    } else if (byte == 32) {
      const isNear = at <= start + COMM_REACH
      if (kind == COMM && isNear && isEqual(at + 1, step + LABEL, before))
        if (load<u32>(at + 1 + before) == PID) return 0
      if (next == 0) {
        if (kind == WORD) return 0
        continue
      }
      const label = skipSeparators(at, end)
      if (load<u8>(label - 1) == 32 && label + length <= end)
        if (isEqual(label, next + LABEL, length))
          return !hasEquals || (isNear && label == at + 1) ? at : 0
      if (kind == WORD) return 0
    }
  }
  return next == 0 ? end : 0
}

/** Where the text at `start` ends if it is that of `slot`, with `value` set to its code; else 0. */
// @ts-ignore: decorator
@inline
function endOfHint(slot: u32, kind: u32, next: u32, start: u32, end: u32): u32 {
  if (slot == 0 || kind == COMM) return 0
  const length = <u32>load<u16>(slot) - 1
  const has = <u32>load<u16>(slot + 2)
  const after = start + length
  if (after > end || !isEqual(slot + 8, start, length)) return 0
  value = load<u32>(slot + 4)
  if (kind == UP_TO_PARENTHESIS)
    return after < end && load<u8>(after) == 41 && (has & HAS_CLOSING) == 0 ? after : 0
  if (kind == UP_TO_ARROW)
    return after + 4 <= end && load<u32>(after) == ARROW && (has & HAS_CLOSING) == 0 ? after : 0
  if ((has & (HAS_EQUALS | HAS_END)) != 0 || (kind == WORD && (has & HAS_SPACE) != 0)) return 0
  if (next == 0) return after == end ? after : 0
  if (after >= end || load<u8>(after) != 32) return 0
  const label = skipSeparators(after, end)
  const labelLength = load<u32>(next + 4)
  return load<u8>(label - 1) == 32 &&
    label + labelLength <= end &&
    isEqual(label, next + LABEL, labelLength)
    ? after
    : 0
}

/** Reads the body along the event's plan and stores the values from `out` on; false when it may be laid out otherwise. */
function follow(event: u32, start: u32, end: u32, out: u32): bool {
  const steps = load<i32>(event)
  const prefix = load<u32>(event + PREFIX)
  let at = start
  let to = out
  if (prefix != 0) {
    let space = at
    while (space < end && load<u8>(space) != 32) space++
    let colon = space + 1
    while (colon < end && load<u8>(colon) != 58 && load<u8>(colon) != 32) colon++
    if (colon + 1 >= end || load<u8>(colon) != 58 || load<u8>(colon + 1) != 32 || space == start)
      return false
    if (findText(at, space) == 0) return false
    store<u64>(to, value)
    if (readNumber(space + 1, colon) != colon || !isOfKind(prefix == SIGNED_SHRINKER)) return false
    store<u64>(to + 8, value)
    to += 16
    at = colon + 2
  }
  const hints = HINTS + 4 * HINTS_OF_EVENT * ((event - EVENTS) / EVENT_BYTES)
  let step = event + STEPS
  for (let i = 0; i < steps; i++, step += STEP_BYTES, to += 8) {
    const kind = load<u32>(step)
    const length = load<u32>(step + 4)
    if (at + length > end || !isEqual(at, step + LABEL, length)) return false
    if (i > 0 && length > 0 && load<u8>(at - 1) != 32) return false
    at += length
    if (kind <= UNSIGNED) {
      at = readNumber(at, end)
      if (at == 0 || !isOfKind(kind == SIGNED)) return false
      if (at < end && load<u8>(at) != 32 && load<u8>(at) != 44) return false
    } else {
      // Not a key, but a comparison.
      if (load<u8>(at) == 61 && length > 0) return false
      const next = i + 1 < steps ? step + STEP_BYTES : 0
      const hint = hints + 4 * (i * HINTS_OF_STEP + ((load<u8>(at) + 3 * load<u8>(at + 2)) & 7))
      let after = endOfHint(load<u32>(hint), kind, next, at, end)
      if (after == 0) {
        after = valueEnd(step, next, at, end)
        if (after == 0) return false
        const isClosed = kind == UP_TO_PARENTHESIS || kind == UP_TO_ARROW
        const slot = findText(at, isClosed ? after : trimEnd(at, after))
        if (slot == 0) return false
        store<u32>(hint, slot)
      }
      at = after
      if (kind == UP_TO_PARENTHESIS) {
        store<u64>(to, value)
        at = skipSpaces(at + 1, end)
        continue
      }
      if (kind == UP_TO_ARROW) {
        store<u64>(to, value)
        at += 4
        continue
      }
    }
    store<u64>(to, value)
    if (at < end) at = skipSeparators(at, end)
  }
  if (at < end) return false
  if (load<u32>(event + NO_BRACKET) == 0) return true
  const bracket = i8x16.splat(91)
  for (let p = start; p < end; p += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), bracket))
    if (found != 0 && p + <u32>ctz<i32>(found) < end) return false
  }
  return true
}

// @ts-ignore: decorator
@inline
function isOfKind(isSigned: bool): bool {
  return isSigned ? isNegative || <i64>value >= 0 : !isNegative
}

/** The line's end without blanks. */
// @ts-ignore: decorator
@inline
function lineEnd(start: u32, newline: u32): u32 {
  let end = newline > start && load<u8>(newline - 1) == 13 ? newline - 1 : newline
  while (end > start && (load<u8>(end - 1) == 32 || load<u8>(end - 1) == 9)) end--
  return end
}

/** Takes lines from `from` on, at most `most`, and stores their rows; returns their number. */
export function take(
  from: u32,
  to: u32,
  most: u32,
  isPerf: bool,
  bracketAt: u32,
  baseSeconds: f64,
): u32 {
  bracket = bracketAt
  missing = NOTHING
  let out = OUTPUT
  let line = from
  let rows: u32 = 0
  for (; rows < most && out + MAX_ROW_BYTES <= OUTPUT + OUTPUT_BYTES; rows++) {
    const newline = newlineFrom(line, to)
    if (newline >= to) break
    const end = lineEnd(line, newline)
    if (end == line || load<u8>(end - 1) == 92) break
    if (!(isPerf ? parsePerf(line, end) : parseTracefs(line, end))) break
    if (<u32>cpu > MAX_CPU) break
    if (!isTaskKnown()) {
      if (commEnd - commStart <= COMM_BYTES) missing = A_TASK
      break
    }
    const event = findEvent(nameStart, nameEnd)
    if (event == 0 || load<i32>(event) < 0 || (bodyStart < end && load<u8>(bodyStart) == 91)) break
    const ts = (<f64>seconds - baseSeconds) * 1e9 + <f64>nanoseconds
    if (abs(ts) > 9007199254740991) break
    if (!follow(event, bodyStart, end, out + 24)) break
    store<f64>(out, ts)
    store<u32>(out + 8, (event - EVENTS) / EVENT_BYTES)
    store<i32>(out + 12, cpu)
    store<i32>(out + 16, tid)
    store<i32>(out + 20, flags)
    out += 24 + 8 * (load<u32>(event) + (load<u32>(event + PREFIX) == 0 ? 0 : 2))
    line = newline + 1
  }
  stoppedAt = line
  return rows
}

/** Steps over lines of tracefs whose events are known; returns their number. `nameAt` is where the last line had its event. */
export function skipKnown(from: u32, to: u32, nameAt: u32, bracketAt: u32): u32 {
  let line = from
  let lines: u32 = 0
  while (true) {
    const name = line + nameAt
    if (
      nameAt < 4 ||
      name >= to ||
      load<u8>(line) == 35 ||
      load<u8>(name - 1) != 32 ||
      load<u8>(name - 2) != 58 ||
      load<u8>(line + bracketAt) != 91 ||
      !isDigit(load<u8>(name - 3))
    )
      break
    const comm = skipSpaces(line, to)
    if (load<u8>(comm) == 107 && load<u8>(comm + 1) == 99) break
    const limit = min(to, name + MAX_NAME_BYTES)
    let colon = name
    while (colon < limit && load<u8>(colon) != 58) colon++
    if (findEvent(name, colon) == 0) break
    const newline = newlineFrom(line, to)
    if (newline >= to || newline < colon) break
    line = newline + 1
    lines++
  }
  stoppedAt = line
  return lines
}
