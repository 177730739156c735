// Finds the records of a sub-buffer of the kernel's ring buffer; the layout is drawn in ring-buffer.ts, which makes all structures.
// AssemblyScript: compiled by scripts/build-wasm.mjs.

// include/linux/ring_buffer.h (6.12)
const PADDING: u32 = 29
const TIME_EXTEND: u32 = 30
const TIME_STAMP: u32 = 31
const TWO_27: f64 = 134217728
const TWO_32: f64 = 4294967296

// What is wrong with a sub-buffer.
const CROSSING_RECORD: u32 = 1
const CROSSING_HEADER: u32 = 2

// Set before the first scan: byte order, and the stamp that times are counted from.
export let isBigEndian: i32 = 0
export let baseHi: f64 = 0
export let baseLo: f64 = 0
// Where times, places and sizes of records go.
export let times: u32 = 0
export let starts: u32 = 0
export let sizes: u32 = 0

// Of the sub-buffer scanned last: what is wrong (0 = nothing), where, and how long the record is that crosses its end.
export let fault: u32 = 0
export let faultAt: u32 = 0
export let faultBytes: u32 = 0

@inline function wordAt(place: u32): u32 {
  const word = load<u32>(place)
  return isBigEndian ? bswap<u32>(word) : word
}

@inline function fail(kind: u32, at: u32, bytes: u32): void {
  fault = kind
  faultAt = at
  faultBytes = bytes
}

@inline function add(count: u32, time: f64, start: u32, size: u32): void {
  store<f64>(times + (count << 3), time)
  store<u32>(starts + (count << 2), start)
  store<u32>(sizes + (count << 2), size)
}

/**
 * Adds the records between two places of the buffer at `bytes` to the `count` that there are; the sub-buffer's time is `time`.
 * Returns how many there are then.
 */
export function scan(bytes: u32, data: u32, end: u32, pageTime: f64, first: u32): u32 {
  let count = first
  let time = pageTime
  let at = data
  fault = 0
  while (at + 4 <= end) {
    const header = wordAt(bytes + at)
    const type = isBigEndian ? header >> 27 : header & 31
    const delta = isBigEndian ? header & 0x07ffffff : header >> 5
    if (type > 0 && type < PADDING) {
      const next = at + 4 + type * 4
      if (next > end) {
        fail(CROSSING_RECORD, at, type * 4)
        break
      }
      time += <f64>delta
      add(count++, time, at + 4, type * 4)
      at = next
      continue
    }
    if (type == PADDING && delta == 0) break
    if (at + 8 > end) {
      fail(CROSSING_HEADER, at, 0)
      break
    }
    const word = wordAt(bytes + at + 4)
    if (type == TIME_EXTEND) {
      time += <f64>word * TWO_27 + <f64>delta
      at += 8
    } else if (type == TIME_STAMP) {
      time = toAbsolute(word, delta, time)
      at += 8
    } else {
      const next = <u64>at + 4 + ((<u64>word + 3) & ~3)
      if (word < 4 || next > <u64>end) {
        // A page's last filler may reach to the page's end, past the commit.
        if (!(type == PADDING && delta == 1 && word >= 4)) fail(CROSSING_RECORD, at, word)
        break
      }
      // Delta 1 marks a discarded record that had none (rb_event_discard), so only others count.
      if (type == 0 || delta != 1) time += <f64>delta
      if (type == 0) add(count++, time, at + 8, word - 4)
      at = <u32>next
    }
  }
  return count
}

/** rb_fix_abs_ts(): the record has 59 bits, the upper five come from the time before it. */
function toAbsolute(word: u32, delta: u32, before: f64): f64 {
  let hi = <f64>(word >> 5)
  const lo = <f64>((word << 27) | delta)
  const carry = Math.floor((baseLo + before) / TWO_32)
  const upper = <u32>(<i64>(baseHi + carry)) & 0xf8000000
  if (upper != 0) {
    hi = <f64>((word >> 5) | upper)
    if (toTicks(hi, lo) < before) hi += 134217728
  }
  return toTicks(hi, lo)
}

@inline function toTicks(hi: f64, lo: f64): f64 {
  return (hi - baseHi) * TWO_32 + (lo - baseLo)
}
