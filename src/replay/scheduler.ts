import { Cpu } from './cpu.ts'
import { EventQueue } from './event-queue.ts'
import type { FairClass } from './fair-class.ts'
import { updateSignals } from './load-signals.ts'
import { Migration } from './migration.ts'
import { Moments } from './moments.ts'
import {
  DEFAULT_SCHEDULER,
  openFairClass,
  type SchedulerHooks,
  type SchedulerOptions,
} from './scheduler-options.ts'
import { Standstill } from './standstill.ts'
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

const SPIN_WORK = 1e15
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
  readonly #tickId: number
  readonly #firstTimer: number
  readonly #momentId: number
  readonly #moments = new Moments()
  #active: Cpu | undefined
  readonly #fair: FairClass
  readonly #migration: Migration
  #isNested = false
  readonly #standstill: Standstill
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
    this.#standstill = new Standstill(this.threads, () => hooks.isFurther())
    this.#options = options
    cpus.forEach(({ node, speed }, index) => {
      this.cpus.push(new Cpu(index, node, speed, options.newidle[index]))
    })
    this.#fair = openFairClass(options, cpus.length)
    this.#tickId = cpus.length
    this.#momentId = cpus.length + 1
    this.#firstTimer = cpus.length + 2
    this.#events = new EventQueue(this.#firstTimer + 16)
    this.#migration = this.#openMigration()
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
    const end = cpu.endOf(ns, this.now)
    const isUndisturbed = (end < cpu.preemptAt && !cpu.needResched) || thread.preemptOff > 0
    if (!isUndisturbed || end >= this.#events.nextTime) return this.#leave(cpu, thread, ns)
    this.now = end
    return true
  }

  /** The thread's program stands still until so much work is done, ns. True: it is done. False: the caller must yield. */
  #leave(cpu: Cpu, thread: Thread, ns: number): boolean {
    thread.work = ns
    cpu.charge(this.now)
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
    return !this.isSwitchDue(thread)
  }

  /** Would the thread, which has the active CPU, lose it now? */
  isSwitchDue(thread: Thread): boolean {
    const cpu = this.#active as Cpu
    if (thread.preemptOff > 0 || !cpu.isContended) return false
    cpu.charge(this.now)
    return cpu.needResched || this.now >= cpu.preemptAt
  }

  /**
   * Spins on the CPU until `stopSpinning`, until `owner` leaves its own, or until a switch is due (`lostSpin`). True: that has come. False:
   * the caller must yield.
   */
  spin(thread: Thread, owner?: Thread): boolean {
    thread.spinning = true
    thread.spinsFor = owner
    if (owner !== undefined) owner.isSpunFor = true
    return this.#leave(this.#active as Cpu, thread, SPIN_WORK)
  }

  stopSpinning(thread: Thread): void {
    if (!thread.spinning) return
    this.#endSpin(thread)
    const cpu = this.cpus[thread.cpu] as Cpu
    if (cpu.current === thread && cpu !== this.#active) this.#events.schedule(cpu.index, this.now)
  }

  #endSpin(thread: Thread): void {
    thread.spinning = false
    thread.spinsFor = undefined
    thread.work = 0
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
    const next = this.#moments.next
    this.#moments.add(time, value)
    if (next === undefined || time < next)
      this.#events.schedule(this.#momentId, Math.max(time, this.now))
  }

  #moment(): void {
    for (
      let value = this.#moments.take(this.now);
      value !== undefined;
      value = this.#moments.take(this.now)
    )
      this.#hooks.onMoment(value)
    const { next } = this.#moments
    if (next !== undefined) this.#events.schedule(this.#momentId, next)
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
    if (thread.delayed) this.#requeue(this.cpus[thread.cpu] as Cpu, thread)
    else this.#place(thread)
    return true
  }

  #place(thread: Thread): void {
    const cpu = this.#migration.choose(thread, this.#active)
    this.#chargeCurrent(cpu)
    this.#fair.place(cpu, thread)
    this.#enqueue(cpu, thread)
  }

  #requeue(cpu: Cpu, thread: Thread): void {
    this.#chargeCurrent(cpu)
    this.#fair.requeue(cpu, thread)
    this.#enqueue(cpu, thread)
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
      this.#hooks.onInterval?.(thread, thread.since, this.now)
    }
    thread.since = this.now
  }

  /** The CPU's thread, which it has, has so much more to do, ns at speed 1. */
  interrupt(cpu: Cpu, ns: number): void {
    cpu.progress(this.now)
    const current = cpu.current as Thread
    current.work += ns
    this.#schedule(cpu)
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
    this.now = time
    this.#standstill.step(time)
    if (time >= this.#nextCheck) {
      this.#nextCheck = time + this.#checkEvery
      this.#check()
    }
    return id
  }

  #dispatch(id: number): void {
    if (id < this.#tickId) this.#cpuEvent(this.cpus[id] as Cpu)
    else this.#timeEvent(id)
  }

  #timeEvent(id: number): void {
    if (id === this.#tickId) {
      if (this.#events.length > 0) this.#migration.ticks.onTick()
    } else if (id === this.#momentId) this.#moment()
    else this.wake(this.threads[id - this.#firstTimer] as Thread)
  }

  #setState(thread: Thread, state: number): void {
    this.account(thread)
    updateSignals(thread, this.now)
    thread.state = state
    this.#hooks.onState(thread)
  }

  #chargeCurrent(cpu: Cpu): void {
    if (cpu === this.#active) cpu.charge(this.now)
    else cpu.progress(this.now)
  }

  /** The CPU's queue is another one, or its thread began a slice: when a tick may preempt. Progress must have been taken. */
  #arm(cpu: Cpu): void {
    if (cpu.current === undefined || !cpu.isContended) cpu.preemptAt = Number.POSITIVE_INFINITY
    else
      cpu.preemptAt = this.#migration.ticks.tickAt(
        this.now + Math.max(1, this.#fair.untilPreemption(cpu)),
      )
  }

  #enqueue(cpu: Cpu, thread: Thread): void {
    this.#setState(thread, RUNNABLE)
    cpu.queue.push(thread)
    this.#migration.joined(cpu)
    const current = cpu.current
    if (current === undefined) {
      this.#leaveIdle(cpu, this.#hooks.wakeLatency())
      return
    }
    if (this.#fair.preempts(cpu, thread)) cpu.needResched = true
    this.#arm(cpu)
    if (cpu === this.#active) return
    if (cpu.needResched && current.preemptOff === 0) this.#events.schedule(cpu.index, this.now)
    else this.#schedule(cpu)
  }

  #leaveIdle(cpu: Cpu, latency: number): void {
    if (cpu.waking) return
    cpu.waking = true
    this.#events.schedule(cpu.index, this.now + latency)
  }

  /** Next event of a CPU that runs a thread with work left. */
  #schedule(cpu: Cpu): void {
    const current = cpu.current as Thread
    let time = cpu.endOf(current.work, this.now)
    if (current.preemptOff === 0 && cpu.isContended) {
      if (cpu.needResched) time = this.now
      else if (cpu.preemptAt < time) time = Math.max(this.now, cpu.preemptAt)
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
    cpu.progress(this.now)
    if (current.work === 0) return
    if (current.preemptOff === 0 && cpu.isContended) {
      if (cpu.needResched || this.now >= cpu.preemptAt) this.#preempt(cpu)
    } else cpu.needResched = cpu.needResched && cpu.isContended
  }

  #preempt(cpu: Cpu): void {
    const current = cpu.current as Thread
    const expires = this.#fair.expires(cpu)
    cpu.needResched = false
    if (current.spinning) {
      this.#endSpin(current)
      current.lostSpin = true
    }
    if (!expires) {
      this.#arm(cpu)
      return
    }
    this.#setState(current, RUNNABLE)
    this.#leaves(current)
    cpu.queue.push(current)
    cpu.current = undefined
  }

  #runCpu(cpu: Cpu): void {
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
      this.#standstill.step(this.now)
      this.#active = cpu
      const step = resume(current.program, undefined)
      cpu.charge(this.now)
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
        // It was preempted already if others ran below it.
        if (cpu.current === current) this.#sleep(cpu, current)
        continue
      }
      if (!cpu.isContended) cpu.needResched = false
      else if (current.preemptOff === 0 && (cpu.needResched || this.now >= cpu.preemptAt))
        this.#preempt(cpu)
    }
  }

  #sleep(cpu: Cpu, thread: Thread): void {
    this.#leaves(thread)
    this.#fair.sleep(cpu, thread)
    cpu.current = undefined
  }

  #pickNext(cpu: Cpu): boolean {
    const thread = this.#fair.takeNext(cpu) ?? this.#migration.pull(cpu)
    if (thread === undefined) return false
    cpu.current = thread
    cpu.needResched = false
    cpu.progressAt = this.now
    thread.cpu = cpu.index
    this.#setState(thread, RUNNING)
    if (thread.isProcess) cpu.holdsMemory = thread.hasMemory
    this.#arm(cpu)
    if (cpu.last !== thread) {
      this.switches++
      cpu.last = thread
      this.#hooks.onSwitch(thread)
      const cost = this.#hooks.switchCost(thread.ranNs, cpu.speed)
      if (!thread.holdsSwitch) thread.work += cost
    }
    thread.holdsSwitch = false
    thread.ranFrom = this.now
    return true
  }

  #leaves(thread: Thread): void {
    thread.ranUntil = this.now
    thread.ranNs = this.now - thread.ranFrom
    if (!thread.isSpunFor) return
    thread.isSpunFor = false
    for (const spinner of this.threads) if (spinner.spinsFor === thread) this.stopSpinning(spinner)
  }

  #openMigration(): Migration {
    const scheduler = this
    const hooks = this.#hooks
    return new Migration(
      {
        cpus: this.cpus,
        threads: this.threads,
        fair: this.#fair,
        get now(): number {
          return scheduler.now
        },
        random: () => hooks.random(),
        wakeLatency: () => hooks.wakeLatency(),
        scheduleTick: (time) => this.#events.schedule(this.#tickId, time),
        chargeCurrent: (cpu) => this.#chargeCurrent(cpu),
        queueChanged: (cpu) => {
          this.#arm(cpu)
          if (cpu !== this.#active) this.#schedule(cpu)
        },
        leaveIdle: (cpu) => this.#leaveIdle(cpu, 0),
        onMove: (thread) => hooks.onState(thread),
        onIdle: (cpu) => hooks.onIdle(cpu.index),
      },
      this.#options,
    )
  }
}
