import { PstraceError } from '../model/error.ts'
import { Cpu } from './cpu.ts'
import { EventQueue } from './event-queue.ts'
import { resume, type Steps } from './steps.ts'
import {
  ABSENT,
  DOINGS,
  NS_AT_FIRST,
  RUNNABLE,
  RUNNING,
  SLEEPING,
  Thread,
  type ThreadIdentity,
} from './thread.ts'

export interface SchedulerHooks {
  /** Thread `thread` was in `state` doing `doing` on `cpu` from `start` to `end`; never empty. */
  onInterval(thread: Thread, start: number, end: number): void
  /** A moment asked for with `at` has come. */
  onMoment(value: number): void
  onWake(thread: Thread, waker: Thread | undefined): void
  /** The thread's state, or the CPU it is on, has changed. */
  onState(thread: Thread): void
  /** The CPU goes to another thread than the one it ran last. */
  onSwitch(thread: Thread): void
  wakeLatency(): number
  switchCost(): number
}

export interface SchedulerOptions {
  readonly sliceNs: number
  readonly creditNs: number
  readonly balanceNs: number
}

/** Numbers of a kernel with 1000 Hz on few CPUs; replay-model.md section 3 tells how little hangs on each. */
export const DEFAULT_SCHEDULER: SchedulerOptions = {
  sliceNs: 2_000_000,
  creditNs: 1_000_000,
  balanceNs: 64_000_000,
}

const SPIN_WORK = 1e15
/** More turns than any run takes without time passing. */
const STEPS_PER_INSTANT = 1_000_000

/**
 * Virtual time: CPUs with fair run queues, threads as generators, and timers. A program calls `spend` and yields when it returns false; it
 * calls `block` or `sleep` and yields always.
 */
export class Scheduler {
  now = NS_AT_FIRST
  stopped = false
  readonly threads: Thread[] = []
  readonly cpus: Cpu[] = []
  switches = 0
  readonly #events: EventQueue
  readonly #hooks: SchedulerHooks
  readonly #options: SchedulerOptions
  readonly #balanceId: number
  readonly #firstTimer: number
  readonly #momentId: number
  /** Moments in order of time; a device completes in order, so the new one is nearly always the last. */
  readonly #moments: { readonly time: number; readonly value: number }[] = []
  #active: Cpu | undefined
  #rotate = 0
  #isNested = false
  #steps = 0
  #checkEvery = NS_AT_FIRST
  #nextCheck = Number.POSITIVE_INFINITY
  #check: () => void = () => {}

  constructor(
    cpus: readonly { readonly node: number; readonly speed: number }[],
    hooks: SchedulerHooks,
    options: SchedulerOptions = DEFAULT_SCHEDULER,
  ) {
    this.now = 0
    this.#hooks = hooks
    this.#options = options
    cpus.forEach(({ node, speed }, index) => {
      this.cpus.push(new Cpu(index, node, speed))
    })
    this.#balanceId = cpus.length
    this.#momentId = cpus.length + 1
    this.#firstTimer = cpus.length + 2
    this.#events = new EventQueue(this.#firstTimer + 16)
    if (cpus.length > 1 && options.balanceNs > 0)
      this.#events.schedule(this.#balanceId, options.balanceNs)
  }

  /** The thread whose program runs at this instant. */
  get active(): Thread | undefined {
    return this.#active?.current
  }

  add(identity: ThreadIdentity, program: (thread: Thread) => Steps): Thread {
    const thread = new Thread(this.threads.length, identity)
    thread.program = program(thread)
    this.threads.push(thread)
    this.#events.reserve(this.#firstTimer + thread.index + 1)
    return thread
  }

  /** The thread begins at `time`, as if woken then. */
  start(thread: Thread, time: number): void {
    thread.since = time
    thread.state = SLEEPING
    if (time <= this.now) this.wake(thread)
    else this.#events.schedule(this.#firstTimer + thread.index, time)
  }

  /** Blocks without a wake-up at its start: a kernel thread that waits for its first work. */
  park(thread: Thread): void {
    thread.since = this.now
    thread.state = SLEEPING
  }

