import { Cpu } from './cpu.ts'
import { EventQueue } from './event-queue.ts'
import { Moments } from './moments.ts'
import { busiestFor, placeFor, unevenPair } from './placement.ts'
import {
  DEFAULT_SCHEDULER,
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
  readonly #balanceId: number
  readonly #firstTimer: number
  readonly #momentId: number
  readonly #moments = new Moments()
  #active: Cpu | undefined
  #rotate = 0
  #isNested = false
  readonly #standstill = new Standstill(this.threads)
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
      const end = cpu.endOf(ns, this.now)
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
    return this.#leave(cpu, thread, ns)
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
    const cpu = this.#active as Cpu
    if (thread.preemptOff > 0 || cpu.queue.length === 0) return true
    cpu.charge(this.now)
    return !cpu.needResched && this.now - cpu.sliceStart < this.#options.sliceNs
  }

  /** Spins on the CPU until `stopSpinning`. True: that has come. False: the caller must yield. */
  spin(thread: Thread): boolean {
    thread.spinning = true
    return this.#leave(this.#active as Cpu, thread, SPIN_WORK)
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
    const cpu = placeFor(thread, this.cpus)
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
      this.#hooks.onInterval?.(thread, thread.since, this.now)
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
      cpu.progress(this.now)
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
    this.now = time
    this.#standstill.step(time)
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

  #setState(thread: Thread, state: number): void {
    this.account(thread)
    thread.state = state
    this.#hooks.onState(thread)
  }

  #minVruntime(cpu: Cpu): number {
    if (cpu === this.#active) cpu.charge(this.now)
    else cpu.progress(this.now)
    return cpu.raiseMinVruntime()
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

  /** Next event of a CPU that runs a thread with work left. */
  #schedule(cpu: Cpu): void {
    const current = cpu.current as Thread
    let time = cpu.endOf(current.work, this.now)
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
    cpu.progress(this.now)
    if (current.work === 0) return
    if (current.preemptOff === 0 && cpu.queue.length > 0) {
      if (cpu.needResched || this.now - cpu.sliceStart >= this.#options.sliceNs) this.#preempt(cpu)
    } else cpu.needResched = cpu.needResched && cpu.queue.length > 0
  }

  #preempt(cpu: Cpu): void {
    const current = cpu.current as Thread
    cpu.needResched = false
    if (cpu.leastWaiting > current.vruntime) {
      cpu.sliceStart = this.now
      return
    }
    this.#setState(current, RUNNABLE)
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
    const thread = cpu.takeNext()
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
    const from = busiestFor(cpu, this.cpus)
    if (from === undefined) return false
    this.#move(from, from.firstFor(cpu), cpu)
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
    this.#rotate = (this.#rotate + 1) % this.cpus.length
    const pair = unevenPair(this.cpus, this.#rotate)
    if (pair === undefined) return
    const { most, least } = pair
    const place = most.firstFor(least)
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
