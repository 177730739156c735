// Rows of swap-outs in the forms in brief (database/schema.ts), for kernels of which nothing has to be found out at the end.
import { now, room, swapoutShape, trace } from './_host'
import {
  BRIEF_ROWS, CONTEXT, DONE_RANK, FOUR, FOUR_AFTER, FOUR_COUNT, FOUR_ID, FOUR_PFN, FOUR_RANK, FOUR_SHAPE, FOUR_SPAN, FOUR_TS, FREED_NS,
  KEY, LANE, LANE_STORED, OFFSET, ORDER, OWNER, PAGE_ID, PATH, PFN, PLACE, SHAPE_BYTES, SHAPE_CONTEXT, SHAPE_CPU, SHAPE_LANE, SHAPE_NODE,
  SHAPE_NUMBER, SHAPE_ORDER, SHAPE_PATH, SHAPE_PLACE, SHAPE_STORED_BY, SHAPE_TYPE, SPAN, SPAN_ID, START_NS, STORED_BY, STORED_NS,
  SUBMITTED, SUBMIT_NS, SUBMIT_RANK, SWAPOUT_CPU, SWAPOUT_ID, SWAPOUT_NODE, SWAPOUT_SHAPES, TYPE, UNGATED_FOURS, UNGATED_ROWS, WRITTEN_NS,
} from './_layout'
import { addRow, setNumber, setUnsigned, setWord, toWord } from './_rows'
import { contextOf } from './_tasks'
import { yieldStore } from './_timeline'

const MOST_INT32: f64 = 0x7fff_ffff
const MOST_UINT32: f64 = 0xffff_ffff

/** What all forms in brief keep fits into 32 bits. */
@inline function isNarrow(swapout: u32): bool {
  const pfn = load<f64>(swapout, PFN)
  // The rank within a lane is at most the number among all.
  return pfn >= 0 && pfn <= MOST_UINT32 && load<f64>(swapout, SWAPOUT_ID) <= MOST_INT32 && !(load<f64>(swapout, SPAN_ID) > MOST_INT32)
}

/** Nothing is known of the frame's end, the store is the hand-over, and all values have 32 bits. */
export function fitsBrief(swapout: u32): bool {
  const ts = load<f64>(swapout, WRITTEN_NS)
  const submitNs = load<f64>(swapout, SUBMIT_NS)
  const storedNs = load<f64>(swapout, STORED_NS)
  return (
    load<f64>(swapout, START_NS) == submitNs &&
    isNaN(load<f64>(swapout, FREED_NS)) &&
    submitNs <= ts &&
    ts - submitNs <= MOST_UINT32 &&
    storedNs <= ts &&
    ts - storedNs <= MOST_UINT32 &&
    load<f64>(swapout, OFFSET) <= MOST_UINT32 &&
    load<f64>(swapout, PAGE_ID) <= MOST_INT32 &&
    isNarrow(swapout)
  )
}

/** Only its end is known, as it is without a probe at the gate. */
export function fitsUngated(swapout: u32): bool {
  return (
    load<f64>(swapout, STORED_NS) == load<f64>(swapout, WRITTEN_NS) &&
    load<f64>(swapout, DONE_RANK) >= 0 &&
    isNaN(load<f64>(swapout, SUBMIT_NS)) &&
    isNaN(load<f64>(swapout, START_NS)) &&
    isNaN(load<f64>(swapout, FREED_NS)) &&
    isNaN(load<f64>(swapout, KEY)) &&
    isNaN(load<f64>(swapout, SUBMIT_RANK)) &&
    isNarrow(swapout)
  )
}

