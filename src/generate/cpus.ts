import type { State } from './account.ts'
import { type Running, STEP_NS } from './running.ts'
import { PREEMPTED } from './text-values.ts'
import type { Tracer } from './tracer.ts'

const SLICE_NS = 4_000_000
const WAKE_LATENCY_NS = 20_000
const STATE_SLEEP = 1
const STATE_IO = 2
const STATE_DEAD = 16
const PRIO = 120

interface Cpu {
  current: Running | undefined
  chunkEnd: number
  sliceEnd: number
  /** When an idle CPU takes from its queue. */
  dispatchAt: number
  readonly queue: Running[]
}

/** Who runs where: a queue of tasks for each CPU, and what is due at a time. */
export class Cpus {
  readonly #tracer: Tracer
  readonly #cpus: Cpu[]
  /** Sleepers to wake and requests to complete, unsorted: there are few at once. */
  readonly #timers: { readonly at: number; readonly fire: () => void }[] = []

  constructor(tracer: Tracer, count: number) {
    this.#tracer = tracer
    this.#cpus = Array.from({ length: count }, () => ({
      current: undefined,
      chunkEnd: Number.POSITIVE_INFINITY,
      sliceEnd: Number.POSITIVE_INFINITY,
      dispatchAt: Number.POSITIVE_INFINITY,
      queue: [],
    }))
  }

  /** Calls `fire` after so much time, as an interrupt does. */
  after(ns: number, fire: () => void): void {
    this.#timers.push({ at: this.#tracer.now + ns, fire })
  }

  /** Handles the earliest thing that happens; false when nothing is left. */
  step(): boolean {
    let at = Number.POSITIVE_INFINITY
    let cpuOf = -1
    let what: 'chunk' | 'slice' | 'dispatch' | 'timer' = 'timer'
    let timer = -1
    for (let i = 0; i < this.#timers.length; i++) {
      const candidate = this.#timers[i]?.at ?? at
      if (candidate < at) {
        at = candidate
        timer = i
      }
    }
    for (let i = 0; i < this.#cpus.length; i++) {
      const cpu = this.#cpus[i]
      if (cpu === undefined) continue
      if (cpu.dispatchAt < at) {
        at = cpu.dispatchAt
        cpuOf = i
        what = 'dispatch'
      }
      if (cpu.chunkEnd < at) {
        at = cpu.chunkEnd
        cpuOf = i
        what = 'chunk'
      }
      if (cpu.queue.length > 0 && cpu.sliceEnd < at) {
        at = cpu.sliceEnd
        cpuOf = i
        what = 'slice'
      }
    }
    if (at === Number.POSITIVE_INFINITY) return false
    this.#tracer.now = Math.max(this.#tracer.now, at)
    const cpu = this.#cpus[cpuOf]
    if (cpu === undefined) {
      const [entry] = this.#timers.splice(timer, 1)
      entry?.fire()
    } else if (what === 'dispatch') this.#dispatch(cpu, cpuOf)
    else if (what === 'slice') this.#preempt(cpu, cpuOf)
    else this.#resume(cpu, cpuOf)
    return true
  }

  #resume(cpu: Cpu, id: number): void {
    const running = cpu.current
    if (running === undefined) return
    const { done } = running.body.next()
    if (done) this.#switch(cpu, id, STATE_DEAD, undefined)
    else if (running.request === 'cpu') cpu.chunkEnd = this.#tracer.now + running.amount
    else if (running.request === 'wait') {
      running.waiting = true
      this.#switch(cpu, id, STATE_SLEEP, 'sleeping')
    } else {
      this.wakeAt(this.#tracer.now + running.amount, running)
      const io = running.request === 'io'
      this.#switch(cpu, id, io ? STATE_IO : STATE_SLEEP, io ? 'io' : 'sleeping')
    }
  }

  /** Takes the current task off the CPU in `prevState` and puts the next one on. */
  #switch(cpu: Cpu, id: number, prevState: number, state: State | undefined): void {
    const prev = cpu.current
    const next = cpu.queue.shift()
    this.#emitSwitch(id, prev, next, prevState)
    prev?.account.enter(state, this.#tracer.now)
    this.#run(cpu, next)
  }

  #preempt(cpu: Cpu, id: number): void {
    const prev = cpu.current
    if (prev === undefined) return
    prev.left = cpu.chunkEnd - this.#tracer.now
    const next = cpu.queue.shift()
    this.#emitSwitch(id, prev, next, PREEMPTED)
    prev.account.enter('runnable', this.#tracer.now)
    cpu.queue.push(prev)
    this.#run(cpu, next)
  }

  #dispatch(cpu: Cpu, id: number): void {
    cpu.dispatchAt = Number.POSITIVE_INFINITY
    const next = cpu.queue.shift()
    if (cpu.current !== undefined || next === undefined) return
    this.#emitSwitch(id, undefined, next, 0)
    this.#run(cpu, next)
  }

  #run(cpu: Cpu, next: Running | undefined): void {
    cpu.current = next
    if (next === undefined) {
      cpu.chunkEnd = Number.POSITIVE_INFINITY
      cpu.sliceEnd = Number.POSITIVE_INFINITY
      return
    }
    next.account.enter('running', this.#tracer.now)
    cpu.chunkEnd = this.#tracer.now + Math.max(next.left, STEP_NS)
    next.left = 0
    cpu.sliceEnd = this.#tracer.now + SLICE_NS
  }

  wakeAt(at: number, running: Running): void {
    this.#timers.push({ at, fire: () => this.wake(running, undefined) })
  }

  /** Makes a sleeping task runnable; `waker` undefined = the timer interrupt on its own CPU. */
  wake(running: Running, waker: Running | undefined): void {
    const id = running.actor.cpu
    const cpu = this.#cpus[id]
    if (cpu === undefined) return
    const onCpu = waker?.actor.cpu ?? id
    const by = waker?.actor.tid ?? this.tidOn(onCpu)
    this.#tracer.emit(
      'waking',
      onCpu,
      by,
      this.#tracer.text(running.actor.comm),
      running.actor.tid,
      PRIO,
      id,
    )
    this.#tracer.truth?.add('wakeups', {
      ts_ns: this.#tracer.now,
      waker_tid: by,
      tid: running.actor.tid,
      reason: 'sched',
    })
    running.account.enter('runnable', this.#tracer.now)
    cpu.queue.push(running)
    if (cpu.current === undefined && cpu.dispatchAt === Number.POSITIVE_INFINITY)
      cpu.dispatchAt = this.#tracer.now + WAKE_LATENCY_NS
  }

  /** The task that an interrupt of a CPU meets; 0 = idle. */
  tidOn(cpu: number): number {
    return this.#cpus[cpu]?.current?.actor.tid ?? 0
  }

  #emitSwitch(
    id: number,
    prev: Running | undefined,
    next: Running | undefined,
    prevState: number,
  ): void {
    const idle = this.#tracer.text(`swapper/${id}`)
    this.#tracer.emit(
      'switch',
      id,
      prev?.actor.tid ?? 0,
      prev === undefined ? idle : this.#tracer.text(prev.actor.comm),
      prev?.actor.tid ?? 0,
      PRIO,
      prev === undefined ? 0 : prevState,
      next === undefined ? idle : this.#tracer.text(next.actor.comm),
      next?.actor.tid ?? 0,
      PRIO,
    )
  }
}
