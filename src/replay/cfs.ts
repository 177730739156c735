import type { Cpu } from './cpu.ts'
import type { FairClass } from './fair-class.ts'
import { estimateUtil } from './load-signals.ts'
import type { Thread } from './thread.ts'

/** How many threads share one latency (sched_nr_latency). */
const THREADS_PER_LATENCY = 8

export interface CfsTimes {
  readonly latencyNs: number
  readonly minGranularityNs: number
  readonly wakeupGranularityNs: number
}

/** The completely fair scheduler, as in kernel/sched/fair.c of 6.1: who has run least runs next. */
export class Cfs implements FairClass {
  readonly #times: CfsTimes

  constructor(times: CfsTimes) {
    this.#times = times
  }

  /** A sleeper is owed half a latency at most (GENTLE_FAIR_SLEEPERS). */
  place(cpu: Cpu, thread: Thread): void {
    thread.vruntime = Math.max(thread.vruntime, this.#raise(cpu) - this.#times.latencyNs / 2)
  }

  preempts(cpu: Cpu, thread: Thread): boolean {
    const { current } = cpu
    if (current === undefined) return false
    const preempts = current.vruntime - thread.vruntime > this.#times.wakeupGranularityNs
    // set_next_buddy(): who takes the CPU from another is the next to have it.
    if (preempts) cpu.next = thread
    return preempts
  }

  /** Relative to its CPU while it sleeps, as what it is owed there. */
  sleep(cpu: Cpu, thread: Thread): void {
    estimateUtil(thread)
    thread.lag = this.#raise(cpu) - thread.vruntime
  }

  requeue(): void {}

  untilPreemption(cpu: Cpu): number {
    const current = cpu.current as Thread
    const ran = current.vruntime - cpu.sliceVruntime
    const ideal = this.#ideal(cpu)
    const untilFair = least(cpu) + ideal - current.vruntime
    return Math.max(
      0,
      Math.min(ideal - ran, Math.max(this.#times.minGranularityNs - ran, untilFair)),
    )
  }

  /** check_preempt_tick(): the time of a slice is over, or another has had less by that much. */
  expires(cpu: Cpu): boolean {
    const current = cpu.current as Thread
    const ran = current.vruntime - cpu.sliceVruntime
    const ideal = this.#ideal(cpu)
    if (!cpu.needResched && ran <= ideal) {
      if (ran < this.#times.minGranularityNs) return false
      if (current.vruntime - least(cpu) <= ideal) return false
    }
    if (cpu.next !== undefined) return true
    if (least(cpu) < current.vruntime) return true
    cpu.sliceVruntime = current.vruntime
    return false
  }

  takeNext(cpu: Cpu): Thread | undefined {
    const { next, queue } = cpu
    cpu.next = undefined
    if (queue.length === 0) return undefined
    let best = 0
    for (let place = 1; place < queue.length; place++)
      if ((queue[place] as Thread).vruntime < (queue[best] as Thread).vruntime) best = place
    if (next !== undefined) {
      const place = queue.indexOf(next)
      const ahead = next.vruntime - (queue[best] as Thread).vruntime
      if (place >= 0 && ahead <= this.#times.wakeupGranularityNs) best = place
    }
    const thread = queue[best] as Thread
    queue.splice(best, 1)
    cpu.sliceVruntime = thread.vruntime
    return thread
  }

  detach(cpu: Cpu, thread: Thread): void {
    if (cpu.next === thread) cpu.next = undefined
    thread.vruntime -= this.#raise(cpu)
  }

  attach(cpu: Cpu, thread: Thread): void {
    thread.vruntime += this.#raise(cpu)
  }

  #ideal(cpu: Cpu): number {
    const { latencyNs, minGranularityNs } = this.#times
    const count = cpu.competitors
    const period = count > THREADS_PER_LATENCY ? count * minGranularityNs : latencyNs
    return period / Math.max(1, count)
  }

  #raise(cpu: Cpu): number {
    const smallest = Math.min(least(cpu), cpu.current?.vruntime ?? Number.POSITIVE_INFINITY)
    if (smallest !== Number.POSITIVE_INFINITY && smallest > cpu.minVruntime)
      cpu.minVruntime = smallest
    return cpu.minVruntime
  }
}

function least(cpu: Cpu): number {
  let smallest = Number.POSITIVE_INFINITY
  for (const { vruntime } of cpu.queue) if (vruntime < smallest) smallest = vruntime
  return smallest
}
