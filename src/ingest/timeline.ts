import { MOST_UINT32 } from './cells.ts'
import type { Clock } from './clock.ts'
import { ASLEEP, OTHER, RUNNABLE, STORE, UNINTERRUPTIBLE, UNMAP } from './parts.ts'
import { DOING_NONE, DOING_OF, type SingleStates, STATES, type StatePairs } from './state-rows.ts'
import type { OpenSwapout } from './swapouts.ts'
import { BLOCKED, READY, RUNNING, SLEEPING, type Task, UNKNOWN } from './tasks.ts'

const MOST_PIECES = 3 * 64
const MOST_NS_BETWEEN_WAITS = 200_000
/** What fits beside the 1 in states_ns of a row in brief. */
const MOST_UNMAP_NS = 0xffff_fffe

/**
 * Accounts every task's time. Time on CPU waits unlabelled until an event tells what it was for (the events come at the end
 * of what they describe); time off CPU is labelled when it ends.
 *
 *     switch-in        event A   switch-out    switch-in      event B
 *     |--- run --------|-- run --|-- off ------|-- run -------|
 *          label(A)      `------- label(B) for both runs -----'
 */
export class Timeline {
  readonly #clock: Clock
  readonly #states: SingleStates
  readonly #pairs: StatePairs
  /** Begin and end of what is to be shown: as arguments they would be made objects. */
  readonly #piece = new Float64Array(2)
  /** The trace has scheduler events; without them a task is taken to run between its own events. */
  scheduled = false

  constructor(clock: Clock, states: SingleStates, pairs: StatePairs) {
    this.#clock = clock
    this.#states = states
    this.#pairs = pairs
  }

  /** Brings the task's account up to now. */
  advance(task: Task): void {
    const ts = this.#clock.now
    const elapsed = ts - task.accountedNs
    if (!(elapsed > 0)) {
      if (Number.isNaN(task.accountedNs)) this.#meet(task)
      return
    }
    task.accountedNs = ts
    const { totals } = task
    switch (task.state) {
      case RUNNING:
        task.unlabelledNs += elapsed
        break
      case READY:
        totals[RUNNABLE] = (totals[RUNNABLE] ?? 0) + elapsed
        task.lastReadyNs += elapsed
        break
      case SLEEPING:
        totals[ASLEEP] = (totals[ASLEEP] ?? 0) + elapsed
        task.lastSleepNs += elapsed
        break
      case BLOCKED:
        totals[UNINTERRUPTIBLE] = (totals[UNINTERRUPTIBLE] ?? 0) + elapsed
        task.lastSleepNs += elapsed
        break
      default:
        totals[OTHER] = (totals[OTHER] ?? 0) + elapsed
    }
  }

  /** An event of the task itself: it runs now, and its time on CPU since the last such event was spent on `part`. */
  label(task: Task, part: number): void {
    const { now } = this.#clock
    const elapsed = now - task.accountedNs
    // Nearly all events: what `advance` would do, without a call.
    if (task.state === RUNNING && elapsed > 0) {
      task.accountedNs = now
      task.unlabelledNs += elapsed
    } else {
      this.advance(task)
      if (task.state !== RUNNING) this.#run(task)
    }
    const { totals, unlabelledNs } = task
    totals[part] = (totals[part] as number) + unlabelledNs
    if (!Number.isNaN(task.sinceBlockedNs)) task.sinceBlockedNs += unlabelledNs
    task.unlabelledNs = 0
    if (!this.scheduled) return
    if (task.unlabelled.length > 0) this.#emitPieces(task, part)
    this.#emitPiece(task, task.lastCpu, part)
    task.pieceStart = now
  }

