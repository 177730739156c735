// Every task's time, as Timeline (timeline.ts) describes it.
import { now, room, slowedDown, stateShape, trace } from './_host'
import {
  ACCOUNTED, ASLEEP, BLOCKED, DOING_NONE, DOING_OF, FOUR, GATE, HELD_CPU, HELD_END, HELD_PART, HELD_START, IN_VAIN_NS, ISOLATE_NS, ISOLATE_TAKEN,
  KSWAPD_OPEN, LAST_CPU, MET_BITS, MET_BYTES, MET_FORM, MET_KEY, MET_SHAPE, MET_SHAPES, MOST_DOINGS, MOST_PIECES, MOST_STATES, NONE,
  OTHER, OWNER, PAIRS_AT, PAIRS_COUNT, PAIRS_SHAPE, PAIRS_START, PAIR_FOURS, PAIR_ROWS, PIECES, PIECE_BYTES, PIECE_COUNT, PIECE_CPU,
  PIECE_END, PIECE_START, READY, READY_NS, RUNNABLE, RUNNING, SCHEDULED, SINCE, SINCE_BLOCKED, SLAB_SHRINKER, SLAB_START, SLEEPING,
  SLEEP_NS, SLEEP_PART, SLEEP_START, SLEPT, SPANS, STATE, STATE_IO, STATE_NAP, STATE_ROWS, STATE_RUNNABLE, STATE_RUNNING, STATE_SLEEPING,
  STORE, SUBMIT_NS, SWAPOUT_CPU, TASK_ID, TASK_INDEX, TID, TOTALS, UNINTERRUPTIBLE, UNKNOWN, UNLABELLED, UNMAP, UNMAP_START, WAKER, WOKEN_IN_BATCH,
  WRITTEN_NS,
} from './_layout'
import { addRow, setNumber, setWord, toWord } from './_rows'
import { reclaims } from './_tasks'

const MOST_NS_BETWEEN_WAITS: f64 = 200_000
/** From the end of reclaim to the sleep for memory.high: some 20 us on a slow machine. */
const MOST_NS_IN_VAIN: f64 = 200_000
const MOST_UINT32: f64 = 0xffff_ffff
/** What fits beside the 1 in states_ns of a row in brief. */
const MOST_UNMAP_NS: f64 = 0xffff_fffe

// Columns of thread_states, thread_states_pairs and thread_states_fours.
const SHAPE: u32 = 0
const START: u32 = 1
const END: u32 = 2
const RUN: u32 = 2
const OFF: u32 = 3
const FIRST_AT: u32 = 2

@inline function addTotal(task: u32, part: i32, ns: f64): void {
  const place = task + (part << 3)
  store<f64>(place, load<f64>(place, TOTALS) + ns, TOTALS)
}

@inline function addTo(task: u32, ns: f64, field: i32): void {
  store<f64>(task + field, load<f64>(task + field) + ns)
}

export function advance(task: u32): void {
  account(task)
}

/** Brings the task's account up to now. */
@inline function account(task: u32): void {
  const ts = now()
  const accounted = load<f64>(task, ACCOUNTED)
  const elapsed = ts - accounted
  if (!(elapsed > 0)) {
    if (isNaN(accounted)) meetNow(task)
    return
  }
  store<f64>(task, ts, ACCOUNTED)
  const state = load<i32>(task, STATE)
  if (state == RUNNING) addTo(task, elapsed, UNLABELLED)
  else accountOff(task, state, elapsed)
}

function accountOff(task: u32, state: i32, elapsed: f64): void {
  switch (state) {
    case READY:
      addTotal(task, RUNNABLE, elapsed)
      addTo(task, elapsed, READY_NS)
      break
    case SLEEPING:
      addTotal(task, ASLEEP, elapsed)
      addTo(task, elapsed, SLEEP_NS)
      break
    case BLOCKED:
      addTotal(task, UNINTERRUPTIBLE, elapsed)
      addTo(task, elapsed, SLEEP_NS)
      break
    default:
      addTotal(task, OTHER, elapsed)
  }
}

