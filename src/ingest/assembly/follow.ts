// Follows the events of a window: frequent ones here, others by TypeScript. AssemblyScript: compiled by scripts/build-wasm.mjs; what it is
// linked with is in follow-kernel.ts.
import { highAt, isThere, numberAt, wordAt } from './_fields'
import { endTask, handle, loseBefore, lostUntil, trace } from './_host'
import {
  BATCH_EVENTS, BLOCKED, EVENT_KIND, GATE, GATE_END_EVENT, GATE_EVENT, HOST_EVENT, ISOLATE_EVENT, LAST_CPU, NOW, NO_EVENT, ORDER, READY,
  RECLAIM_WB_ANON, SCHED_REASON, SHRINK_ACTIVE_EVENT, SHRINK_INACTIVE_EVENT, SLAB_BEGIN_EVENT, SLAB_END_EVENT, SLEEPING, SLOT_FREE_EVENT,
  STATE, STORE, SWAP_READ_EVENT, SWITCH_EVENT, TASK_ID, TASK_INDEX, TID, UNKNOWN, UNMAP, UNMAP_AND_STORE, WAKEUP_EVENT, WAKEUP_ROWS,
  WAKING_EVENT, WAKING_SEEN, WRITE_EVENT,
} from './_layout'
import { count } from './_moments'
import { addRow, setNumber, setWord } from './_rows'
import { isolate, shrinkActive, shrinkInactive, slabBegin, slabEnd } from './_shrink'
import { slotFree, swapRead } from './_swapins'
import { gateEnd, submit, submitParts, submitUnknown, written } from './_swapouts'
import { nameTask, taskAt } from './_tasks'
import { label, resume, switchIn, switchOut, wake } from './_timeline'

export { readPage, setRead } from './_entries'
export { setTrace } from './_host'
export { addSwapin } from './_swapins'
export { addHeld } from './_swapout-rows'
export { taskAt, wokenByOther } from './_tasks'
export { advance, finish, label, lose, relabelSleep } from './_timeline'
export { emit, leaveGate, release, storedInGate } from './_swapouts'

/** Follows `length` events; `lossAt` is when the next loss begins. */
export function follow(length: u32, batchOf: u32, rowOf: u32, timeOf: u32, cpuOf: u32, tidOf: u32, lossAt: f64): void {
  count(length, timeOf, cpuOf)
  const events = load<u32>(trace, BATCH_EVENTS)
  for (let k: u32 = 0; k < length; k++) {
    const number = <u32>load<u16>(batchOf + (k << 1))
    const event = load<u32>(events + (number << 2))
    if (load<i32>(event, EVENT_KIND) == NO_EVENT) continue
    const ts = load<f64>(timeOf + (k << 3))
    if (ts > lossAt) lossAt = loseBefore(ts)
    store<f64>(trace, ts, NOW)
    const cpu = load<i32>(cpuOf + (k << 2))
    const task = taskAt(load<i32>(tidOf + (k << 2)), cpu)
    // Data that is of no cpu has -1.
    if (cpu >= 0) store<i32>(task, cpu, LAST_CPU)
    const row = load<u32>(rowOf + (k << 2))
    if (load<i32>(event, EVENT_KIND) == HOST_EVENT) handle(number, row, cpu, load<i32>(task, TASK_INDEX))
    else dispatch(event, row, cpu, task)
  }
}

/** Follows an event of any kind but the host's. */
export function run(event: u32, row: u32, cpu: i32, task: u32): void {
  dispatch(event, row, cpu, task)
}

@inline function dispatch(event: u32, row: u32, cpu: i32, task: u32): void {
  switch (load<i32>(event, EVENT_KIND)) {
    case SWITCH_EVENT:
      schedSwitch(event, row, cpu, task)
      break
    case WAKEUP_EVENT:
      // sched_wakeup repeats what sched_waking said earlier, on the target's CPU.
      if (load<i32>(trace, WAKING_SEEN) == 0) schedWaking(event, row, cpu, task)
      break
    case WAKING_EVENT:
      schedWaking(event, row, cpu, task)
      break
    case GATE_EVENT:
      gate(event, row, cpu, task)
      break
    case GATE_END_EVENT:
      label(task, STORE)
      gateEnd(task)
      break
    case WRITE_EVENT:
      writeFolio(event, row, cpu, task)
      break
    case ISOLATE_EVENT:
      isolate(event, row, cpu, task)
      break
    case SHRINK_INACTIVE_EVENT:
      shrinkInactive(event, row, task)
      break
    case SHRINK_ACTIVE_EVENT:
      shrinkActive(event, row, task)
      break
    case SLAB_BEGIN_EVENT:
      slabBegin(event, row, task)
      break
    case SLAB_END_EVENT:
      slabEnd(event, row, cpu, task)
      break
    case SWAP_READ_EVENT:
      swapRead(event, row, cpu, task)
      break
    case SLOT_FREE_EVENT:
      slotFree(event, row, task)
      break
  }
}