  /** Uses CPU time, ns at speed 1. True: it is spent and time went on. False: the caller must yield. */
  spend(thread: Thread, ns: number): boolean {
    if (ns <= 0) return true
    const cpu = this.#active as Cpu
    if (!cpu.needResched || thread.preemptOff > 0) {
      const end = this.now + (cpu.speed === 1 ? ns : Math.ceil(ns / cpu.speed))
      if (
        end < this.#events.nextTime &&
        (cpu.queue.length === 0 ||
          thread.preemptOff > 0 ||
          end < cpu.sliceStart + this.#options.sliceNs)
      ) {
        this.now = end
        return true
      }
    }
    thread.work = ns
    this.#charge(cpu)
    return (
      !this.#isNested &&
      thread.kind !== 'worker' &&
      cpu.queue.length === 0 &&
      this.#spendAsOthersRun(cpu, thread)
    )
  }

  /**
   * The program stays where it is while the others run below it: to leave it and come back costs more than all the rest of a turn. One program
   * at a time can: those that run below it give way to it.
   */
  #spendAsOthersRun(cpu: Cpu, thread: Thread): boolean {
    this.#active = undefined
    this.#isNested = true
    cpu.needResched = false
    this.#schedule(cpu)
    const isSpent = this.#runUntilSpent(cpu, thread)
    this.#isNested = false
    this.#active = cpu
    return isSpent
  }

