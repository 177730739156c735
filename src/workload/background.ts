import { Numbers } from './numbers.ts'
import {
  BEGINS_RECLAIM,
  ENDS_RECLAIM,
  EVENT,
  IDLE_TID,
  type Recording,
  STATE,
} from './recording.ts'
import { Sleeps } from './sleeps.ts'
import { type SwitchCost, type Switches, switchedNs, type Thread, Threads } from './threads.ts'

/** One task that only runs and sleeps: bursts of CPU time, each after a sleep. */
export interface Load {
  readonly tid: number
  /** After the workload's start. */
  readonly startNs: number
  readonly sleepNs: Float64Array
  readonly cpuNs: Float64Array
  readonly cpus: readonly number[]
}

/** Tasks whose reclaim or stores are a result of the policy, not load. */
const RESULT_THREAD = /^(kswapd|kcompactd|kcompressd)\d*/

/** Less CPU time than this share of the recording is left out. */
const LEAST_SHARE = 0.0002
/** What is left of a burst without the switches in it. */
const LEAST_LEFT_SHARE = 0.1

interface BackgroundOptions {
  readonly startEvent: number
  readonly endNs: number
  readonly switchCost: SwitchCost
  /** When a task of the demand has done what it was asked, ns: what it runs from then on is load; -1 = it is none of the demand. */
  readonly demandEndsNs: (tid: number) => number
}

/** Busy intervals of the tasks outside the demand, from the workload's start, and of those in it, from the end of theirs. Time in direct reclaim is left out: it is a result. */
export function readBackground(
  recording: Recording,
  owners: ReadonlySet<number>,
  options: BackgroundOptions,
): { readonly loads: readonly Load[]; readonly leftOutNs: number } {
  const reader = new BurstReader(recording, owners, options)
  for (let i = 0; i < recording.length; i++) {
    if ((recording.ns[i] ?? 0) > options.endNs) break
    reader.step(i)
  }
  const startNs = recording.ns[options.startEvent] ?? 0
  return listLoads(recording, reader.bursts, {
    startNs,
    leastNs: LEAST_SHARE * (options.endNs - startNs),
  })
}

/** What one task was seen to run and to sleep. */
class Bursts {
  readonly sleeps = new Sleeps()
  readonly cpu = new Numbers()
  readonly cpus = new Set<number>()
  isResult: boolean
  /** Its load begins then. */
  readonly fromNs: number
  /** CPU time at which its present stretch began, -1 = it does not run. */
  mark = -1
  burst = 0
  idleSince: number
  /** Switches to the task when its present burst had begun: the one that began it is part of the burst. */
  #before: Switches

  constructor(fromNs: number, { switches, switchShares }: Thread, isResult: boolean) {
    this.fromNs = fromNs
    this.idleSince = fromNs
    this.#before = { switches, switchShares }
    this.isResult = isResult
  }

  /** The stretch up to now is the task's own, unless it reclaims. */
  book(thread: Thread, ns: number): void {
    if (this.mark >= 0 && !thread.inDirect && ns >= this.fromNs)
      this.burst += thread.cpuAt(ns) - this.mark
  }

  /** It sleeps: the burst is over. */
  end(thread: Thread, ns: number, cost: SwitchCost): void {
    const switched = switchedNs(this.#before, thread, cost)
    this.cpu.push(Math.max(this.burst - switched, this.burst * LEAST_LEFT_SHARE))
    this.burst = 0
    this.idleSince = ns
  }

  /** It runs: the first time since its last burst, its sleep is over. */
  run(
    thread: Thread,
    ns: number,
    cpu: number,
    woken: { readonly ns: number; readonly onIdle: boolean },
  ): void {
    this.mark = thread.cpuAt(ns)
    this.cpus.add(cpu)
    if (this.burst !== 0 || this.sleeps.length !== this.cpu.length) return
    const { switches, switchShares } = thread
    this.#before = { switches, switchShares }
    const isTold = woken.ns >= this.idleSince
    const end = isTold ? woken.ns : ns
    this.sleeps.add(Math.max(0, end - this.idleSince), { isTold: isTold || woken.onIdle })
  }
}

class BurstReader {
  readonly bursts = new Map<number, Bursts>()
  readonly #recording: Recording
  readonly #options: BackgroundOptions
  readonly #startNs: number
  readonly #threads: Threads