// Fields of sched_switch.
const PREV_PID: u32 = 0
const NEXT_PID: u32 = 1
const PREV_STATE: u32 = 2
const PREV_COMM: u32 = 3
const NEXT_COMM: u32 = 4

/** prev_state of a task that will not run again: EXIT_DEAD, EXIT_ZOMBIE (include/linux/sched.h, all versions). */
const DEAD_BITS: i32 = 0x10 | 0x20
const BLOCKED_BIT: i32 = 0x02
/** Interruptible, stopped, traced, parked, idle; a preempted or runnable task has none of these. */
const SLEEP_BITS: i32 = 0xcd

function schedSwitch(event: u32, row: u32, cpu: i32, task: u32): void {
  // Compact scheduling events of Perfetto do not name the thread before the first and after a loss.
  if (isThere(event, PREV_PID)) {
    const tid = wordAt(event, PREV_PID, row, -1)
    const prev = load<i32>(task, TID) == tid ? task : taskAt(tid, cpu)
    if (isThere(event, PREV_COMM)) nameTask(prev, event, PREV_COMM, row)
    // Nothing else was on the CPU since the loss that hid how it got there.
    if (load<i32>(prev, STATE) == UNKNOWN) resume(prev, lostUntil(cpu))
    const bits = wordAt(event, PREV_STATE, row, 0)
    const isDead = (bits & DEAD_BITS) != 0
    switchOut(prev, cpu, isDead ? SLEEPING : stateOf(bits))
    if (isDead && load<i32>(prev, TID) != 0) endTask(load<i32>(prev, TASK_INDEX))
  }
  const next = taskAt(wordAt(event, NEXT_PID, row, -1), cpu)
  nameTask(next, event, NEXT_COMM, row)
  switchIn(next, cpu)
}

@inline function stateOf(bits: i32): i32 {
  if ((bits & BLOCKED_BIT) != 0) return BLOCKED
  return (bits & SLEEP_BITS) != 0 ? SLEEPING : READY
}

// Fields of sched_waking.
const WOKEN_PID: u32 = 0
const WOKEN_COMM: u32 = 1

function schedWaking(event: u32, row: u32, cpu: i32, waker: u32): void {
  const woken = taskAt(wordAt(event, WOKEN_PID, row, -1), cpu)
  if (isThere(event, WOKEN_COMM)) nameTask(woken, event, WOKEN_COMM, row)
  wake(woken, waker)
  const rows = load<u32>(trace, WAKEUP_ROWS)
  const added = addRow(rows)
  setNumber(rows, 0, added, load<f64>(trace, NOW))
  setNumber(rows, 1, added, load<f64>(waker, TASK_ID))
  setNumber(rows, 2, added, load<f64>(woken, TASK_ID))
  setWord(rows, 3, added, load<i32>(trace, SCHED_REASON))
}

// Fields of the probe at the entry of swap_writepage.
const ENTRY: u32 = 0
const FOLIO_ORDER: u32 = 1

function gate(event: u32, row: u32, cpu: i32, task: u32): void {
  label(task, UNMAP)
  let swapout: u32
  if (isThere(event, ENTRY)) {
    const high = highAt(event, ENTRY, row)
    const low = <u32>wordAt(event, ENTRY, row, 0)
    // swapType and swapOffset (model/swap-entry.ts).
    swapout = submit(task, cpu, high >>> 26, <f64>(high & 0x3ffffff) * 4294967296 + <f64>low)
  } else swapout = submitUnknown(task, cpu)
  const order = numberAt(event, FOLIO_ORDER, row)
  store<f64>(swapout, order, ORDER)
  if (order > 0) submitParts(swapout, order)
}

// Fields of mm_vmscan_write_folio.
const FRAME: u32 = 0
const FLAGS: u32 = 1

function writeFolio(event: u32, row: u32, cpu: i32, task: u32): void {
  label(task, load<u32>(task, GATE) == 0 ? UNMAP_AND_STORE : STORE)
  written(task, cpu, numberAt(event, FRAME, row), (wordAt(event, FLAGS, row, 0) & RECLAIM_WB_ANON) != 0)
}
