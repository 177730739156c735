import type { Cpu } from './cpu.ts'
import type { FairClass } from './fair-class.ts'
import { estimateUtil, estimateUtilUnlessWaited } from './load-signals.ts'
import type { Thread } from './thread.ts'

export interface EevdfOptions {
  readonly sliceNs: number
  readonly tickNs: number
  /** 6.12: who goes to sleep with more than its share stays in the queue until that is made up for (DELAY_DEQUEUE). */
  readonly delaysDequeue: boolean
  /** 6.8: what is expected of a thread does not fall when it had to wait. */
  readonly keepsEstimateOfWaiters: boolean
}

/**
 * Earliest eligible virtual deadline first, as in kernel/sched/fair.c since 6.6: a thread is eligible that has had no more than its share, a
 * thread keeps its CPU for its slice as long as it is eligible (RUN_TO_PARITY), and one that sleeps is owed, or owes, afterwards what it was
 * before (PLACE_LAG).
 */
export class Eevdf implements FairClass {
  readonly #sliceNs: number
  readonly #tickNs: number
  readonly #lagLimit: number
  readonly #delays: boolean
  readonly #estimate: (thread: Thread) => void

  constructor({ sliceNs, tickNs, delaysDequeue, keepsEstimateOfWaiters }: EevdfOptions) {
    this.#sliceNs = sliceNs
    this.#tickNs = tickNs
    this.#delays = delaysDequeue
    this.#estimate = keepsEstimateOfWaiters ? estimateUtilUnlessWaited : estimateUtil
    this.#lagLimit = Math.max(2 * sliceNs, tickNs)
  }

  place(cpu: Cpu, thread: Thread): void {
    this.#update(cpu)
    this.#placeAnew(cpu, thread)
  }

  preempts(cpu: Cpu, thread: Thread): boolean {
    this.#update(cpu)
    return this.#pick(cpu) === thread
  }

  sleep(cpu: Cpu, thread: Thread): void {
    this.#update(cpu)
    this.#estimate(thread)
    // The thread is still the CPU's: it counts in the average.
    const lag = this.#average(cpu) - thread.vruntime
    if (this.#delays && lag < 0 && cpu.competitors > 1) {
      thread.delayed = true
      cpu.delayed.push(thread)
    } else thread.lag = this.#clamp(lag)
  }