@inline function meetNow(task: u32): void {
  const ts = now()
  store<f64>(task, ts, ACCOUNTED)
  store<f64>(task, ts, SINCE)
  store<f64>(task, ts, PIECE_START)
}

@inline function run(task: u32): void {
  const ts = now()
  store<i32>(task, RUNNING, STATE)
  store<f64>(task, ts, SINCE)
  store<f64>(task, ts, PIECE_START)
}

/** All time on CPU since the last label was spent on `part`. */
@inline function spend(task: u32, part: i32): void {
  const ns = load<f64>(task, UNLABELLED)
  addTotal(task, part, ns)
  // NaN stays NaN.
  addTo(task, ns, SINCE_BLOCKED)
  store<f64>(task, 0, UNLABELLED)
}

/** An event of the task itself: it runs now, and its time on CPU since the last such event was spent on `part`. */
export function label(task: u32, part: i32): void {
  account(task)
  if (load<i32>(task, STATE) != RUNNING) run(task)
  spend(task, part)
  if (load<i32>(trace, SCHEDULED) == 0) return
  if (load<i32>(task, PIECE_COUNT) > 0) showPieces(task, part)
  showPiece(task, load<i32>(task, LAST_CPU), part)
  store<f64>(task, now(), PIECE_START)
}

export function switchOut(task: u32, cpu: i32, state: i32): void {
  const ts = now()
  account(task)
  const start = load<f64>(task, PIECE_START)
  if (load<i32>(task, STATE) == RUNNING && start < ts) {
    if (reclaims(task)) keepPiece(task, start, ts, cpu)
    else {
      spend(task, OTHER)
      show(task, start, ts, cpu, OTHER)
    }
  }
  store<i32>(task, state, STATE)
  store<f64>(task, ts, SINCE)
  store<i32>(task, cpu, LAST_CPU)
  if (state == READY) return
  // A waiter that is woken too early sleeps again at once: one wait (throttle_direct_reclaim checks its condition anew).
  const again =
    state == BLOCKED &&
    load<i32>(task, SPANS) == 0 &&
    load<f64>(task, SINCE_BLOCKED) <= MOST_NS_BETWEEN_WAITS &&
    load<i32>(task, SLEEP_PART) == UNINTERRUPTIBLE
  store<i32>(task, 1, SLEPT)
  if (again) return
  store<f64>(task, ts, SLEEP_START)
  store<f64>(task, 0, SLEEP_NS)
  store<f64>(task, 0, READY_NS)
  store<i32>(task, state == BLOCKED ? UNINTERRUPTIBLE : ASLEEP, SLEEP_PART)
  store<u32>(task, 0, WAKER)
}

/** The task, of which nothing was known since events were lost, has been on the CPU since `from` (NaN = not known). */
export function resume(task: u32, from: f64): void {
  if (load<i32>(task, STATE) != UNKNOWN || !(from < now())) return
  store<i32>(task, RUNNING, STATE)
  store<f64>(task, from, SINCE)
  store<f64>(task, from, PIECE_START)
  store<f64>(task, from, ACCOUNTED)
}

export function wake(task: u32, waker: u32): void {
  const state = load<i32>(task, STATE)
  if (state != SLEEPING && state != BLOCKED) return
  advance(task)
  showOff(task)
  store<i32>(task, READY, STATE)
  store<f64>(task, now(), SINCE)
  store<u32>(task, waker, WAKER)
  store<i32>(task, load<u32>(waker, GATE) != 0 || load<f64>(waker, ISOLATE_TAKEN) > 0 ? 1 : 0, WOKEN_IN_BATCH)
}

export function switchIn(task: u32, cpu: i32): void {
  account(task)
  if (load<i32>(task, STATE) != RUNNING) showOff(task)
  if (load<i32>(task, SLEPT) != 0) {
    store<i32>(task, 0, SLEPT)
    const wasBlocked = load<i32>(task, SLEEP_PART) == UNINTERRUPTIBLE
    store<f64>(task, wasBlocked ? 0 : NaN, SINCE_BLOCKED)
    if (wasBlocked && load<f64>(task, SLEEP_START) - load<f64>(task, IN_VAIN_NS) <= MOST_NS_IN_VAIN)
      slowedDown(load<i32>(task, TASK_INDEX), cpu)
  }
  store<i32>(task, cpu, LAST_CPU)
  run(task)
}

