// Page reads that are no fault's, and frees of zram's slots; see Swapins (swapins.ts) for reads within faults.
import { denseEntry, entryAt, isDense, keyOf, readPage } from './_entries'
import { highAt, isThere, numberAt, wordAt } from './_fields'
import { freeSparse, now, readWithin, slotFreed, trace } from './_host'
import {
  DEVICE_MET, ENTRY_SWAPOUT, FROM_ZRAM, INVALIDATED, IN_FAULT, MOVE_ROWS, NONE, SUBMITTED, SWAPIN_ROWS, TASK_ID, TASK_INDEX, TID,
  ZRAM_AREA, ZSWAP_LOADS,
} from './_layout'
import { addRow, setNumber, setWord } from './_rows'

/** Its page reads wait for the end of their fault, or of zswap_load. */
@inline function waits(task: u32): bool {
  return load<i32>(task, IN_FAULT) != 0 || load<i32>(trace, ZSWAP_LOADS) != 0
}

const READ_ENTRY: u32 = 0

/** Probe at the entry of swap_readpage / swap_read_folio. */
export function swapRead(event: u32, row: u32, cpu: i32, task: u32): void {
  let type: f64 = NaN
  let offset: f64 = NaN
  let page: f64 = NaN
  let swapout: f64 = NaN
  const isKnown = isThere(event, READ_ENTRY)
  if (isKnown) {
    const high = highAt(event, READ_ENTRY, row)
    type = <f64>(high >>> 26)
    offset = <f64>(high & 0x3ffffff) * 4294967296 + <f64>(<u32>wordAt(event, READ_ENTRY, row, 0))
  }
  if (waits(task)) {
    readWithin(load<i32>(task, TASK_INDEX), cpu, type, offset)
    return
  }
  // A probe without the swap entry tells of a read, not of which page.
  if (isKnown) {
    const entry = entryAt(<u32>type, offset)
    const held = load<f64>(entry, ENTRY_SWAPOUT)
    if (held != 0) swapout = held
    page = readPage(entry, 0)
  }
  addSwapin(task, cpu, type, offset, load<i32>(trace, DEVICE_MET), now(), page, swapout, NaN, NaN, NaN)
}

/** Adds a row of swapins; `swapout` is the one that it brings back. All numbers but `cpu` can be NaN, NULL. */
export function addSwapin(
  task: u32, cpu: i32, type: f64, offset: f64, met: i32, ts: f64, page: f64, swapout: f64, end: f64, wait: f64, readahead: f64,
): void {
  const rows = load<u32>(trace, SWAPIN_ROWS)
  const row = addRow(rows)
  const tid = load<i32>(task, TID)
  setNumber(rows, 0, row, page)
  setNumber(rows, 1, row, swapout)
  setNumber(rows, 2, row, ts)
  setNumber(rows, 3, row, end)
  setNumber(rows, 4, row, load<f64>(task, TASK_ID))
  setNumber(rows, 5, row, tid < 0 ? NaN : <f64>tid)
  setNumber(rows, 6, row, <f64>cpu)
  setNumber(rows, 7, row, type)
  setNumber(rows, 8, row, offset)
  setWord(rows, 9, row, met)
  setNumber(rows, 10, row, wait)
  setNumber(rows, 11, row, readahead)
  setNumber(rows, 12, row, load<f64>(trace, SUBMITTED) - swapout)
}

const SLOT_INDEX: u32 = 0

/** Probe at zram_slot_free_notify: index = page index on the device = swap offset. */
export function slotFree(event: u32, row: u32, task: u32): void {
  if (!isThere(event, SLOT_INDEX)) return
  const offset = numberAt(event, SLOT_INDEX, row)
  const type = load<u32>(trace, ZRAM_AREA)
  const key = keyOf(type, offset)
  if (waits(task)) slotFreed(load<i32>(task, TASK_INDEX), key)
  const page = isDense(offset) ? freeDense(type, offset) : freeSparse(key)
  if (page == 0) return
  const rows = load<u32>(trace, MOVE_ROWS)
  const added = addRow(rows)
  setNumber(rows, 0, added, now())
  setNumber(rows, 1, added, page)
  setWord(rows, 2, added, load<i32>(trace, FROM_ZRAM))
  setWord(rows, 3, added, NONE)
  setWord(rows, 4, added, load<i32>(trace, INVALIDATED))
  setNumber(rows, 5, added, NaN)
}

/** The entry was given back: its next store is of another page. Returns the page that it held, 0 = none. */
function freeDense(type: u32, offset: f64): f64 {
  const entry = denseEntry(type, offset)
  if (entry == 0) return 0
  const page = abs(load<f64>(entry))
  store<f64>(entry, 0)
  store<f64>(entry, 0, ENTRY_SWAPOUT)
  return page
}