  switchOut(task: Task, cpu: number, state: number): void {
    const ts = this.#clock.now
    this.advance(task)
    if (task.state === RUNNING && task.pieceStart < ts) {
      if (task.reclaims) {
        task.unlabelled.push(task.pieceStart, ts, cpu)
        if (task.unlabelled.length >= MOST_PIECES) this.#emitPieces(task, OTHER)
      } else {
        task.totals[OTHER] = (task.totals[OTHER] ?? 0) + task.unlabelledNs
        if (!Number.isNaN(task.sinceBlockedNs)) task.sinceBlockedNs += task.unlabelledNs
        task.unlabelledNs = 0
        this.#emitPiece(task, cpu, OTHER)
      }
    }
    task.state = state
    task.since = ts
    task.lastCpu = cpu
    if (state === READY) return
    // A waiter that is woken too early sleeps again at once: one wait (throttle_direct_reclaim checks its condition anew).
    const again =
      state === BLOCKED &&
      task.spans.length === 0 &&
      task.sinceBlockedNs <= MOST_NS_BETWEEN_WAITS &&
      task.lastSleepPart === UNINTERRUPTIBLE
    task.slept = true
    if (again) return
    task.lastSleepStart = ts
    task.lastSleepNs = 0
    task.lastReadyNs = 0
    task.lastSleepPart = state === BLOCKED ? UNINTERRUPTIBLE : ASLEEP
    task.lastWaker = undefined
  }

  /** The task, of which nothing was known since events were lost, has been on the CPU since `from` (NaN = not known). */
  resume(task: Task, from: number): void {
    if (task.state !== UNKNOWN || !(from < this.#clock.now)) return
    this.#run(task)
    task.since = from
    task.pieceStart = from
    task.accountedNs = from
  }

  wake(task: Task, waker: Task | undefined): void {
    if (task.state !== SLEEPING && task.state !== BLOCKED) return
    this.advance(task)
    this.#emitOff(task)
    task.state = READY
    task.since = this.#clock.now
    task.lastWaker = waker
    task.wokenInBatch = waker !== undefined && (waker.gate !== undefined || waker.isolateTaken > 0)
  }

  switchIn(task: Task, cpu: number): void {
    this.advance(task)
    if (task.state !== RUNNING) this.#emitOff(task)
    if (task.slept) {
      task.slept = false
      task.sinceBlockedNs = task.lastSleepPart === UNINTERRUPTIBLE ? 0 : Number.NaN
    }
    task.lastCpu = cpu
    this.#run(task)
  }

  /** Nothing is known of the task from now on: events were lost. */
  lose(task: Task): void {
    this.advance(task)
    this.#emitPieces(task, OTHER)
    if (this.scheduled && task.state === RUNNING) this.#emitPiece(task, task.lastCpu, OTHER)
    this.#emitHeld(task)
    task.state = UNKNOWN
    task.unlabelledNs = 0
    task.accountedNs = Number.NaN
    task.sinceBlockedNs = Number.NaN
    task.lastSleepStart = Number.NaN
    task.lastSleepNs = 0
    task.slept = false
  }

  /** The trace ends: states still open end with it. */
  finish(task: Task): void {
    if (this.scheduled && task.state !== UNKNOWN && task.state !== RUNNING) {
      this.advance(task)
      this.#emitOff(task)
      task.state = UNKNOWN
    }
    this.lose(task)
  }

  /** The last sleep was of kind `part` after all. */
  relabelSleep(task: Task, part: number): void {
    const { totals } = task
    const from = task.lastSleepPart
    totals[from] = (totals[from] ?? 0) - task.lastSleepNs
    totals[part] = (totals[part] ?? 0) + task.lastSleepNs
    task.lastSleepPart = part
  }

  #meet(task: Task): void {
    const ts = this.#clock.now
    task.accountedNs = ts
    task.since = ts
    task.pieceStart = ts
  }

  #run(task: Task): void {
    const ts = this.#clock.now
    task.state = RUNNING
    task.since = ts
    task.pieceStart = ts
  }

