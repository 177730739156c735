// Merges the records of streams by time and takes their fields apart, into columns of each event's own and of the window.
// AssemblyScript: compiled by scripts/build-wasm.mjs. All structures are made by record-memory.ts, stream-table.ts and batch-builder.ts; what needs a decision is left to window.ts.

// A stream: addresses of its records' bytes, times, places and sizes; its next record, its count, its cpu, and the table of its
// instance's builders by event id (0 = none yet).
const BYTES: usize = 0
const TIMES: usize = 4
const STARTS: usize = 8
const SIZES: usize = 12
const NEXT: usize = 16
const COUNT: usize = 20
const CPU: usize = 24
const BUILDERS: usize = 28
export const STREAM_BYTES: u32 = 32

// A builder: least size of a record, rows, room for rows, its number in the window, columns that every event has, where in the record
// the flags and the task's id are (-1 = nowhere), then the steps.
const LEAST: usize = 0
const ROWS: usize = 4
const ROOM: usize = 8
const NUMBER: usize = 12
// 0 = rows have no time, cpu and flags of their own.
const TS: usize = 16
const CPUS: usize = 20
const FLAGS: usize = 24
// Where kept records begin and how long they are; 0 = no field needs them.
const KEPT_STARTS: usize = 28
const KEPT_SIZES: usize = 32
// Steps of each kind, one kind after the other.
const WORD_STEPS: usize = 36
const WIDE_STEPS: usize = 40
const SMALL_STEPS: usize = 44
const NAME_STEPS: usize = 48
const FLAGS_AT: usize = 52
const PREEMPT_AT: usize = 56
const TID_AT: usize = 60
// 1 = rows are records as they are: nothing is decoded.
const IS_UNDECODED: usize = 64
export const STEPS: u32 = 68
// A step: offset in the record, column, its second column or size (negative: signed).
const COLUMN: usize = 4
const SECOND: usize = 8
export const STEP_BYTES: u32 = 12

// Names of 16 bytes met lately: the bytes and the code + 1.
export const NAME_SLOT_BYTES: u32 = 20
export const NAME_SLOTS: u32 = 1024

// Why `fill` ended.
const ENDED: i32 = 0
const FULL: i32 = 1
const LOAD: i32 = 2
const UNKNOWN: i32 = 3
const SHORT: i32 = 4
const GROW: i32 = 5
const NAMELESS: i32 = 6

// Set by window.ts before the first call.
export let streams: u32 = 0
export let heads: u32 = 0
export let heap: u32 = 0
export let heapSize: i32 = 0
export let names: u32 = 0
export let typeOffset: u32 = 0
export let isSwapped: i32 = 0
export let rowOf: u32 = 0
export let batchOf: u32 = 0
export let timeOf: u32 = 0
export let cpuOf: u32 = 0
export let tidOf: u32 = 0
export let active: u32 = 0
export let most: u32 = 0
export let kept: u32 = 0
export let keptRoom: u32 = 0

// Of the window.
export let length: u32 = 0
export let activeCount: u32 = 0
export let keptBytes: u32 = 0
// What `fill` ended at: the stream's number, the builder, the place of the name.
export let at: u32 = 0
// Where the code of the name goes that was not known, and the step after it, from which the record goes on; 0 = there is none. The names
// of one record may share a slot, so a record is not begun anew until all of them are known.
let lackingCell: u32 = 0
let resumedStep: u32 = 0

@inline function isBefore(a: u32, b: u32): bool {
  const headA = load<f64>(heads + (a << 3))
  const headB = load<f64>(heads + (b << 3))
  return headA < headB || (headA == headB && a < b)
}

@inline function ordered(index: i32): u32 {
  return load<u32>(heap + (index << 2))
}

function sink(from: i32): void {
  let parent = from
  for (;;) {
    let child = 2 * parent + 1
    if (child >= heapSize) return
    if (child + 1 < heapSize && isBefore(ordered(child + 1), ordered(child))) child++
    const least = ordered(child)
    const above = ordered(parent)
    if (!isBefore(least, above)) return
    store<u32>(heap + (parent << 2), least)
    store<u32>(heap + (child << 2), above)
    parent = child
  }
}

@inline function setHead(index: u32): void {
  const stream = streams + index * STREAM_BYTES
  store<f64>(heads + (index << 3), load<f64>(load<u32>(stream, TIMES) + (load<u32>(stream, NEXT) << 3)))
}