/** Columns as tables.ts lists them. */
export function addBrief(swapout: u32): void {
  const rows = load<u32>(trace, BRIEF_ROWS)
  const end = load<f64>(swapout, WRITTEN_NS)
  const submitRank = load<f64>(swapout, SUBMIT_RANK)
  const shape = shapeOf(swapout, rows, 0)
  const states = yieldStore(swapout)
  const row = addRow(rows)
  setWord(rows, 0, row, shape)
  setUnsigned(rows, 1, row, load<f64>(swapout, SWAPOUT_ID))
  setUnsigned(rows, 2, row, load<f64>(swapout, PAGE_ID))
  setNumber(rows, 3, row, end)
  setUnsigned(rows, 4, row, end - load<f64>(swapout, SUBMIT_NS))
  setUnsigned(rows, 5, row, end - load<f64>(swapout, STORED_NS))
  setUnsigned(rows, 6, row, states)
  setUnsigned(rows, 7, row, load<f64>(swapout, PFN))
  setUnsigned(rows, 8, row, load<f64>(swapout, OFFSET))
  setUnsigned(rows, 9, row, submitRank)
  setWord(rows, 10, row, <i32>(load<f64>(swapout, DONE_RANK) - submitRank))
  setUnsigned(rows, 11, row, spanOrNone(load<f64>(swapout, SPAN_ID)))
}

export function addUngated(swapout: u32): void {
  const shape = shapeOf(swapout, load<u32>(trace, UNGATED_ROWS), 1)
  const id = load<f64>(swapout, SWAPOUT_ID)
  const ts = load<f64>(swapout, WRITTEN_NS)
  holdUngated(shape, id, ts, load<f64>(swapout, PFN), load<f64>(swapout, DONE_RANK), load<f64>(swapout, SPAN_ID))
}

/** Holds a row back until it is one of four that continue each other, or another comes between. */
function holdUngated(shape: i32, id: f64, ts: f64, pfn: f64, rank: f64, span: f64): void {
  const own = toWord(spanOrNone(span))
  if (!continues(shape, toWord(id), ts, toWord(rank), own)) {
    addHeld()
    store<f64>(trace, ts, FOUR_TS)
    store<i32>(trace, shape, FOUR_SHAPE)
    store<i32>(trace, toWord(id), FOUR_ID)
    store<i32>(trace, toWord(rank), FOUR_RANK)
    store<i32>(trace, own, FOUR_SPAN)
  }
  const count = load<i32>(trace, FOUR_COUNT)
  const place = trace + (count << 2)
  store<i32>(place, toWord(ts - load<f64>(trace, FOUR_TS)), FOUR_AFTER)
  store<i32>(place, toWord(pfn), FOUR_PFN)
  store<i32>(trace, count + 1, FOUR_COUNT)
  if (count + 1 == FOUR) addFour()
}

@inline function continues(shape: i32, id: i32, ts: f64, rank: i32, span: i32): bool {
  const count = load<i32>(trace, FOUR_COUNT)
  const after = ts - load<f64>(trace, FOUR_TS)
  return (
    count > 0 &&
    load<i32>(trace, FOUR_ID) + count == id &&
    load<i32>(trace, FOUR_RANK) + count == rank &&
    load<i32>(trace, FOUR_SHAPE) == shape &&
    load<i32>(trace, FOUR_SPAN) == span &&
    after >= 0 &&
    after <= MOST_UINT32
  )
}

function addFour(): void {
  const rows = load<u32>(trace, UNGATED_FOURS)
  const row = addUngatedRow(rows, 0)
  for (let k = 1; k < FOUR; k++) {
    const place = trace + (k << 2)
    setWord(rows, 2 * k + 4, row, load<i32>(place, FOUR_AFTER))
    setWord(rows, 2 * k + 5, row, load<i32>(place, FOUR_PFN))
  }
  store<i32>(trace, 0, FOUR_COUNT)
}

/** Adds the rows held back, fewer than four, one by one. */
export function addHeld(): void {
  const rows = load<u32>(trace, UNGATED_ROWS)
  for (let k = 0, count = load<i32>(trace, FOUR_COUNT); k < count; k++) addUngatedRow(rows, k)
  store<i32>(trace, 0, FOUR_COUNT)
}

/** The row of number `k` of those held back. */
function addUngatedRow(rows: u32, k: i32): u32 {
  const place = trace + (k << 2)
  const row = addRow(rows)
  setWord(rows, 0, row, load<i32>(trace, FOUR_SHAPE))
  setWord(rows, 1, row, load<i32>(trace, FOUR_ID) + k)
  setNumber(rows, 2, row, load<f64>(trace, FOUR_TS) + <f64>load<u32>(place, FOUR_AFTER))
  setWord(rows, 3, row, load<i32>(place, FOUR_PFN))
  setWord(rows, 4, row, load<i32>(trace, FOUR_RANK) + k)
  setWord(rows, 5, row, load<i32>(trace, FOUR_SPAN))
  return row
}

