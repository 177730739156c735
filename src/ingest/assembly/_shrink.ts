// Batches of pages that reclaim looks through, and shrinkers of slab caches (include/trace/events/vmscan.h).
import { highAt, isThere, numberAt, wordAt } from './_fields'
import { activeKswapd, blindUntil, now, shrinkerCode, trace } from './_host'
import {
  BATCH_ROWS, INACTIVE_ANON, INACTIVE_FILE, ISOLATE_LRU, ISOLATE_NS, ISOLATE_SCANNED, ISOLATE_TAKEN, KIND, KSWAPD, KSWAPD_OPEN, LRU_COUNT,
  NONE, OTHER, RECLAIM_WB_ANON, SCAN, SHRINKERS, SHRINKER_BYTES, SHRINKER_SLOTS, SLAB, SLAB_ROWS, SLAB_SCANNED, SLAB_SHRINKER, SLAB_START,
  TASK_ID, TASK_INDEX,
} from './_layout'
import { addRow, setNumber, setWord } from './_rows'
import { label } from './_timeline'

// Columns of shrink_batches.
const TS: u32 = 0
const START: u32 = 1
const TASK: u32 = 2
const BATCH_NODE: u32 = 3
const LRU: u32 = 4
const SCANNED: u32 = 5
const TAKEN: u32 = 6
const RECLAIMED: u32 = 7
const DIRTY: u32 = 8
const WRITEBACK: u32 = 9
const ACTIVATE: u32 = 10
const PRIORITY: u32 = 11

/** Adds the row of the batch that the task isolated last, of which nothing else is known. */
function addIsolation(task: u32): u32 {
  const rows = load<u32>(trace, BATCH_ROWS)
  const row = addRow(rows)
  const isolateNs = load<f64>(task, ISOLATE_NS)
  setNumber(rows, TS, row, isolateNs)
  setNumber(rows, START, row, isolateNs)
  setNumber(rows, TASK, row, load<f64>(task, TASK_ID))
  setNumber(rows, BATCH_NODE, row, NaN)
  setWord(rows, LRU, row, lruCode(load<f64>(task, ISOLATE_LRU)))
  setNumber(rows, SCANNED, row, load<f64>(task, ISOLATE_SCANNED))
  setNumber(rows, TAKEN, row, load<f64>(task, ISOLATE_TAKEN))
  setNumber(rows, RECLAIMED, row, NaN)
  setNumber(rows, DIRTY, row, NaN)
  setNumber(rows, WRITEBACK, row, NaN)
  setNumber(rows, ACTIVATE, row, NaN)
  setNumber(rows, PRIORITY, row, NaN)
  return row
}

@inline function lruCode(lru: f64): i32 {
  return lru >= 0 && lru < <f64>LRU_COUNT ? <i32>lru : NONE
}

// Fields of mm_vmscan_lru_isolate, which comes at the end of the isolation.
const ISOLATE_SCANNED_FIELD: u32 = 0
const ISOLATE_TAKEN_FIELD: u32 = 1
const ISOLATE_LRU_FIELD: u32 = 2
const ISOLATE_FILE_FIELD: u32 = 3

export function isolate(event: u32, row: u32, cpu: i32, task: u32): void {
  if (load<f64>(task, ISOLATE_TAKEN) > 0) addIsolation(task)
  if (load<i32>(task, KIND) == KSWAPD && load<i32>(task, KSWAPD_OPEN) == 0) activeKswapd(load<i32>(task, TASK_INDEX), cpu)
  label(task, SCAN)
  store<f64>(task, now(), ISOLATE_NS)
  store<f64>(task, numberAt(event, ISOLATE_SCANNED_FIELD, row), ISOLATE_SCANNED)
  store<f64>(task, numberAt(event, ISOLATE_TAKEN_FIELD, row), ISOLATE_TAKEN)
  const lru = isThere(event, ISOLATE_LRU_FIELD) ? numberAt(event, ISOLATE_LRU_FIELD, row) : 2 * numberAt(event, ISOLATE_FILE_FIELD, row)
  store<f64>(task, lru, ISOLATE_LRU)
}

/** A batch that ended keeps marking the task as scanning; only its numbers are used up. */
@inline function forgetIsolation(task: u32): void {
  store<f64>(task, NaN, ISOLATE_LRU)
  store<f64>(task, NaN, ISOLATE_SCANNED)
  store<f64>(task, NaN, ISOLATE_TAKEN)
}

// Fields of mm_vmscan_lru_shrink_inactive, which comes at the end of the batch.
const INACTIVE_NODE: u32 = 0
const INACTIVE_SCANNED: u32 = 1
const INACTIVE_RECLAIMED: u32 = 2
const INACTIVE_DIRTY: u32 = 3
const INACTIVE_WRITEBACK: u32 = 4
const INACTIVE_ACTIVATE0: u32 = 5
const INACTIVE_ACTIVATE1: u32 = 6
const INACTIVE_PRIORITY: u32 = 7
const INACTIVE_FLAGS: u32 = 8

