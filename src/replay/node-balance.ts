import { type Busiest, FULLY_BUSY, HAS_SPARE, IMBALANCE_PCT, OVERLOADED } from './balance-groups.ts'
import type { Cpu } from './cpu.ts'
import { CAPACITY, loadOf, utilOf } from './load-signals.ts'
import type { Thread } from './thread.ts'

const MS = 1_000_000
/** So many threads more on the other node are left there (NUMA_IMBALANCE_MIN). */
const MOST_IMBALANCE = 2

interface NodeLoad {
  readonly cpus: readonly Cpu[]
  readonly kind: number
  readonly threads: number
  readonly util: number
  readonly load: number
  /** Load of a CPU of it, on average. */
  readonly average: number
}

/** When a CPU looked at the other nodes last, and how often in vain. */
interface Look {
  at: number
  intervalNs: number
  failed: number
}

/** Load balancing between nodes (a domain of kernel/sched/topology.c with SD_NUMA), each node a group: its load as a whole decides. */
export class NodeBalance {
  readonly #nodes: readonly (readonly Cpu[])[]
  readonly #threads: readonly Thread[]
  readonly #looks: readonly Look[]
  readonly #minIntervalNs: number

  constructor(nodes: readonly (readonly Cpu[])[], threads: readonly Thread[]) {
    this.#nodes = nodes
    this.#threads = threads
    const cpus = nodes.flat()
    this.#minIntervalNs = cpus.length * MS
    this.#looks = cpus.map(() => ({ at: 0, intervalNs: this.#minIntervalNs, failed: 0 }))
  }

  lookOf(cpu: Cpu): Look {
    return this.#looks[cpu.index] as Look
  }

  /** should_we_balance(): one CPU of a node looks for all of it. */
  looksFor(cpu: Cpu): boolean {
    const own = this.#nodes.find((cpus) => cpus.includes(cpu)) as readonly Cpu[]
    return (own.find(({ isIdle }) => isIdle) ?? own[0]) === cpu
  }

  balanced(cpu: Cpu, { moved }: { readonly moved: boolean | undefined }): void {
    const look = this.lookOf(cpu)
    look.failed = moved === false ? look.failed + 1 : 0
    look.intervalNs = moved === undefined ? 2 * this.#minIntervalNs : this.#minIntervalNs
  }

  /** What another node has too much of, and the CPU of it that has most. */
  busiest(cpu: Cpu, now: number): Busiest | undefined {
    let own: NodeLoad | undefined
    let busiest: NodeLoad | undefined
    let total = 0
    let count = 0
    for (const cpus of this.#nodes) {
      const node = this.#loadOf(cpus, now)
      total += node.load
      count += cpus.length
      if (cpus.includes(cpu)) own = node
      else if (
        node.threads > 0 &&
        (busiest === undefined ||
          node.kind > busiest.kind ||
          (node.kind === busiest.kind && node.average > busiest.average))
      )
        busiest = node
    }
    if (own === undefined || busiest === undefined || own.kind > busiest.kind) return undefined
    if (own.kind === HAS_SPARE) return this.#whileSpare(cpu, own, busiest, now)
    return this.#byLoad(own, busiest, total / count, now)
  }

  /** calculate_imbalance() of a node that could do more. */
  #whileSpare(cpu: Cpu, own: NodeLoad, busiest: NodeLoad, now: number): Busiest | undefined {
    if (busiest.kind === OVERLOADED) {
      const util = Math.max(0, own.cpus.length * CAPACITY - own.util)
      const from = this.#most(busiest, (other) => utilOf(other, this.#threads, now))
      if (from === undefined || (util === 0 && !cpu.isIdle)) return undefined
      return util === 0
        ? { cpu: from, imbalance: Number.POSITIVE_INFINITY }
        : { cpu: from, imbalance: util, isUtil: true }
    }
    if (!cpu.isIdle) return undefined
    const more = busiest.threads - own.threads
    const isLeft = own.threads < this.#nodes.length && more <= MOST_IMBALANCE
    if (isLeft || more < 2) return undefined
    const from = this.#most(busiest, (other) => other.competitors)
    return from && { cpu: from, imbalance: Number.POSITIVE_INFINITY }
  }

  #byLoad(own: NodeLoad, busiest: NodeLoad, mean: number, now: number): Busiest | undefined {
    const isEven = own.kind === OVERLOADED && 100 * busiest.average <= IMBALANCE_PCT * own.average
    if (busiest.kind !== OVERLOADED || own.average >= mean || isEven) return undefined
    const from = this.#most(busiest, (other) => loadOf(other, this.#threads, now))
    const perCpu = Math.min(busiest.average - mean, mean - own.average)
    return from && { cpu: from, imbalance: perCpu * own.cpus.length }
  }

  #most({ cpus }: NodeLoad, amountOf: (cpu: Cpu) => number): Cpu | undefined {
    let from: Cpu | undefined
    let most = Number.NEGATIVE_INFINITY
    for (const cpu of cpus) {
      if (cpu.load < 2) continue
      const amount = amountOf(cpu)
      if (amount <= most) continue
      most = amount
      from = cpu
    }
    return from
  }

  /** group_classify() */
  #loadOf(cpus: readonly Cpu[], now: number): NodeLoad {
    const capacity = cpus.length * CAPACITY
    let threads = 0
    let util = 0
    let load = 0
    for (const cpu of cpus) {
      threads += cpu.competitors
      util += utilOf(cpu, this.#threads, now)
      load += loadOf(cpu, this.#threads, now)
    }
    const isFull = util * IMBALANCE_PCT > capacity * 100 || load * 100 > capacity * IMBALANCE_PCT
    const kind =
      threads < cpus.length || !isFull ? HAS_SPARE : threads > cpus.length ? OVERLOADED : FULLY_BUSY
    return { cpus, kind, threads, util, load, average: load / cpus.length }
  }
}
