import type { Cpu } from './cpu.ts'
import type { LoadBalance, Move } from './load-balance.ts'
import { NS_AT_FIRST } from './thread.ts'

export interface BalanceHost {
  readonly now: number
  readonly cpus: readonly Cpu[]
  /** From an interrupt to an idle CPU until it acts. */
  wakeLatency(): number
  /** `onTick` is to be called at `time`. */
  schedule(time: number): void
  move(move: Move, to: Cpu): void
}

/** When CPUs balance: on ticks, of which most are of no consequence and never happen. */
export class BalanceTicks {
  readonly #host: BalanceHost
  readonly #balance: LoadBalance
  readonly #tickNs: number
  #nextNs = NS_AT_FIRST

  constructor(host: BalanceHost, balance: LoadBalance, tickNs: number) {
    this.#host = host
    this.#balance = balance
    this.#tickNs = tickNs
    this.#nextNs = Number.POSITIVE_INFINITY
  }

  /** The first tick at `time` or later. */
  tickAt(time: number): number {
    return Math.ceil(time / this.#tickNs) * this.#tickNs
  }

  /** The CPU has begun or ended to be idle: its ticks come at other times from now on. */
  idlenessChanged(cpu: Cpu): void {
    this.#lookBy(this.#nextTickOf(cpu))
  }

  /** A thread waits; where another CPU is idle, the next tick has it look. */
  becameContended(): void {
    if (!this.#balance.hasWaiting) return
    for (const cpu of this.#host.cpus)
      if (cpu.isIdle) {
        this.#lookBy(this.#nextTickOf(cpu))
        return
      }
  }

  /** A tick, or the moment at which a CPU that a tick called out of idle looks. */
  onTick(): void {
    this.#nextNs = Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    for (const cpu of this.#host.cpus) next = Math.min(next, this.#balanceOrCall(cpu))
    this.#lookBy(next)
  }

  /** When the CPU is to be looked at again. */
  #balanceOrCall(cpu: Cpu): number {
    const { now } = this.#host
    const isDue = now >= this.#balance.dueAt(cpu)
    if (!cpu.isIdle || !this.#balance.hasWaiting) {
      cpu.calledAt = Number.POSITIVE_INFINITY
      // An idle CPU stops its tick after one: then only those of a CPU with two threads have it look (nohz_balancer_kick()). Infinity: it has been
      // idle from the beginning.
      const idleNs = cpu.idleSince === Number.POSITIVE_INFINITY ? now : now - cpu.idleSince
      if (cpu.isIdle && idleNs > this.#tickNs) return Number.POSITIVE_INFINITY
      if (isDue) this.#balanceCpu(cpu)
    } else if (cpu.calledAt !== Number.POSITIVE_INFINITY) {
      if (now < cpu.calledAt) return cpu.calledAt
      this.#balanceCpu(cpu)
    } else if (isDue) {
      cpu.calledAt = now + Math.max(1, this.#host.wakeLatency())
      return cpu.calledAt
    }
    return this.#nextTickOf(cpu)
  }

  #balanceCpu(cpu: Cpu): void {
    cpu.calledAt = Number.POSITIVE_INFINITY
    const move = this.#balance.balance(cpu, this.#host.now)
    if (move !== undefined) this.#host.move(move, cpu)
  }

  #nextTickOf(cpu: Cpu): number {
    return this.tickAt(Math.max(this.#host.now + 1, this.#balance.dueAt(cpu)))
  }

  #lookBy(time: number): void {
    if (time >= this.#nextNs) return
    this.#nextNs = time
    this.#host.schedule(time)
  }
}