/** Nothing is known of the task from now on: events were lost. */
export function lose(task: u32): void {
  advance(task)
  showPieces(task, OTHER)
  if (load<i32>(trace, SCHEDULED) != 0 && load<i32>(task, STATE) == RUNNING) showPiece(task, load<i32>(task, LAST_CPU), OTHER)
  emitHeld(task)
  addPairs(task)
  store<i32>(task, UNKNOWN, STATE)
  store<f64>(task, 0, UNLABELLED)
  store<f64>(task, NaN, ACCOUNTED)
  store<f64>(task, NaN, SINCE_BLOCKED)
  store<f64>(task, NaN, SLEEP_START)
  store<f64>(task, 0, SLEEP_NS)
  store<i32>(task, 0, SLEPT)
  store<f64>(task, NaN, SLAB_START)
  store<i32>(task, NONE, SLAB_SHRINKER)
  store<f64>(task, NaN, ISOLATE_NS)
  store<f64>(task, NaN, ISOLATE_TAKEN)
}

/** The trace ends: states still open end with it. */
export function finish(task: u32): void {
  const state = load<i32>(task, STATE)
  if (load<i32>(trace, SCHEDULED) != 0 && state != UNKNOWN && state != RUNNING) {
    advance(task)
    showOff(task)
    store<i32>(task, UNKNOWN, STATE)
  }
  lose(task)
}

/** The last sleep was of kind `part` after all. */
export function relabelSleep(task: u32, part: i32): void {
  const ns = load<f64>(task, SLEEP_NS)
  addTotal(task, load<i32>(task, SLEEP_PART), -ns)
  addTotal(task, part, ns)
  store<i32>(task, part, SLEEP_PART)
}

function keepPiece(task: u32, start: f64, end: f64, cpu: i32): void {
  let pieces = load<u32>(task, PIECES)
  if (pieces == 0) {
    pieces = room(MOST_PIECES * PIECE_BYTES)
    store<u32>(task, pieces, PIECES)
  }
  const count = load<i32>(task, PIECE_COUNT)
  const piece = pieces + count * PIECE_BYTES
  store<f64>(piece, start)
  store<f64>(piece, end, PIECE_END)
  store<i32>(piece, cpu, PIECE_CPU)
  store<i32>(task, count + 1, PIECE_COUNT)
  if (count + 1 == MOST_PIECES) showPieces(task, OTHER)
}

function showPieces(task: u32, part: i32): void {
  const count = load<i32>(task, PIECE_COUNT)
  const pieces = load<u32>(task, PIECES)
  for (let piece = pieces, end = pieces + count * PIECE_BYTES; piece < end; piece += PIECE_BYTES)
    show(task, load<f64>(piece), load<f64>(piece, PIECE_END), load<i32>(piece, PIECE_CPU), part)
  store<i32>(task, 0, PIECE_COUNT)
}

/** What the task did on `cpu` since its run or its last event began, if that took any time. */
@inline function showPiece(task: u32, cpu: i32, part: i32): void {
  const start = load<f64>(task, PIECE_START)
  if (start < now()) show(task, start, now(), cpu, part)
}

@inline function doingOf(part: i32): i32 {
  return load<i32>(trace + (part << 2), DOING_OF)
}

@inline function show(task: u32, start: f64, end: f64, cpu: i32, part: i32): void {
  if (load<i32>(task, TID) == 0) return
  const follows = load<f64>(task, HELD_END) == start && load<i32>(task, HELD_CPU) == cpu
  if (follows && doingOf(load<i32>(task, HELD_PART)) == doingOf(part)) store<f64>(task, end, HELD_END)
  else showOther(task, start, end, cpu, part, follows)
}