/** Streams 0 .. count have records: the one with the earliest comes first. */
export function begin(count: i32): void {
  heapSize = count
  for (let i = 0; i < count; i++) {
    store<u32>(heap + (i << 2), i)
    setHead(i)
  }
  for (let i = (count >> 1) - 1; i >= 0; i--) sink(i)
}

/** The first stream of the heap has ended. */
export function drop(): void {
  store<u32>(heap, ordered(--heapSize))
  sink(0)
}

/** Moves records into the window's columns until it is full, or something is to be decided. */
export function fill(): i32 {
  while (heapSize > 0) {
    at = ordered(0)
    const stream = streams + at * STREAM_BYTES
    if (load<u32>(stream, NEXT) >= load<u32>(stream, COUNT)) return LOAD
    setHead(at)
    sink(0)
    const index = ordered(0)
    let until: f64 = Infinity
    let orEqual = true
    if (heapSize > 1) {
      let other = ordered(1)
      if (heapSize > 2 && isBefore(ordered(2), other)) other = ordered(2)
      until = load<f64>(heads + (other << 3))
      orEqual = index < other
    }
    const reason = take(index, until, orEqual)
    if (reason != 0) return reason
  }
  return ENDED
}

/** Takes records of a stream while they are before `until` (or at it, if `orEqual`). */
function take(index: u32, until: f64, orEqual: bool): i32 {
  const stream = streams + index * STREAM_BYTES
  const bytes = load<u32>(stream, BYTES)
  const times = load<u32>(stream, TIMES)
  const starts = load<u32>(stream, STARTS)
  const sizes = load<u32>(stream, SIZES)
  const builders = load<u32>(stream, BUILDERS)
  const cpu = load<i32>(stream, CPU)
  const count = load<u32>(stream, COUNT)
  let next = load<u32>(stream, NEXT)
  let reason: i32 = 0
  for (; next < count; next++) {
    const time = load<f64>(times + (next << 3))
    if (!(time < until || (orEqual && time == until))) break
    at = index
    if (length == most) {
      reason = FULL
      break
    }
    const record = bytes + load<u32>(starts + (next << 2))
    const size = load<u32>(sizes + (next << 2))
    const builder = size < typeOffset + 2 ? 0 : load<u32>(builders + (idOf(record) << 2))
    if (builder == 0) {
      reason = UNKNOWN
      break
    }
    if (size < load<u32>(builder, LEAST)) {
      reason = SHORT
      break
    }
    reason = add(builder, record, size, time, cpu)
    if (reason != 0) break
  }
  store<u32>(stream, next, NEXT)
  return reason
}

@inline function idOf(record: u32): u32 {
  const id = <u32>load<u16>(record + typeOffset)
  return isSwapped ? (id >> 8) | ((id & 0xff) << 8) : id
}

@inline function add(builder: u32, record: u32, size: u32, time: f64, cpu: i32): i32 {
  const rows = load<u32>(builder, ROWS)
  const isUndecoded = load<u32>(builder, IS_UNDECODED) != 0
  if (!isUndecoded) {
    const reason = decode(builder, record, size, time, cpu)
    if (reason != 0) return reason
  }
  store<u32>(builder, rows + 1, ROWS)
  if (rows == 0) {
    store<u32>(builder, activeCount, NUMBER)
    store<u32>(active + (activeCount << 2), builder)
    activeCount++
  }
  store<u16>(batchOf + (length << 1), <u16>load<u32>(builder, NUMBER))
  store<u32>(rowOf + (length << 2), isUndecoded ? record : rows)
  store<f64>(timeOf + (length << 3), time)
  store<i32>(cpuOf + (length << 2), cpu)
  const tidAt = load<i32>(builder, TID_AT)
  store<u32>(tidOf + (length << 2), tidAt < 0 ? 0 : wordAt(record + tidAt))
  length++
  return 0
}