  /** requeue_delayed_entity() judges by what the CPU's thread had run when that was last looked at, of late by a tick. */
  requeue(cpu: Cpu, thread: Thread): void {
    const { current } = cpu
    const unseen =
      current === undefined
        ? 0
        : Math.min(current.vruntime - cpu.seenVruntime, this.#sinceTick(cpu))
    if (current !== undefined) current.vruntime -= unseen
    const lag = this.#average(cpu) - thread.vruntime
    cpu.delayed.splice(cpu.delayed.indexOf(thread), 1)
    thread.delayed = false
    if (lag > 0) {
      // DELAY_ZERO: what it is owed now, it is owed for sleeping.
      thread.lag = 0
      this.#placeAnew(cpu, thread)
    }
    if (current !== undefined) current.vruntime += unseen
  }

  untilPreemption(cpu: Cpu): number {
    const current = cpu.current as Thread
    const left = current.deadline - current.vruntime
    if (cpu.keepsSlice) return left
    const others = cpu.competitors - 1
    const untilIneligible =
      ((this.#average(cpu) - current.vruntime) * (others + 1)) / Math.max(1, others)
    return Math.max(0, Math.min(left, untilIneligible))
  }

  expires(cpu: Cpu): boolean {
    this.#update(cpu)
    return this.#pickAwake(cpu) !== cpu.current
  }

  takeNext(cpu: Cpu): Thread | undefined {
    const next = this.#pickAwake(cpu)
    if (next === undefined) return undefined
    cpu.queue.splice(cpu.queue.indexOf(next), 1)
    cpu.keepsSlice = true
    cpu.seenVruntime = next.vruntime
    return next
  }

  detach(cpu: Cpu, thread: Thread): void {
    this.#update(cpu)
    thread.lag = this.#clamp(this.#average(cpu) - thread.vruntime)
    thread.deadline -= thread.vruntime
  }

  attach(cpu: Cpu, thread: Thread): void {
    this.#update(cpu)
    this.#placeWithLag(cpu, thread)
    thread.deadline += thread.vruntime
  }

  /**
   * update_curr(): who has used its slice has another, in which it may be disturbed; others are looked for where there are any, and where such
   * a one is no longer eligible (PREEMPT_SHORT). Whoever joins or leaves the queue sees to it, and ticks.
   */
  #update(cpu: Cpu): void {
    const { current } = cpu
    if (current === undefined || current.vruntime === cpu.seenVruntime) return
    cpu.seenVruntime = current.vruntime
    this.#renewAtTicks(cpu, current)
    const isOver = current.vruntime >= current.deadline
    if (isOver) {
      current.deadline = current.vruntime + this.#sliceNs
      cpu.keepsSlice = false
    }
    if (cpu.competitors === 1) return
    if (isOver || (!cpu.keepsSlice && current.vruntime > this.#average(cpu))) cpu.needResched = true
  }

  /** Ticks of a thread that was alone are not waited for, but have renewed its slice. */
  #renewAtTicks(cpu: Cpu, current: Thread): void {
    const atTick = current.vruntime - this.#sinceTick(cpu)
    const late = atTick - current.deadline
    if (late < 0) return
    const first = atTick - Math.floor(late / this.#tickNs) * this.#tickNs
    const every = Math.ceil(this.#sliceNs / this.#tickNs) * this.#tickNs
    const last = first + Math.floor((atTick - first) / every) * every
    current.deadline = last + this.#sliceNs
    cpu.keepsSlice = false
  }

  #sinceTick(cpu: Cpu): number {
    return cpu.progressAt % this.#tickNs
  }

  #placeAnew(cpu: Cpu, thread: Thread): void {
    this.#placeWithLag(cpu, thread)
    thread.deadline = thread.vruntime + this.#sliceNs
  }

  /** Its lag is to be the same after it has moved the average. */
  #placeWithLag(cpu: Cpu, thread: Thread): void {
    const { competitors } = cpu
    const lag = competitors === 0 ? 0 : (thread.lag * (competitors + 1)) / competitors
    thread.vruntime = Math.round(this.#average(cpu) - lag)
  }

  /** The one to run, those left out that sleep: their time in the queue ends where they would be picked. */
  #pickAwake(cpu: Cpu): Thread | undefined {
    for (;;) {
      const next = this.#pick(cpu)
      if (next === undefined || !next.delayed) return next
      // Owed nothing after its sleep (DELAY_ZERO).
      next.lag = Math.min(0, this.#clamp(this.#average(cpu) - next.vruntime))
      next.delayed = false
      cpu.delayed.splice(cpu.delayed.indexOf(next), 1)
    }
  }

  #pick(cpu: Cpu): Thread | undefined {
    const { current } = cpu
    if (cpu.competitors === 1) return current ?? cpu.queue[0] ?? cpu.delayed[0]
    const average = this.#average(cpu)
    const eligible = current !== undefined && current.vruntime <= average ? current : undefined
    if (eligible !== undefined && cpu.keepsSlice) return eligible
    let best: Thread | undefined
    for (const thread of cpu.queue) best = earlier(best, thread, average)
    for (const thread of cpu.delayed) best = earlier(best, thread, average)
    // Of two with one deadline the waiting one runs (entity_before() is strict), such as one woken as a slice ends.
    if (eligible !== undefined && (best === undefined || eligible.deadline < best.deadline))
      return eligible
    return best ?? leastRun(cpu)
  }

  /** avg_vruntime(); where nobody is, the last one's goes on. */
  #average(cpu: Cpu): number {
    let sum = 0
    for (const { vruntime } of cpu.queue) sum += vruntime - cpu.minVruntime
    for (const { vruntime } of cpu.delayed) sum += vruntime - cpu.minVruntime
    if (cpu.current !== undefined) sum += cpu.current.vruntime - cpu.minVruntime
    const { competitors } = cpu
    // The kernel's zero_vruntime follows the average, so that an empty queue keeps it.
    if (competitors > 0) cpu.minVruntime += Math.floor(sum / competitors)
    return cpu.minVruntime
  }

  #clamp(lag: number): number {
    return Math.min(this.#lagLimit, Math.max(-this.#lagLimit, lag))
  }
}

function earlier(best: Thread | undefined, thread: Thread, average: number): Thread | undefined {
  if (thread.vruntime > average) return best
  return best === undefined || thread.deadline < best.deadline ? thread : best
}

/** Rounding may leave nobody eligible. */
function leastRun(cpu: Cpu): Thread | undefined {
  let least = cpu.current
  for (const thread of cpu.queue)
    if (least === undefined || thread.vruntime < least.vruntime) least = thread
  return least
}