/** What the task did is not what it did before. */
function showOther(task: u32, start: f64, end: f64, cpu: i32, part: i32, follows: bool): void {
  const held = load<i32>(task, HELD_PART)
  if (follows && part == STORE && held == UNMAP && isNaN(load<f64>(task, UNMAP_START)))
    store<f64>(task, load<f64>(task, HELD_START), UNMAP_START)
  else emitHeld(task)
  store<f64>(task, start, HELD_START)
  store<f64>(task, end, HELD_END)
  store<i32>(task, cpu, HELD_CPU)
  store<i32>(task, part, HELD_PART)
}

function emitHeld(task: u32): void {
  const start = load<f64>(task, HELD_START)
  if (isNaN(start)) return
  const unmapStart = load<f64>(task, UNMAP_START)
  if (!isNaN(unmapStart)) addRun(task, UNMAP, unmapStart, start)
  addRun(task, load<i32>(task, HELD_PART), start, load<f64>(task, HELD_END))
  dropHeld(task)
}

function addRun(task: u32, part: i32, start: f64, end: f64): void {
  addState(task, load<i32>(task, HELD_CPU), STATE_RUNNING, doingOf(part), start, end)
}

function addState(task: u32, cpu: i32, state: i32, doing: i32, start: f64, end: f64): void {
  const rows = load<u32>(trace, STATE_ROWS)
  const shape = shapeOf(task, rows, cpu, state, doing)
  const row = addRow(rows)
  setWord(rows, SHAPE, row, shape)
  setNumber(rows, START, row, start)
  setNumber(rows, END, row, end)
}

/** Number of what the row has in common with others: mostly met before. */
function shapeOf(task: u32, rows: u32, cpu: i32, state: i32, doing: i32): i32 {
  const key = (cpu * MOST_STATES + state) * MOST_DOINGS + doing
  const mixed = ((task ^ rows) * 0x9e3779b1) ^ (<u32>key * 0x85ebca6b)
  const met = load<u32>(trace, MET_SHAPES) + (mixed >>> (32 - MET_BITS)) * MET_BYTES
  if (load<u32>(met) != task || load<u32>(met, MET_FORM) != rows || load<i32>(met, MET_KEY) != key) {
    store<i32>(met, stateShape(rows, load<f64>(task, TASK_ID), cpu, state, doing), MET_SHAPE)
    store<u32>(met, task)
    store<u32>(met, rows, MET_FORM)
    store<i32>(met, key, MET_KEY)
  }
  return load<i32>(met, MET_SHAPE)
}

@inline function dropHeld(task: u32): void {
  store<f64>(task, NaN, HELD_START)
  store<f64>(task, NaN, HELD_END)
  store<f64>(task, NaN, UNMAP_START)
}

/**
 * Leaves the task's last states to its swap-out's row, if they are exactly the store from its hand-over until it was written. Returns 0 if
 * they are not, else 1 + the time of the unmapping right before it.
 */
export function yieldStore(swapout: u32): f64 {
  const task = load<u32>(swapout, OWNER)
  const start = load<f64>(swapout, SUBMIT_NS)
  if (load<f64>(task, HELD_START) != start || load<f64>(task, HELD_END) != load<f64>(swapout, WRITTEN_NS)) return 0
  if (load<i32>(task, HELD_CPU) != load<i32>(swapout, SWAPOUT_CPU) || load<i32>(task, HELD_PART) != STORE) return 0
  const unmapStart = load<f64>(task, UNMAP_START)
  let unmapNs = isNaN(unmapStart) ? 0 : start - unmapStart
  if (unmapNs > MOST_UNMAP_NS) {
    addRun(task, UNMAP, unmapStart, start)
    unmapNs = 0
  }
  dropHeld(task)
  return unmapNs + 1
}

