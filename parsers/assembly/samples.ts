// Takes samples of perf.data apart: their raw data into one buffer, and when and of which cpu they are into a list per cpu.
// AssemblyScript: compiled by scripts/build-wasm.mjs. All structures are made by perf-data/{pending,sample-runs,thread-groups}.ts.

// include/uapi/linux/perf_event.h and tools/lib/perf/include/perf/event.h (6.12): struct perf_event_header and types of records.
const SAMPLE: u32 = 9
const FINISHED_ROUND: u32 = 68
const RECORD_BYTES: usize = 6
const HEADER_BYTES: u32 = 8

// Where the parts of an event's samples are, -1 = not there: the raw data's size (-1: not of this kind), thread, time, cpu.
const RAW_AT: usize = 0
const TID_AT: usize = 4
const TIME_AT: usize = 8
const CPU_AT: usize = 12
const LAYOUT_BITS: u32 = 4

// A cpu: addresses of its samples' times, places, sizes and positions in the file, their number, room for so many, whether their times
// are in order, the time of the one that came last.
const TIMES: usize = 0
const STARTS: usize = 4
const SIZES: usize = 8
const POSITIONS: usize = 12
const LENGTH: usize = 16
const ROOM: usize = 20
const IS_SORTED: usize = 24
const LAST: usize = 32
export const CPU_BYTES: u32 = 40

// What is copied at once, as much as most samples have: a loop that ends sooner for some is mispredicted. Both buffers have so much behind
// what is asked for.
export const SLACK_BYTES: u32 = 80
const VECTOR_BYTES: u32 = 16

// Why `take` ended.
const OTHER: i32 = 0
const NEW_CPU: i32 = 1
const FULL_CPU: i32 = 2
const FULL: i32 = 3
const NEW_THREAD: i32 = 4
const TAKEN: i32 = 5

// Addresses and sizes of the tables.
export let layouts: u32 = 0
export let events: u32 = 0
export let eventCount: u32 = 0
/** Where the id is by which events are told apart; -1 = there is one event. */
export let idAt: i32 = -1
export let cpus: u32 = 0
export let mostCpu: u32 = 0
export let threads: u32 = 0
export let groups: u32 = 0
export let threadMask: u32 = 0

/** The buffer of raw data, how much of it is taken, and of how much. */
export let data: u32 = 0
export let used: u32 = 0
export let room: u32 = 0
/** Samples that wait for their round; rounds that end while there are at most so many are passed over. */
export let waiting: u32 = 0
export let mostPassed: i32 = -1
/** Latest time of all, and what it was when the last round ended. */
export let latest: f64 = -Infinity
export let roundLatest: f64 = -Infinity
/** Times count from this multiple of 2^32 ns. */
export let base: f64 = 0

// Of the last call: samples taken, the time of the last one, rounds passed, whether no sample came after the last of these, the place
// of the last record, and where it ended, with that sample's cpu, thread and group.
export let taken: u32 = 0
export let lastTime: f64 = 0
export let rounds: u32 = 0
export let isRoundClosed: i32 = 0
export let lastAt: u32 = 0
export let at: u32 = 0
export let cpu: u32 = 0
export let tid: u32 = 0
export let tgid: u32 = 0

/** Takes at most `most` samples from the records at bytes `from` .. `to` of `bytes`, of which byte 0 is at `position` in the file. */
export function take(bytes: u32, from: u32, to: u32, most: u32, position: f64, step: f64): i32 {
  rounds = 0
  isRoundClosed = 0
  let reason: i32 = OTHER
  let count: u32 = 0
  let next = from
  while (count < most && next + HEADER_BYTES <= to) {
    const record = bytes + next
    const size = <u32>load<u16>(record, RECORD_BYTES)
    if (size < HEADER_BYTES || (size & 3) != 0 || next + size > to) break
    const type = load<u32>(record)
    if (type == SAMPLE) {
      reason = takeSample(record, size, position + <f64>next * step)
      if (reason != TAKEN) break
      count++
      isRoundClosed = 0
    } else if (type == FINISHED_ROUND && <i32>(waiting + count) <= mostPassed) {
      roundLatest = latest
      rounds++
      isRoundClosed = 1
    } else {
      reason = OTHER
      break
    }
    lastAt = next
    next += size
  }
  at = next
  taken = count
  waiting += count
  return reason
}