  constructor(recording: Recording, owners: ReadonlySet<number>, options: BackgroundOptions) {
    this.#recording = recording
    this.#options = options
    this.#startNs = recording.ns[options.startEvent] ?? 0
    this.#threads = new Threads(recording, owners)
  }

  step(i: number): void {
    const kind = this.#recording.kind[i] ?? -1
    const ns = this.#recording.ns[i] ?? 0
    if (kind === EVENT.switch) {
      this.#switch(i, ns)
      return
    }
    const thread = this.#threads.get(this.#recording.tid[i] ?? 0)
    // Whoever stores for others is a worker of the recorded policy.
    if (kind === EVENT.store && ns >= this.#startNs && !thread.isUser)
      this.#of(thread).isResult = true
    if (BEGINS_RECLAIM.has(kind) || ENDS_RECLAIM.has(kind)) {
      const bursts = this.#of(thread)
      bursts.book(thread, ns)
      if (bursts.mark >= 0) bursts.mark = thread.cpuAt(ns)
    }
    this.#threads.step(i)
  }

  #switch(i: number, ns: number): void {
    const recording = this.#recording
    const from = this.#threads.get(recording.a[i] ?? 0)
    const to = this.#threads.get(recording.c[i] ?? 0)
    const { wokenNs } = to
    const leaving = this.#of(from)
    leaving.book(from, ns)
    leaving.mark = -1
    const sleeps = (recording.b[i] ?? 0) !== STATE.runnable
    if (sleeps && leaving.burst > 0 && !from.inDirect)
      leaving.end(from, ns, this.#options.switchCost)
    this.#threads.step(i)
    const running = this.#of(to)
    if (ns >= running.fromNs)
      running.run(to, ns, recording.cpu[i] ?? 0, { ns: wokenNs, onIdle: from.tid === IDLE_TID })
  }

  #of(thread: Thread): Bursts {
    let bursts = this.bursts.get(thread.tid)
    if (bursts === undefined) {
      const comm = this.#recording.tasks.get(thread.tid)?.comm ?? ''
      const isResult = thread.tid === 0 || RESULT_THREAD.test(comm)
      const fromNs = Math.max(this.#startNs, this.#options.demandEndsNs(thread.tid))
      bursts = new Bursts(fromNs, thread, isResult)
      this.bursts.set(thread.tid, bursts)
    }
    return bursts
  }
}

/** Those with `leastNs` of CPU time and more, by tid. */
function listLoads(
  recording: Recording,
  bursts: ReadonlyMap<number, Bursts>,
  { startNs, leastNs }: { readonly startNs: number; readonly leastNs: number },
): { readonly loads: readonly Load[]; readonly leftOutNs: number } {
  const loads: Load[] = []
  let leftOutNs = 0
  for (const [tid, { isResult, cpu, fromNs, sleeps }] of bursts) {
    if (isResult || cpu.length === 0) continue
    const cpuNs = cpu.copyValues()
    const total = cpuNs.reduce((sum, ns) => sum + ns, 0)
    if (total < leastNs) {
      leftOutNs += total
      continue
    }
    const comm = recording.tasks.get(tid)?.comm ?? ''
    // Per-cpu kernel threads carry their CPU in the name.
    const bound = /^(?:ksoftirqd|migration|kworker|rcuc|cpuhp)\/(\d+)/.exec(comm)
    loads.push({
      tid,
      startNs: fromNs - startNs,
      sleepNs: sleeps.lengths().slice(0, cpuNs.length),
      cpuNs,
      cpus: bound === null ? [] : [Number(bound[1])],
    })
  }
  loads.sort((x, y) => x.tid - y.tid)
  return { loads, leftOutNs }
}
