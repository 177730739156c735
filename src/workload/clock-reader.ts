import { TaskClock } from './clocks.ts'
import { EVENT, IDLE_TID, type Recording, STATE } from './recording.ts'
import { type SwitchCost, switchedNs, type Thread, Threads } from './threads.ts'

/** A disturbed task still does some work of its own in between. */
const MOST_TAKEN_SHARE = 0.9

export interface ClockOptions {
  readonly startEvent: number
  readonly flushNs: number
  readonly switchCost: SwitchCost
  /** Tasks whose clocks are wanted; others are skipped. */
  readonly wanted: (tid: number) => boolean
  /** Waking events are recorded, so a sleep ends where the task is woken, not where it runs again. */
  readonly hasWaking: boolean
}

/** Walks the recording from the workload's start and reads every wanted task's own clock. */
export function readClocks(
  recording: Recording,
  owners: ReadonlySet<number>,
  options: ClockOptions,
): Map<number, TaskClock> {
  const reader = new ClockReader(recording, owners, options)
  for (let i = 0; i < recording.length; i++) reader.step(i)
  return reader.clocks
}

/** What was booked of a thread so far. */
interface Mark {
  cpuNs: number
  flushes: number
  switches: number
  switchShares: number
}

class ClockReader {
  readonly clocks = new Map<number, TaskClock>()
  readonly #recording: Recording
  readonly #options: ClockOptions
  readonly #threads: Threads
  readonly #startNs: number
  readonly #marks = new Map<number, Mark>()
  /** Of the fault that a thread is in. */
  readonly #faultAddress = new Map<number, number>()

  constructor(recording: Recording, owners: ReadonlySet<number>, options: ClockOptions) {
    this.#recording = recording
    this.#options = options
    this.#threads = new Threads(recording, owners)
    this.#startNs = recording.ns[options.startEvent] ?? 0
  }