/** What the task did off the CPU since its state began, if that took any time. */
function showOff(task: u32): void {
  const since = load<f64>(task, SINCE)
  const state = load<i32>(task, STATE)
  if (load<i32>(task, TID) == 0 || load<i32>(trace, SCHEDULED) == 0 || state == UNKNOWN || now() <= since) return
  const off = offState(state, load<i32>(task, KSWAPD_OPEN))
  const cpu = load<i32>(task, LAST_CPU)
  if (load<f64>(task, HELD_END) == since && load<i32>(task, HELD_CPU) == cpu && addPair(task, off)) return
  // Pieces that still wait for their label are earlier than this row; rows of one task need no order.
  addState(task, cpu, off, DOING_NONE, since, now())
}

@inline function offState(state: i32, kswapdOpen: i32): i32 {
  if (state == READY) return STATE_RUNNABLE
  if (state == BLOCKED) return STATE_IO
  return kswapdOpen != 0 ? STATE_NAP : STATE_SLEEPING
}

/** The run held back and the state that followed it, in one row if their lengths fit. */
function addPair(task: u32, state: i32): bool {
  const start = load<f64>(task, HELD_START)
  const end = load<f64>(task, HELD_END)
  const runNs = end - start
  const offNs = now() - end
  if (runNs > MOST_UINT32 || offNs > MOST_UINT32) return false
  const unmapStart = load<f64>(task, UNMAP_START)
  if (!isNaN(unmapStart)) addRun(task, UNMAP, unmapStart, start)
  const shape = shapeOf(task, load<u32>(trace, PAIR_ROWS), load<i32>(task, HELD_CPU), state, doingOf(load<i32>(task, HELD_PART)))
  holdPair(task, shape, start, end)
  dropHeld(task)
  return true
}

/** Holds a pair that ends now back until it is one of four without a gap, or what follows is no such pair. */
function holdPair(task: u32, shape: i32, start: f64, end: f64): void {
  if (!continuesPairs(task, shape, start)) {
    addPairs(task)
    store<f64>(task, start, PAIRS_START)
    store<i32>(task, shape, PAIRS_SHAPE)
  }
  const first = load<f64>(task, PAIRS_START)
  const count = load<i32>(task, PAIRS_COUNT)
  const place = task + (count << 3)
  store<i32>(place, toWord(end - first), PAIRS_AT)
  store<i32>(place, toWord(now() - first), PAIRS_AT + 4)
  store<i32>(task, count + 1, PAIRS_COUNT)
  if (count + 1 == FOUR) addFour(task)
}

@inline function continuesPairs(task: u32, shape: i32, start: f64): bool {
  const count = load<i32>(task, PAIRS_COUNT)
  const first = load<f64>(task, PAIRS_START)
  return (
    count > 0 &&
    load<i32>(task, PAIRS_SHAPE) == shape &&
    first + <f64>load<u32>(task + (count << 3), PAIRS_AT - 4) == start &&
    now() - first <= MOST_UINT32
  )
}

function addFour(task: u32): void {
  const rows = load<u32>(trace, PAIR_FOURS)
  const row = addRow(rows)
  setWord(rows, SHAPE, row, load<i32>(task, PAIRS_SHAPE))
  setNumber(rows, START, row, load<f64>(task, PAIRS_START))
  for (let k = 0; k < 2 * FOUR; k++) setWord(rows, FIRST_AT + k, row, load<i32>(task + (k << 2), PAIRS_AT))
  store<i32>(task, 0, PAIRS_COUNT)
}

/** Adds the pairs held back, fewer than four, one by one. */
function addPairs(task: u32): void {
  const rows = load<u32>(trace, PAIR_ROWS)
  let from: u32 = 0
  for (let k = 0, count = load<i32>(task, PAIRS_COUNT); k < count; k++) {
    const place = task + (k << 3)
    const end = load<u32>(place, PAIRS_AT)
    const row = addRow(rows)
    setWord(rows, SHAPE, row, load<i32>(task, PAIRS_SHAPE))
    setNumber(rows, START, row, load<f64>(task, PAIRS_START) + <f64>from)
    setWord(rows, RUN, row, end - from)
    from = load<u32>(place, PAIRS_AT + 4)
    setWord(rows, OFF, row, from - end)
  }
  store<i32>(task, 0, PAIRS_COUNT)
}