export function shrinkInactive(event: u32, row: u32, task: u32): void {
  label(task, SCAN)
  const rows = load<u32>(trace, BATCH_ROWS)
  const added = addIsolation(task)
  // evict_folios (mm/vmscan.c, 6.1 and later) shrinks once more, without isolating, what was rotated meanwhile.
  if (lruCode(load<f64>(task, ISOLATE_LRU)) == NONE && isThere(event, INACTIVE_FLAGS)) {
    const isAnon = (wordAt(event, INACTIVE_FLAGS, row, 0) & RECLAIM_WB_ANON) != 0
    setWord(rows, LRU, added, isAnon ? INACTIVE_ANON : INACTIVE_FILE)
  }
  setNumber(rows, TS, added, now())
  setNumber(rows, BATCH_NODE, added, numberAt(event, INACTIVE_NODE, row))
  setNumber(rows, SCANNED, added, numberAt(event, INACTIVE_SCANNED, row))
  setNumber(rows, RECLAIMED, added, numberAt(event, INACTIVE_RECLAIMED, row))
  setNumber(rows, DIRTY, added, numberAt(event, INACTIVE_DIRTY, row))
  setNumber(rows, WRITEBACK, added, numberAt(event, INACTIVE_WRITEBACK, row))
  const second = isThere(event, INACTIVE_ACTIVATE1) ? numberAt(event, INACTIVE_ACTIVATE1, row) : 0
  setNumber(rows, ACTIVATE, added, numberAt(event, INACTIVE_ACTIVATE0, row) + second)
  setNumber(rows, PRIORITY, added, numberAt(event, INACTIVE_PRIORITY, row))
  forgetIsolation(task)
}

// Fields of mm_vmscan_lru_shrink_active, which comes at the end of the batch.
const ACTIVE_NODE: u32 = 0
const ACTIVE_TAKEN: u32 = 1
const ACTIVE_ACTIVE: u32 = 2
const ACTIVE_PRIORITY: u32 = 3

export function shrinkActive(event: u32, row: u32, task: u32): void {
  label(task, SCAN)
  const rows = load<u32>(trace, BATCH_ROWS)
  const added = addIsolation(task)
  setNumber(rows, TS, added, now())
  setNumber(rows, BATCH_NODE, added, numberAt(event, ACTIVE_NODE, row))
  setNumber(rows, TAKEN, added, numberAt(event, ACTIVE_TAKEN, row))
  setNumber(rows, ACTIVATE, added, numberAt(event, ACTIVE_ACTIVE, row))
  setNumber(rows, PRIORITY, added, numberAt(event, ACTIVE_PRIORITY, row))
  forgetIsolation(task)
}

// Fields of mm_shrink_slab_start.
const BEGIN_TOTAL: u32 = 0
const BEGIN_SHRINKER: u32 = 1

export function slabBegin(event: u32, row: u32, task: u32): void {
  label(task, isNaN(load<f64>(task, ISOLATE_NS)) ? OTHER : SCAN)
  store<f64>(task, NaN, ISOLATE_NS)
  store<f64>(task, now(), SLAB_START)
  store<f64>(task, numberAt(event, BEGIN_TOTAL, row), SLAB_SCANNED)
  store<i32>(task, wordAt(event, BEGIN_SHRINKER, row, NONE), SLAB_SHRINKER)
}

// Fields of mm_shrink_slab_end; columns of slab_shrinks.
const END_NODE: u32 = 0
const END_FREED: u32 = 1
const END_LEFT: u32 = 2
const END_SHRINKER: u32 = 3

export function slabEnd(event: u32, row: u32, cpu: i32, task: u32): void {
  const ts = now()
  label(task, SLAB)
  const begun = load<f64>(task, SLAB_START)
  let shrinker = load<i32>(task, SLAB_SHRINKER)
  if (shrinker < 0 && isThere(event, END_SHRINKER))
    shrinker = shrinkerAt(wordAt(event, END_SHRINKER, row, 0), highAt(event, END_SHRINKER, row))
  const rows = load<u32>(trace, SLAB_ROWS)
  const added = addRow(rows)
  setNumber(rows, 0, added, isNaN(begun) ? min(ts, blindUntil(cpu)) : begun)
  setNumber(rows, 1, added, ts)
  setNumber(rows, 2, added, load<f64>(task, TASK_ID))
  setNumber(rows, 3, added, numberAt(event, END_NODE, row))
  setWord(rows, 4, added, shrinker)
  setNumber(rows, 5, added, load<f64>(task, SLAB_SCANNED) - numberAt(event, END_LEFT, row))
  setNumber(rows, 6, added, numberAt(event, END_FREED, row))
  store<f64>(task, NaN, SLAB_START)
  store<i32>(task, NONE, SLAB_SHRINKER)
}

/** Code of the shrinker whose function is at an address: few functions, named by many events. */
function shrinkerAt(low: u32, high: u32): i32 {
  const slot = load<u32>(trace, SHRINKERS) + ((low >>> 4) % SHRINKER_SLOTS) * SHRINKER_BYTES
  if (load<u32>(slot) != low || load<u32>(slot, 4) != high || load<i32>(slot, 8) == 0) {
    store<u32>(slot, low)
    store<u32>(slot, high, 4)
    store<i32>(slot, shrinkerCode(low, high) + 1, 8)
  }
  return load<i32>(slot, 8) - 1
}