  #emitPieces(task: Task, part: number): void {
    const { unlabelled } = task
    if (unlabelled.length === 0) return
    for (let i = 0; i + 2 < unlabelled.length; i += 3) {
      this.#setPiece(unlabelled[i] ?? 0, unlabelled[i + 1] ?? 0)
      // An array with times in it holds floating-point numbers only, and V8 would make the fields for cpus such, too.
      this.#emit(task, (unlabelled[i + 2] as number) | 0, part)
    }
    // V8 sets `length` by a call out of optimized code.
    while (unlabelled.length > 0) unlabelled.pop()
  }

  /** What the task did on `cpu` since its run or its last event began, if that took any time. */
  #emitPiece(task: Task, cpu: number, part: number): void {
    const { now } = this.#clock
    if (!(task.pieceStart < now)) return
    this.#setPiece(task.pieceStart, now)
    this.#emit(task, cpu, part)
  }

  #setPiece(start: number, end: number): void {
    this.#piece[0] = start
    this.#piece[1] = end
  }

  /** The time in #piece. */
  #emit(task: Task, cpu: number, part: number): void {
    if (task.tid === 0) return
    const start = this.#piece[0] as number
    const end = this.#piece[1] as number
    if (
      task.heldEnd === start &&
      task.heldCpu === cpu &&
      DOING_OF[task.heldDoing] === DOING_OF[part]
    ) {
      task.heldEnd = end
      return
    }
    const follows = task.heldEnd === start && task.heldCpu === cpu
    if (follows && part === STORE && task.heldDoing === UNMAP && Number.isNaN(task.unmapStart))
      task.unmapStart = task.heldStart
    else this.#emitHeld(task)
    task.heldStart = start
    task.heldEnd = end
    task.heldCpu = cpu
    task.heldDoing = part
  }

  #emitHeld(task: Task): void {
    const { heldStart } = task
    if (Number.isNaN(heldStart)) return
    if (!Number.isNaN(task.unmapStart)) this.#addUnmap(task)
    const row = this.#addRun(task, task.heldDoing)
    this.#states.start.values[row] = heldStart
    this.#states.end.values[row] = task.heldEnd
    dropHeld(task)
  }

  #addUnmap(task: Task): void {
    const row = this.#addRun(task, UNMAP)
    this.#states.start.values[row] = task.unmapStart
    this.#states.end.values[row] = task.heldStart
  }

  #addRun(task: Task, part: number): number {
    return this.#states.add(task.id, task.heldCpu, STATES.running, DOING_OF[part] as number)
  }

  /**
   * Leaves the task's last states to its swap-out's row, if they are exactly the store from its hand-over to `ts`. Returns 0 if
   * they are not, else 1 + the time of the unmapping right before it.
   */
  yieldStore({ task, submitNs: start, ts, cpu }: OpenSwapout): number {
    if (task.heldStart !== start || task.heldEnd !== ts) return 0
    if (task.heldCpu !== cpu || task.heldDoing !== STORE) return 0
    let unmapNs = Number.isNaN(task.unmapStart) ? 0 : start - task.unmapStart
    if (unmapNs > MOST_UNMAP_NS) {
      this.#addUnmap(task)
      unmapNs = 0
    }
    dropHeld(task)
    return unmapNs + 1
  }

  /** What the task did off the CPU since its state began, if that took any time. */
  #emitOff(task: Task): void {
    const { now } = this.#clock
    const { since } = task
    if (task.tid === 0 || !this.scheduled || task.state === UNKNOWN || now <= since) return
    const state = offState(task)
    if (task.heldEnd === since && task.heldCpu === task.lastCpu && this.#addPair(task, state))
      return
    // Pieces that still wait for their label are earlier than this row; rows of one task need no order.
    const row = this.#states.add(task.id, task.lastCpu, state, DOING_NONE)
    this.#states.start.values[row] = since
    this.#states.end.values[row] = now
  }

  /** The run held back and the state that followed it, in one row if their lengths fit. */
  #addPair(task: Task, state: number): boolean {
    const runNs = task.heldEnd - task.heldStart
    const offNs = this.#clock.now - task.heldEnd
    if (runNs > MOST_UINT32 || offNs > MOST_UINT32) return false
    if (!Number.isNaN(task.unmapStart)) this.#addUnmap(task)
    const pairs = this.#pairs
    const row = pairs.add(task.id, task.heldCpu, state, DOING_OF[task.heldDoing] as number)
    pairs.start.values[row] = task.heldStart
    pairs.run.values[row] = runNs
    pairs.off.values[row] = offNs
    dropHeld(task)
    return true
  }
}

function offState({ state, kswapdOpen }: Task): number {
  if (state === READY) return STATES.runnable
  if (state === BLOCKED) return STATES.io
  return kswapdOpen ? STATES.nap : STATES.sleeping
}

function dropHeld(task: Task): void {
  task.heldStart = Number.NaN
  task.heldEnd = Number.NaN
  task.unmapStart = Number.NaN
}