/** Writes the record's fields into the builder's next row. */
function decode(builder: u32, record: u32, size: u32, time: f64, cpu: i32): i32 {
  const row = load<u32>(builder, ROWS)
  if (row == load<u32>(builder, ROOM)) {
    at = builder
    return GROW
  }
  const keptStarts = load<u32>(builder, KEPT_STARTS)
  if (keptStarts != 0) {
    if (keptBytes + size + 3 > keptRoom) return FULL
    store<u32>(keptStarts + (row << 2), keptBytes)
    store<u32>(load<u32>(builder, KEPT_SIZES) + (row << 2), size)
    memory.copy(kept + keptBytes, record, size)
  }
  if (!takeFields(builder, record, row)) return NAMELESS
  // Only now is it in the window: what came before may be done again.
  if (keptStarts != 0) keptBytes += (size + 3) & ~3
  const ownTimes = load<u32>(builder, TS)
  if (ownTimes != 0) {
    store<f64>(ownTimes + (row << 3), time)
    store<i32>(load<u32>(builder, CPUS) + (row << 2), cpu)
    store<u16>(load<u32>(builder, FLAGS) + (row << 1), flagsOf(builder, record))
  }
  return 0
}

@inline function flagsOf(builder: u32, record: u32): u16 {
  const flagsAt = load<i32>(builder, FLAGS_AT)
  if (flagsAt < 0) return 0
  const flags = <u32>load<u8>(record + flagsAt)
  const preemptAt = load<i32>(builder, PREEMPT_AT)
  return <u16>(preemptAt < 0 ? flags : flags | ((<u32>load<u8>(record + preemptAt)) << 8))
}

@inline function wordAt(place: u32): u32 {
  const word = load<u32>(place)
  return isSwapped ? bswap<u32>(word) : word
}

/** False when a name is not known: its place is `at`. */
function takeFields(builder: u32, record: u32, row: u32): bool {
  const slot = row << 2
  let step = builder + STEPS
  for (let end = load<u32>(builder, WORD_STEPS); step < end; step += STEP_BYTES)
    store<u32>(load<u32>(step, COLUMN) + slot, wordAt(record + load<u32>(step)))
  for (let end = load<u32>(builder, WIDE_STEPS); step < end; step += STEP_BYTES) {
    const place = record + load<u32>(step)
    store<u32>(load<u32>(step, COLUMN) + slot, wordAt(isSwapped ? place + 4 : place))
    store<u32>(load<u32>(step, SECOND) + slot, wordAt(isSwapped ? place : place + 4))
  }
  for (let end = load<u32>(builder, SMALL_STEPS); step < end; step += STEP_BYTES)
    store<u32>(load<u32>(step, COLUMN) + slot, smallAt(record + load<u32>(step), load<i32>(step, SECOND)))
  if (resumedStep != 0) {
    step = resumedStep
    resumedStep = 0
  }
  for (let end = load<u32>(builder, NAME_STEPS); step < end; step += STEP_BYTES) {
    const place = record + load<u32>(step)
    const known = slotOf(place)
    if (load<u64>(known) != load<u64>(place) || load<u64>(known + 8) != load<u64>(place + 8) || load<u32>(known, 16) == 0) {
      at = place
      lackingCell = load<u32>(step, COLUMN) + slot
      resumedStep = step + STEP_BYTES
      return false
    }
    store<u32>(load<u32>(step, COLUMN) + slot, load<u32>(known, 16) - 1)
  }
  return true
}

/** One or two bytes; `size` is negative if they are signed. */
@inline function smallAt(place: u32, size: i32): u32 {
  if (size == 1) return <u32>load<u8>(place)
  if (size == -1) return <u32><i32>load<i8>(place)
  let half = load<u16>(place)
  if (isSwapped) half = bswap<u16>(half)
  return size == 2 ? <u32>half : <u32><i32><i16>half
}

@inline function slotOf(place: u32): u32 {
  const mixed = (load<u64>(place) ^ (load<u64>(place + 8) * 31)) * 0x9e3779b97f4a7c15
  return names + <u32>(mixed >> 54) * NAME_SLOT_BYTES
}

/** The 16 bytes at `at`, at which `fill` ended, have this code. */
export function learnName(code: u32): void {
  const slot = slotOf(at)
  store<u32>(lackingCell, code)
  memory.copy(slot, at, 16)
  store<u32>(slot, code + 1, 16)
}

/** Begins the next window. */
export function clear(): void {
  for (let i: u32 = 0; i < activeCount; i++) store<u32>(load<u32>(active + (i << 2)), 0, ROWS)
  length = 0
  activeCount = 0
  keptBytes = 0
}
