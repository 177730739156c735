import { Numbers } from './numbers.ts'
import { EVENT, type Recording, STATE } from './recording.ts'
import { type Thread, Threads } from './threads.ts'

/** One task's own time (on CPU, outside reclaim, faults and interruptions) against the wall clock, and what it did on it. */
export class TaskClock {
  readonly tid: number
  firstNs = -1
  lastNs = 0
  ownNs = 0
  /** CPU time inside swap-in faults and in reclaim. */
  faultCpuNs = 0
  reclaimCpuNs = 0
  blockedNs = 0
  readonly wall = new Numbers()
  readonly own = new Numbers()
  /** Sleeps by its own will. */
  readonly sleepOwn = new Numbers()
  readonly sleepNs = new Numbers()
  readonly sleepAtNs = new Numbers()
  /** Swap-ins. */
  readonly readOwn = new Numbers()
  readonly readEvent = new Numbers()
  readonly readAddress = new Numbers()
  /** Reclaim for a memory cgroup, and the pages that it freed. */
  readonly memcgOwn = new Numbers()
  readonly memcgPages = new Numbers()
  /** Time of flushes and switches that was longer than the time it would be taken from. */
  debtNs = 0

  constructor(tid: number) {
    this.tid = tid
  }

  /** Own time at a moment of the wall clock. */
  ownAt(ns: number): number {
    const { own, wall } = this
    const last = wall.length - 1
    if (last < 0 || ns <= wall.at(0)) return 0
    if (ns >= wall.at(last)) return own.at(last)
    const step = stepOf(wall, (at) => at <= ns)
    return valueIn(own, step, shareOf(wall, step, ns))
  }

  /** The first moment of the wall clock at which the own clock shows `own`. */
  wallAt(own: number): number {
    if (this.own.length === 0) return 0
    const step = stepOf(this.own, (at) => at < own)
    return valueIn(this.wall, step, shareOf(this.own, step, own))
  }
}

/** The last value that begins a step and is passed; the first where none is. Those that are passed come first. */
function stepOf(values: Numbers, isPassed: (value: number) => boolean): number {
  let low = 0
  let high = values.length - 1
  while (high - low > 1) {
    const mid = (low + high) >> 1
    if (isPassed(values.at(mid))) low = mid
    else high = mid
  }
  return low
}

/** How much of the step lies before `value`: from 0 to 1. */
function shareOf(values: Numbers, step: number, value: number): number {
  const from = values.at(step)
  const span = values.at(endOf(values, step)) - from
  return span > 0 ? Math.min(1, Math.max(0, (value - from) / span)) : 1
}

function valueIn(values: Numbers, step: number, share: number): number {
  const from = values.at(step)
  return from + share * (values.at(endOf(values, step)) - from)
}

function endOf(values: Numbers, step: number): number {
  return Math.min(step + 1, values.length - 1)
}

export interface ClockOptions {
  readonly startEvent: number
  readonly flushNs: number
  /** CPU time that each switch to a task costs it. */
  readonly switchNs: number
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
  const threads = new Threads(recording, owners)
  const clocks = new Map<number, TaskClock>()
  const markCpu = new Map<number, number>()
  const markFlushes = new Map<number, number>()
  const markSwitches = new Map<number, number>()
  const startNs = recording.ns[options.startEvent] ?? 0
  const faultAddress = new Map<number, number>()

  const clockOf = (thread: Thread): TaskClock | undefined => {
    const existing = clocks.get(thread.tid)
    if (existing !== undefined) return existing
    if (thread.tid === 0 || !options.wanted(thread.tid)) return undefined
    const clock = new TaskClock(thread.tid)
    clocks.set(thread.tid, clock)
    return clock
  }
  /** Books the CPU time since the last mark to what the thread was doing. */
  const book = (thread: Thread, ns: number): TaskClock | undefined => {
    const clock = clockOf(thread)
    if (clock === undefined) return undefined
    const cpu = thread.cpuAt(ns)
    const spent = cpu - (markCpu.get(thread.tid) ?? cpu)
    const flushes = thread.flushes - (markFlushes.get(thread.tid) ?? thread.flushes)
    const switches = thread.switches - (markSwitches.get(thread.tid) ?? thread.switches)
    markCpu.set(thread.tid, cpu)
    markSwitches.set(thread.tid, thread.switches)
    markFlushes.set(thread.tid, thread.flushes)
    if (ns < startNs) return clock
    if (clock.firstNs < 0) {
      clock.firstNs = ns
      clock.wall.push(ns)
      clock.own.push(0)
    }
    clock.lastNs = ns
    if (thread.inDirect) clock.reclaimCpuNs += spent
    else if (thread.inFault) clock.faultCpuNs += spent
    else {
      const due = flushes * options.flushNs + switches * options.switchNs + clock.debtNs
      const taken = Math.min(due, spent * MOST_TAKEN_SHARE)
      clock.debtNs = due - taken
      clock.ownNs += spent - taken
    }
    if (clock.wall.at(clock.wall.length - 1) === ns)
      clock.own.set(clock.wall.length - 1, clock.ownNs)
    else {
      clock.wall.push(ns)
      clock.own.push(clock.ownNs)
    }
    return clock
  }

  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    const ns = recording.ns[i] ?? 0
    if (kind === EVENT.switch) {
      const from = threads.get(recording.a[i] ?? 0)
      const to = threads.get(recording.c[i] ?? 0)
      book(from, ns)
      const wokenNs = to.wokenNs
      const { left, leftNs } = to
      const runsAgain = to.sinceNs > 0 || to.cpuNs > 0
      threads.step(i)
      const clock = book(to, ns)
      if (clock === undefined || !runsAgain || ns < startNs || leftNs === 0) continue
      if (to.inDirect || to.inFault) continue
      const begin = Math.max(leftNs, startNs)
      const end = options.hasWaking && wokenNs >= 0 ? wokenNs : ns
      if (left === STATE.sleeping) {
        if (end > begin) {
          clock.sleepOwn.push(clock.ownNs)
          clock.sleepNs.push(end - begin)
          clock.sleepAtNs.push(begin)
        }
      } else if (left === STATE.blocked) clock.blockedNs += end - begin
      continue
    }
    if (
      kind === EVENT.directBegin ||
      kind === EVENT.directEnd ||
      kind === EVENT.memcgBegin ||
      kind === EVENT.memcgEnd ||
      kind === EVENT.fault ||
      kind === EVENT.faultReturn
    ) {
      // The state changes after the time up to here is booked.
      const thread = threads.get(recording.tid[i] ?? 0)
      if (thread.cpu >= 0) book(thread, ns)
      threads.step(i)
      if (kind === EVENT.fault) faultAddress.set(thread.tid, recording.a[i] ?? -1)
      else if (kind === EVENT.faultReturn) faultAddress.delete(thread.tid)
      else if (kind === EVENT.memcgEnd && ns >= startNs) {
        const clock = clockOf(thread)
        clock?.memcgOwn.push(clock.ownNs)
        clock?.memcgPages.push(recording.a[i] ?? 0)
      }
      continue
    }
    threads.step(i)
    if (kind === EVENT.read && ns >= startNs) {
      const thread = threads.get(recording.tid[i] ?? 0)
      const clock = book(thread, ns)
      if (clock === undefined) continue
      clock.readOwn.push(clock.ownNs)
      clock.readEvent.push(i)
      clock.readAddress.push(faultAddress.get(thread.tid) ?? -1)
    }
  }
  return clocks
}

/** A disturbed task still does some work of its own in between. */
const MOST_TAKEN_SHARE = 0.9