  /** False: the thread lost its CPU, or the run is over. */
  #runUntilSpent(cpu: Cpu, thread: Thread): boolean {
    while (!this.stopped) {
      const id = this.#nextEvent()
      if (id !== cpu.index) {
        this.#dispatch(id)
        continue
      }
      this.#progressOrPreempt(cpu, thread)
      if (cpu.current !== thread) return false
      if (thread.work === 0) {
        cpu.progressAt = this.now
        return true
      }
      this.#schedule(cpu)
    }
    return false
  }

  /** preempt_enable: where a switch is due it comes now, and the caller must yield (false). */
  allowPreemption(thread: Thread): boolean {
    thread.preemptOff--
    const cpu = this.#active as Cpu
    if (thread.preemptOff > 0 || cpu.queue.length === 0) return true
    this.#charge(cpu)
    return !cpu.needResched && this.now - cpu.sliceStart < this.#options.sliceNs
  }

  /** Spins on the CPU until `stopSpinning`; the caller must yield. */
  spin(thread: Thread): void {
    thread.spinning = true
    thread.work = SPIN_WORK
    this.#charge(this.#active as Cpu)
  }

  stopSpinning(thread: Thread): void {
    if (!thread.spinning) return
    thread.spinning = false
    thread.work = 0
    const cpu = this.cpus[thread.cpu] as Cpu
    if (cpu.current === thread && cpu !== this.#active) this.#events.schedule(cpu.index, this.now)
  }

  /**
   * Goes on with another program, and with this one when that has ended; the caller must yield. The same as yield*, but a long chain of
   * programs is not walked through at each of the inner one's turns.
   */
  enter(thread: Thread, program: Steps): void {
    thread.callers.push(thread.program)
    thread.program = program
    thread.entered = true
  }

  /** Gives up the CPU until woken; the caller must yield. */
  block(thread: Thread, state: number): void {
    this.#setState(thread, state)
  }

  /** Sleeps until `time` or a wake-up; the caller must yield. */
  sleepUntil(thread: Thread, time: number, state: number): void {
    this.#setState(thread, state)
    this.#events.schedule(this.#firstTimer + thread.index, Math.max(time, this.now))
  }

  /** Calls `onMoment(value)` at `time`. */
  at(time: number, value: number): void {
    const moments = this.#moments
    let place = moments.length
    while (place > 0 && (moments[place - 1] as { time: number }).time > time) place--
    moments.splice(place, 0, { time, value })
    if (place === 0) this.#events.schedule(this.#momentId, Math.max(time, this.now))
  }

  #moment(): void {
    const moments = this.#moments
    while (moments.length > 0 && (moments[0] as { time: number }).time <= this.now) {
      const moment = moments.shift()
      if (moment !== undefined) this.#hooks.onMoment(moment.value)
    }
    const next = moments[0]
    if (next !== undefined) this.#events.schedule(this.#momentId, next.time)
  }

  isOnCpu(thread: Thread): boolean {
    return thread.state === RUNNING
  }

  isBlocked(thread: Thread): boolean {
    return thread.state >= SLEEPING && thread.state < ABSENT
  }

  /** Makes a blocked thread runnable; nothing happens to others. Returns whether it was blocked. */
  wake(thread: Thread): boolean {
    if (!this.isBlocked(thread)) return false
    this.#events.cancel(this.#firstTimer + thread.index)
    this.#hooks.onWake(thread, this.#active?.current)
    const cpu = this.#place(thread)
    thread.cpu = cpu.index
    const floor = this.#minVruntime(cpu) - this.#options.creditNs
    if (thread.vruntime < floor) thread.vruntime = floor
    // vruntimes of another queue mean nothing here.
    else if (thread.vruntime > floor + 4 * this.#options.sliceNs)
      thread.vruntime = this.#minVruntime(cpu)
    this.#enqueue(cpu, thread)
    return true
  }

  setDoing(thread: Thread, doing: number): void {
    if (thread.doing === doing) return
    this.account(thread)
    thread.doing = doing
  }

  /** Brings `parts` up to now. */
  account(thread: Thread): void {
    const elapsed = this.now - thread.since
    if (elapsed > 0) {
      const part = thread.state === RUNNING ? thread.doing : DOINGS.length - 1 + thread.state
      thread.parts[part] = (thread.parts[part] as number) + elapsed
      this.#hooks.onInterval(thread, thread.since, this.now)
    }
    thread.since = this.now
  }

  /** Does another CPU of the machine run a thread whose address space takes part in unmapping? */
  runsMemoryElsewhere(thread: Thread): boolean {
    for (const cpu of this.cpus) {
      const other = cpu.current
      if (other !== undefined && other !== thread && other.hasMemory && !cpu.waking) return true
    }
    return false
  }

  /** Adds interrupt work to every such thread; returns how many were hit. */
  interruptMemoryElsewhere(thread: Thread, draw: () => number): number {
    let hit = 0
    for (const cpu of this.cpus) {
      const other = cpu.current
      if (other === undefined || other === thread || !other.hasMemory || cpu.waking) continue
      hit++
      const ns = draw()
      if (ns <= 0) continue
      this.#progress(cpu)
      other.work += ns
      this.#schedule(cpu)
    }
    return hit
  }

  /** Calls back between events, at least `ns` apart. */
  everyNs(ns: number, callback: () => void): void {
    this.#checkEvery = ns
    this.#nextCheck = this.now
    this.#check = callback
  }

  /** Runs until nothing is pending or `stopped`. */
  run(): void {
    while (!this.stopped) {
      const id = this.#nextEvent()
      if (id < 0) return
      this.#dispatch(id)
    }
  }

  /** Goes on to the next event; its id, or -1 when nothing is pending. */
  #nextEvent(): number {
    const events = this.#events
    const time = events.nextTime
    const id = events.pop()
    if (id < 0) return id
    if (time > this.now) this.#steps = 0
    else if (++this.#steps > STEPS_PER_INSTANT) throw this.#livelock()
    this.now = time
    if (time >= this.#nextCheck) {
      this.#nextCheck = time + this.#checkEvery
      this.#check()
    }
    return id
  }

  #dispatch(id: number): void {
    if (id < this.#balanceId) this.#cpuEvent(this.cpus[id] as Cpu)
    else if (id === this.#balanceId) {
      this.#balance()
      if (this.#events.length > 0) this.#events.schedule(id, this.now + this.#options.balanceNs)
    } else if (id === this.#momentId) this.#moment()
    else this.wake(this.threads[id - this.#firstTimer] as Thread)
  }

  /** Every thread is in exactly one place; called by the invariants. */
  check(): void {
    for (const thread of this.threads) {
      let places = this.isBlocked(thread) || thread.state === ABSENT ? 1 : 0
      for (const cpu of this.cpus) {
        if (cpu.current === thread) places++
        for (const queued of cpu.queue) if (queued === thread) places++
      }
      if (places !== 1)
        throw new PstraceError(
          'replay-invariant',
          `thread ${thread.name} is in ${places} places at ${this.now} ns; expected one`,
        )
    }
  }

  #livelock(): PstraceError {
    const threads = this.threads
      .filter((thread) => thread.state === RUNNING || thread.state === RUNNABLE)
      .map((thread) => thread.name)
    return new PstraceError(
      'replay-livelock',
      `time stands still at ${this.now} ns: ${threads.join(', ')} go on without using any; expected a cost above 0 somewhere in the loop`,
    )
  }

  #setState(thread: Thread, state: number): void {
    this.account(thread)
    thread.state = state
    this.#hooks.onState(thread)
  }

  #place(thread: Thread): Cpu {
    const previous = this.cpus[thread.cpu] as Cpu
    if (thread.allowed[previous.index] === 1 && this.#isIdle(previous)) return previous
    let best: Cpu | undefined
    for (const cpu of this.cpus) {
      if (thread.allowed[cpu.index] !== 1) continue
      if (this.#isIdle(cpu) && (best === undefined || cpu.speed > best.speed)) best = cpu
    }
    if (best !== undefined) return best
    if (thread.allowed[previous.index] === 1) return previous
    for (const cpu of this.cpus) {
      if (thread.allowed[cpu.index] !== 1) continue
      if (best === undefined || cpu.queue.length < best.queue.length) best = cpu
    }
    return best ?? previous
  }

  #isIdle(cpu: Cpu): boolean {
    return cpu.current === undefined && cpu.queue.length === 0
  }

  #minVruntime(cpu: Cpu): number {
    let least = Number.POSITIVE_INFINITY
    if (cpu.current !== undefined) {
      if (cpu !== this.#active) this.#progress(cpu)
      else this.#charge(cpu)
      least = cpu.current.vruntime
    }
    for (const thread of cpu.queue) if (thread.vruntime < least) least = thread.vruntime
    if (least !== Number.POSITIVE_INFINITY && least > cpu.minVruntime) cpu.minVruntime = least
    return cpu.minVruntime
  }

  #enqueue(cpu: Cpu, thread: Thread): void {
    this.#setState(thread, RUNNABLE)
    cpu.queue.push(thread)
    const current = cpu.current
    if (current === undefined) {
      if (!cpu.waking) {
        cpu.waking = true
        const latency = this.#hooks.wakeLatency()
        this.#events.schedule(cpu.index, this.now + latency)
      }
      return
    }
    if (thread.vruntime < current.vruntime) cpu.needResched = true
    if (cpu === this.#active) return
    if (cpu.needResched && current.preemptOff === 0) this.#events.schedule(cpu.index, this.now)
    else this.#schedule(cpu)
  }

  /** vruntime of a thread whose program runs: its elapsed time is not progress on work. */
  #charge(cpu: Cpu): void {
    const current = cpu.current
    if (current === undefined) return
    const elapsed = this.now - cpu.progressAt
    if (elapsed > 0) {
      current.vruntime += elapsed
      cpu.busyNs += elapsed
      cpu.progressAt = this.now
    }
  }

  /** Takes the work done by the CPU's thread since the last look. */
  #progress(cpu: Cpu): void {
    const current = cpu.current
    if (current === undefined) return
    const elapsed = this.now - cpu.progressAt
    if (elapsed <= 0) return
    current.vruntime += elapsed
    cpu.busyNs += elapsed
    cpu.progressAt = this.now
    if (!current.spinning)
      current.work = Math.max(
        0,
        current.work - (cpu.speed === 1 ? elapsed : Math.floor(elapsed * cpu.speed)),
      )
  }

  /** Next event of a CPU that runs a thread with work left. */
  #schedule(cpu: Cpu): void {
    const current = cpu.current as Thread
    let time = this.now + (cpu.speed === 1 ? current.work : Math.ceil(current.work / cpu.speed))
    if (current.preemptOff === 0 && cpu.queue.length > 0) {
      const sliceEnd = Math.max(this.now, cpu.sliceStart + this.#options.sliceNs)
      if (cpu.needResched) time = this.now
      else if (sliceEnd < time) time = sliceEnd
    }
    this.#events.schedule(cpu.index, time)
  }

  #cpuEvent(cpu: Cpu): void {
    const current = cpu.current
    if (current === undefined) {
      cpu.waking = false
      this.#runCpu(cpu)
      return
    }
    this.#progressOrPreempt(cpu, current)
    this.#runCpu(cpu)
  }

  #progressOrPreempt(cpu: Cpu, current: Thread): void {
    this.#progress(cpu)
    if (current.work === 0) return
    if (current.preemptOff === 0 && cpu.queue.length > 0) {
      if (cpu.needResched || this.now - cpu.sliceStart >= this.#options.sliceNs) this.#preempt(cpu)
    } else cpu.needResched = cpu.needResched && cpu.queue.length > 0
  }

  #preempt(cpu: Cpu): void {
    const current = cpu.current as Thread
    cpu.needResched = false
    let least = Number.POSITIVE_INFINITY
    for (const thread of cpu.queue) if (thread.vruntime < least) least = thread.vruntime
    if (least > current.vruntime) {
      cpu.sliceStart = this.now
      return
    }
    this.#setState(current, RUNNABLE)
    cpu.queue.push(current)
    cpu.current = undefined
  }

  #runCpu(cpu: Cpu): void {
    let instant = this.now
    let turns = 0
    for (;;) {
      let current = cpu.current
      if (current === undefined) {
        if (!this.#pickNext(cpu)) return
        current = cpu.current as Thread
      }
      if (current.work > 0) {
        this.#schedule(cpu)
        return
      }
      cpu.progressAt = this.now
      if (this.now > instant) {
        instant = this.now
        turns = 0
      } else if (++turns > STEPS_PER_INSTANT) throw this.#livelock()
      this.#active = cpu
      const step = resume(current.program, undefined)
      this.#charge(cpu)
      this.#active = undefined
      if (this.stopped) return
      if (current.entered) {
        current.entered = false
        continue
      }
      if (step.done === true) {
        const caller = current.callers.pop()
        if (caller !== undefined) {
          current.program = caller
          continue
        }
        this.#setState(current, ABSENT)
        cpu.current = undefined
        continue
      }
      if (current.state !== RUNNING) {
        cpu.current = undefined
        continue
      }
      if (cpu.queue.length === 0) cpu.needResched = false
      else if (
        current.preemptOff === 0 &&
        (cpu.needResched || this.now - cpu.sliceStart >= this.#options.sliceNs)
      )
        this.#preempt(cpu)
    }
  }

  #pickNext(cpu: Cpu): boolean {
    if (cpu.queue.length === 0 && !this.#pull(cpu)) return false
    const queue = cpu.queue
    let best = 0
    for (let place = 1; place < queue.length; place++)
      if ((queue[place] as Thread).vruntime < (queue[best] as Thread).vruntime) best = place
    const thread = queue[best] as Thread
    queue.splice(best, 1)
    cpu.current = thread
    cpu.needResched = false
    cpu.sliceStart = this.now
    cpu.progressAt = this.now
    thread.cpu = cpu.index
    this.#setState(thread, RUNNING)
    if (cpu.last !== thread) {
      this.switches++
      cpu.last = thread
      this.#hooks.onSwitch(thread)
      const cost = this.#hooks.switchCost()
      if (!thread.spinning) thread.work += cost
    }
    return true
  }

  /** An idle CPU takes a waiting thread from the longest queue. */
  #pull(cpu: Cpu): boolean {
    let from: Cpu | undefined
    for (const other of this.cpus)
      if (
        other !== cpu &&
        other.queue.length > (from?.queue.length ?? 0) &&
        (other.current !== undefined || other.queue.length > 1) &&
        other.queue.some((thread) => thread.allowed[cpu.index] === 1)
      )
        from = other
    if (from === undefined) return false
    const place = from.queue.findIndex((thread) => thread.allowed[cpu.index] === 1)
    this.#move(from, place, cpu)
    return true
  }

  #move(from: Cpu, place: number, to: Cpu): void {
    const thread = from.queue[place] as Thread
    from.queue.splice(place, 1)
    const lag = thread.vruntime - this.#minVruntime(from)
    thread.vruntime = this.#minVruntime(to) + lag
    to.queue.push(thread)
    thread.cpu = to.index
    this.#hooks.onState(thread)
  }

  /** Where one CPU has two more threads than another, one moves; where it has one more, the odd one takes turns. */
  #balance(): void {
    let most = this.cpus[0] as Cpu
    let least = most
    this.#rotate = (this.#rotate + 1) % this.cpus.length
    for (let step = 0; step < this.cpus.length; step++) {
      const cpu = this.cpus[(this.#rotate + step) % this.cpus.length] as Cpu
      if (cpu.load > most.load) most = cpu
      if (cpu.load < least.load) least = cpu
    }
    if (most === least || most.load - least.load < 1 || most.queue.length === 0) return
    const place = most.queue.findIndex((thread) => thread.allowed[least.index] === 1)
    if (place < 0) return
    this.#move(most, place, least)
    const current = least.current
    if (current === undefined) {
      if (!least.waking) {
        least.waking = true
        this.#events.schedule(least.index, this.now)
      }
    } else this.#schedule(least)
  }
}
