import { BalanceTicks } from './balance-ticks.ts'
import type { Cpu } from './cpu.ts'
import type { FairClass } from './fair-class.ts'
import { LoadBalance, type Move } from './load-balance.ts'
import { updateSignals } from './load-signals.ts'
import type { SchedulerOptions } from './scheduler-options.ts'
import type { Thread } from './thread.ts'
import { selectCpu } from './wake-selection.ts'
import { areWide } from './wakees.ts'

export interface MigrationHost {
  readonly now: number
  readonly cpus: readonly Cpu[]
  readonly threads: readonly Thread[]
  readonly fair: FairClass
  /** 32 random bits. */
  random(): number
  /** From an interrupt to an idle CPU until it acts, ns. */
  wakeLatency(): number
  /** `onTick` is to be called at `time`. */
  scheduleTick(time: number): void
  /** Virtual runtime of the CPU's thread is up to now afterwards. */
  chargeCurrent(cpu: Cpu): void
  /** The CPU, which has a thread, has another queue than before. */
  queueChanged(cpu: Cpu): void
  /** An idle CPU has got a thread from elsewhere; it is awake already. */
  leaveIdle(cpu: Cpu): void
  onMove(thread: Thread): void
  /** The CPU has no thread from now on. */
  onIdle(cpu: Cpu): void
}

/** On which CPU a thread is: chosen as it is woken (select_task_rq_fair()), changed where load is balanced (attach_task()). */
export class Migration {
  readonly ticks: BalanceTicks
  readonly #host: MigrationHost
  /** By CPU: those that share a cache with it. */
  readonly #cpusOfNode: readonly number[]
  readonly #balance: LoadBalance

  constructor(host: MigrationHost, { tickNs, balances, rationsNewidle }: SchedulerOptions) {
    const { cpus } = host
    this.#host = host
    this.#cpusOfNode = cpus.map(({ node }) => cpus.filter((cpu) => cpu.node === node).length)
    this.#balance = new LoadBalance(cpus, host.threads, {
      draw: () => host.random(),
      rationsNewidle,
    })
    this.ticks = new BalanceTicks(
      {
        cpus,
        get now(): number {
          return host.now
        },
        wakeLatency: () => host.wakeLatency(),
        schedule: (time) => {
          if (balances && cpus.length > 1) host.scheduleTick(time)
        },
        move: (move, to) => this.#moveOnTick(move, to),
      },
      this.#balance,
      tickNs,
    )
  }

  /** The CPU that a woken thread is on from now on. `waker`: that where it is woken; undefined: by a timer, where it slept. */
  choose(thread: Thread, waker: Cpu | undefined): Cpu {
    const { cpus, threads, now } = this.#host
    const own = cpus[thread.cpu] as Cpu
    const by = waker ?? own
    const wakees = by.current?.wakees ?? by.idleWakees
    wakees.record(thread, now)
    // Whoever wakes it: the most frequent case needs no more.
    if (own.isIdle && thread.allowed[own.index] === 1) return own
    updateSignals(thread, now)
    const cpu = selectCpu(thread, {
      cpus,
      threads,
      now,
      wakerCpu: by.index,
      isWide: areWide(wakees, thread.wakees, this.#cpusOfNode[own.index] as number),
      idleScan: this.#balance.idleScanOf(own),
    })
    if (cpu.index !== thread.cpu) thread.ranUntil = Number.NEGATIVE_INFINITY
    thread.cpu = cpu.index
    return cpu
  }

  /** A woken thread has joined the CPU's queue. */
  joined(cpu: Cpu): void {
    this.#balance.joined(cpu)
    if (cpu.current === undefined) {
      cpu.endIdle(this.#host.now)
      this.ticks.idlenessChanged(cpu)
    } else this.ticks.becameContended()
  }

  /** What a CPU that runs out of threads takes from another; undefined: it is idle from now on. */
  pull(cpu: Cpu): Thread | undefined {
    const { now, fair } = this.#host
    const move = this.#balance.newlyIdle(cpu, now)
    if (move === undefined) {
      cpu.idleSince = now
      this.#host.onIdle(cpu)
      this.ticks.idlenessChanged(cpu)
      return undefined
    }
    this.#move(move, cpu)
    return fair.takeNext(cpu)
  }

  #moveOnTick(move: Move, to: Cpu): void {
    const thread = move.from.queue[move.place] as Thread
    this.#move(move, to)
    if (to.current === undefined) {
      this.#host.leaveIdle(to)
      return
    }
    if (this.#host.fair.preempts(to, thread)) to.needResched = true
    this.#host.queueChanged(to)
  }

  #move({ from, place }: Move, to: Cpu): void {
    const host = this.#host
    const thread = from.queue[place] as Thread
    host.chargeCurrent(from)
    host.chargeCurrent(to)
    host.fair.detach(from, thread)
    from.queue.splice(place, 1)
    if (from.current !== undefined) host.queueChanged(from)
    // It has not run where it is now: nothing of it is in that CPU's caches.
    thread.ranUntil = Number.NEGATIVE_INFINITY
    updateSignals(thread, host.now)
    thread.cpu = to.index
    host.fair.attach(to, thread)
    to.queue.push(thread)
    this.#balance.joined(to)
    host.onMove(thread)
  }
}