@inline function takeSample(record: u32, size: u32, position: f64): i32 {
  const event = eventOf(record, size)
  if (event < 0) return OTHER
  const layout = layouts + (<u32>event << LAYOUT_BITS)
  const rawAt = load<i32>(layout, RAW_AT)
  if (rawAt < 0 || <u32>rawAt + 4 > size) return OTHER
  const raw = record + rawAt
  const rawBytes = load<u32>(raw)
  cpu = load<u32>(record + load<i32>(layout, CPU_AT))
  if (rawBytes > size || <u32>rawAt + 4 + rawBytes > size || cpu > mostCpu) return OTHER
  const tidAt = load<i32>(layout, TID_AT)
  if (tidAt >= 0 && !isKnown(record + tidAt)) return NEW_THREAD
  const queue = load<u32>(cpus + (cpu << 2))
  const time = timeAt(record + load<i32>(layout, TIME_AT))
  return add(queue, raw + 4, rawBytes, time, position)
}

/** Number of the event that a sample is of, -1 = not known. */
@inline function eventOf(record: u32, size: u32): i32 {
  if (idAt < 0) return 0
  if (<u32>idAt + 8 > size) return -1
  const id = load<u64>(record + idAt)
  return id < eventCount ? load<i32>(events + (<u32>id << 2)) : -1
}

/** Whether the thread at this place is known to be of the group before it. */
@inline function isKnown(place: u32): bool {
  tgid = load<u32>(place)
  tid = load<u32>(place, 4)
  const slot = (tid & threadMask) << 2
  return load<u32>(threads + slot) == tid && load<u32>(groups + slot) == tgid
}

@inline function timeAt(place: u32): f64 {
  return (<f64>load<u32>(place, 4) - base) * 4294967296.0 + <f64>load<u32>(place)
}

@inline function add(queue: u32, from: u32, size: u32, time: f64, position: f64): i32 {
  if (queue == 0) return NEW_CPU
  const length = load<u32>(queue, LENGTH)
  if (length == load<u32>(queue, ROOM)) return FULL_CPU
  if (used + size + SLACK_BYTES > room) return FULL
  copy(data + used, from, size)
  const times = load<u32>(queue, TIMES) + (length << 3)
  if (length > 0 && time < load<f64>(times - 8)) store<u32>(queue, 0, IS_SORTED)
  store<f64>(times, time)
  store<f64>(queue, time, LAST)
  store<u32>(load<u32>(queue, STARTS) + (length << 2), used)
  store<u32>(load<u32>(queue, SIZES) + (length << 2), size)
  store<f64>(load<u32>(queue, POSITIONS) + (length << 3), position)
  store<u32>(queue, length + 1, LENGTH)
  if (time > latest) latest = time
  lastTime = time
  used += (size + 3) & ~3
  return TAKEN
}

/** Reads and writes some bytes more than `size`. */
@inline function copy(to: u32, from: u32, size: u32): void {
  for (let done: u32 = 0; done < SLACK_BYTES; done += VECTOR_BYTES) v128.store(to + done, v128.load(from + done))
  for (let done = SLACK_BYTES; done < size; done += VECTOR_BYTES) v128.store(to + done, v128.load(from + done))
}

/** Forgets the first `count` samples of a cpu. */
export function settle(queue: u32, count: u32): void {
  const rest = load<u32>(queue, LENGTH) - count
  drop(load<u32>(queue, TIMES), count, rest, 3)
  drop(load<u32>(queue, STARTS), count, rest, 2)
  drop(load<u32>(queue, SIZES), count, rest, 2)
  drop(load<u32>(queue, POSITIONS), count, rest, 3)
  store<u32>(queue, rest, LENGTH)
}

@inline function drop(list: u32, count: u32, rest: u32, bits: u32): void {
  memory.copy(list, list + (count << bits), rest << bits)
}

/** Typed arrays of shared memory move their bytes eight at a time. */
export function move(to: u32, from: u32, bytes: u32): void {
  memory.copy(to, from, bytes)
}