  step(i: number): void {
    if (i === this.#options.startEvent) this.#begin()
    switch (this.#recording.kind[i]) {
      case EVENT.switch:
        this.#switch(i)
        break
      case EVENT.directBegin:
      case EVENT.directEnd:
      case EVENT.memcgBegin:
      case EVENT.memcgEnd:
      case EVENT.fault:
      case EVENT.faultReturn:
        this.#changeState(i)
        break
      case EVENT.read:
        this.#threads.step(i)
        this.#read(i)
        break
      default:
        this.#threads.step(i)
    }
  }

  /**
   * The workload starts: clocks of the tasks that are known begin. What a task runs, waits for a CPU or sleeps from here on is on its
   * clock; one that is blocked begins when it is woken.
   */
  #begin(): void {
    for (const clock of this.clocks.values()) {
      const thread = this.#threads.get(clock.tid)
      const { spent, dueNs } = this.#sinceMark(thread, thread.cpuAt(this.#startNs))
      if (!thread.inDirect && !thread.inFault) clock.beforeNs += ownOf(clock, spent, dueNs)
      clock.debtNs = 0
      const isBlocked = thread.cpu < 0 && thread.left === STATE.blocked && thread.wokenNs < 0
      if (!isBlocked) beginAt(clock, this.#startNs)
    }
  }

  #switch(i: number): void {
    const recording = this.#recording
    const threads = this.#threads
    const ns = recording.ns[i] ?? 0
    const to = threads.get(recording.c[i] ?? 0)
    this.#book(threads.get(recording.a[i] ?? 0), ns)
    const { left, leftNs, wokenNs } = to
    const runsAgain = to.sinceNs > 0 || to.cpuNs > 0
    threads.step(i)
    const clock = this.#book(to, ns)
    if (clock === undefined || !runsAgain || ns < this.#startNs || leftNs === 0) return
    if (to.inDirect || to.inFault) return
    const begin = Math.max(leftNs, this.#startNs)
    const isWoken = this.#options.hasWaking && wokenNs >= 0
    const end = isWoken ? wokenNs : ns
    if (left === STATE.blocked) clock.blockedNs += end - begin
    else if (left === STATE.sleeping && end > begin) {
      clock.sleepOwn.push(clock.ownNs)
      clock.sleeps.add(end - begin, { isTold: isWoken || recording.a[i] === IDLE_TID })
    }
  }

  /** The state changes after the time up to here is booked. */
  #changeState(i: number): void {
    const recording = this.#recording
    const ns = recording.ns[i] ?? 0
    const thread = this.#threads.get(recording.tid[i] ?? 0)
    if (thread.cpu >= 0) this.#book(thread, ns)
    this.#threads.step(i)
    const kind = recording.kind[i]
    if (kind === EVENT.fault) this.#faultAddress.set(thread.tid, recording.a[i] ?? -1)
    else if (kind === EVENT.faultReturn) this.#faultAddress.delete(thread.tid)
    else if (kind === EVENT.memcgEnd && ns >= this.#startNs) {
      const clock = this.#clockOf(thread)
      clock?.memcgOwn.push(clock.ownNs)
      clock?.memcgPages.push(recording.a[i] ?? 0)
    }
  }

  #read(i: number): void {
    const recording = this.#recording
    const ns = recording.ns[i] ?? 0
    if (ns < this.#startNs) return
    const thread = this.#threads.get(recording.tid[i] ?? 0)
    const clock = this.#book(thread, ns)
    if (clock === undefined) return
    clock.readOwn.push(clock.ownNs)
    clock.readEvent.push(i)
    clock.readAddress.push(this.#faultAddress.get(thread.tid) ?? -1)
  }

  #clockOf(thread: Thread): TaskClock | undefined {
    const existing = this.clocks.get(thread.tid)
    if (existing !== undefined) return existing
    if (thread.tid === 0 || !this.#options.wanted(thread.tid)) return undefined
    const clock = new TaskClock(thread.tid)
    this.clocks.set(thread.tid, clock)
    return clock
  }

  /** Books the CPU time since the last mark to what the thread was doing. */
  #book(thread: Thread, ns: number): TaskClock | undefined {
    const clock = this.#clockOf(thread)
    if (clock === undefined) return undefined
    const { spent, dueNs } = this.#sinceMark(thread, thread.cpuAt(ns))
    if (ns < this.#startNs) {
      if (!thread.inDirect && !thread.inFault) clock.beforeNs += ownOf(clock, spent, dueNs)
      return clock
    }
    if (clock.firstNs < 0)
      beginAt(clock, thread.wokenNs < 0 ? ns : Math.max(thread.wokenNs, this.#startNs))
    clock.lastNs = ns
    if (thread.inDirect) clock.reclaimCpuNs += spent
    else if (thread.inFault) clock.faultCpuNs += spent
    else clock.ownNs += ownOf(clock, spent, dueNs)
    const last = clock.wall.length - 1
    if (clock.wall.at(last) === ns) clock.own.set(last, clock.ownNs)
    else {
      clock.wall.push(ns)
      clock.own.push(clock.ownNs)
    }
    return clock
  }

  /** The CPU time since the thread's mark, and what flushes and switches take of it; sets the mark anew. */
  #sinceMark(thread: Thread, cpuNs: number): { spent: number; dueNs: number } {
    const { flushes, switches, switchShares } = thread
    const now = { cpuNs, flushes, switches, switchShares }
    const mark = this.#marks.get(thread.tid) ?? now
    const { flushNs, switchCost } = this.#options
    const spent = cpuNs - mark.cpuNs
    const dueNs = (flushes - mark.flushes) * flushNs + switchedNs(mark, now, switchCost)
    this.#marks.set(thread.tid, now)
    return { spent, dueNs }
  }
}

function beginAt(clock: TaskClock, ns: number): void {
  clock.firstNs = ns
  clock.wall.push(ns)
  clock.own.push(0)
}

/** What flushes and switches took of the CPU time that a task spent is not its own. */
function ownOf(clock: TaskClock, spent: number, dueNs: number): number {
  const due = dueNs + clock.debtNs
  const taken = Math.min(due, spent * MOST_TAKEN_SHARE)
  clock.debtNs = due - taken
  return spent - taken
}