/**
 * Adds the next swap-out, of which only the end is known, with a rank of its lane; false if it is not like the task's last one. Nearly
 * all are, but for the time and the page frame.
 */
export function repeatUngated(task: u32, cpu: i32, node: f64, pfn: f64): bool {
  const last = load<u32>(task, SWAPOUT_SHAPES) + SHAPE_BYTES
  if (last == SHAPE_BYTES || load<i32>(last, SHAPE_NUMBER) < 0) return false
  // Order, place and who stored are the same for all of a task.
  if (load<i32>(last, SHAPE_CPU) != cpu || load<i32>(last, SHAPE_CONTEXT) != contextOf(task)) return false
  if (load<i64>(last, SHAPE_NODE) != reinterpret<i64>(node)) return false
  const id = load<f64>(trace, SUBMITTED) + 1
  const span = load<f64>(task, SPAN)
  if (!(pfn >= 0 && pfn <= MOST_UINT32 && id <= MOST_INT32) || span > MOST_INT32) return false
  const lane = load<u32>(last, SHAPE_LANE)
  const rank = load<f64>(lane, LANE_STORED) + 1
  store<f64>(trace, id, SUBMITTED)
  store<f64>(lane, rank, LANE_STORED)
  holdUngated(load<i32>(last, SHAPE_NUMBER), id, now(), pfn, rank, span)
  return true
}

/** 0 = none. */
@inline function spanOrNone(span: f64): f64 {
  return isNaN(span) ? 0 : span
}

/** Mostly that of the task's last one in the same form. */
function shapeOf(swapout: u32, rows: u32, form: u32): i32 {
  const task = load<u32>(swapout, OWNER)
  let last = load<u32>(task, SWAPOUT_SHAPES)
  if (last == 0) {
    last = room(2 * SHAPE_BYTES)
    store<i32>(last, -1, SHAPE_NUMBER)
    store<i32>(last + SHAPE_BYTES, -1, SHAPE_NUMBER)
    store<u32>(task, last, SWAPOUT_SHAPES)
  }
  last += form * SHAPE_BYTES
  if (isLike(last, swapout)) return load<i32>(last, SHAPE_NUMBER)
  const shape = swapoutShape(rows, swapout)
  store<i64>(last, load<i64>(swapout, SWAPOUT_NODE), SHAPE_NODE)
  store<i64>(last, load<i64>(swapout, TYPE), SHAPE_TYPE)
  store<i64>(last, load<i64>(swapout, ORDER), SHAPE_ORDER)
  store<i64>(last, load<i64>(swapout, STORED_BY), SHAPE_STORED_BY)
  store<i32>(last, load<i32>(swapout, SWAPOUT_CPU), SHAPE_CPU)
  store<i32>(last, load<i32>(swapout, CONTEXT), SHAPE_CONTEXT)
  store<i32>(last, load<i32>(swapout, PATH), SHAPE_PATH)
  store<i32>(last, load<i32>(swapout, PLACE), SHAPE_PLACE)
  store<u32>(last, load<u32>(swapout, LANE), SHAPE_LANE)
  store<i32>(last, shape, SHAPE_NUMBER)
  return shape
}

/** Numbers are compared as bits: NaN is like NaN. */
@inline function isLike(last: u32, swapout: u32): bool {
  return (
    load<i32>(last, SHAPE_NUMBER) >= 0 &&
    load<i32>(last, SHAPE_CPU) == load<i32>(swapout, SWAPOUT_CPU) &&
    load<i64>(last, SHAPE_NODE) == load<i64>(swapout, SWAPOUT_NODE) &&
    load<i64>(last, SHAPE_TYPE) == load<i64>(swapout, TYPE) &&
    load<i64>(last, SHAPE_ORDER) == load<i64>(swapout, ORDER) &&
    load<i64>(last, SHAPE_STORED_BY) == load<i64>(swapout, STORED_BY) &&
    load<i32>(last, SHAPE_CONTEXT) == load<i32>(swapout, CONTEXT) &&
    load<i32>(last, SHAPE_PATH) == load<i32>(swapout, PATH) &&
    load<i32>(last, SHAPE_PLACE) == load<i32>(swapout, PLACE)
  )
}
