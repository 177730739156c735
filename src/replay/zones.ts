import type { Machine } from '../workload/types.ts'
import type { Kernel } from './kernel.ts'
import { PageLists } from './page-lists.ts'
import { Lane } from './ranks.ts'
import { MAX_FAILURES } from './scan.ts'
import type { Thread } from './scheduler.ts'

/** One node's memory, in pages. */
export interface NodeState {
  readonly index: number
  free: number
  readonly min: number
  readonly low: number
  readonly high: number
  boost: number
  poolSinceBoost: number
  kswapd: Thread | undefined
  kswapdAsleep: boolean
  /** Since when kswapd is up, -1 = it sleeps. */
  awakeSince: number
  failures: number
  readonly throttled: Thread[]
  /** Free pages outside `free`: on the lists of the CPUs. */
  readonly lists: PageLists
  /** Clock of evictions and activations (nonresident_age). */
  age: number
  anonCost: number
  fileCost: number
  anonActivations: number
  fileActivations: number
  seenAnonActivations: number
  seenFileActivations: number
  readonly lanes: readonly [Lane, Lane]
  /** Pages that are nobody's: neither free nor on a list nor in the pool. */
  readonly fixed: number
  lowestFree: number
}

/** Free memory of every node: watermarks with their boost, the lists of the CPUs, and what the pool takes. */
export class Zones {
  readonly #kernel: Kernel
  readonly nodes: NodeState[] = []
  readonly #boostStep: number
  readonly #boostMax: number
  readonly #boostEvery: number
  readonly #boostBelow: number
  /** Pool pages taken out of `free`: the backend's own figure runs ahead during a store. */
  poolCharged = 0
  /** Frames between two places: freed in a batch that has not ended, or allocated for a fault that has not. */
  pendingFrames = 0

  constructor(kernel: Kernel, machine: Machine, watermarkScale: number) {
    this.#kernel = kernel
    this.#boostStep = machine.boostStep.value
    this.#boostMax = machine.boostMax.value
    this.#boostEvery = machine.boostEveryPoolPages.value
    this.#boostBelow = machine.boostBelowFree?.value ?? 0
    const { cpus } = kernel.scheduler
    for (const { node, freeAtStart } of machine.nodes) {
      let min = 0
      let low = 0
      let high = 0
      let managed = 0
      for (const zone of machine.zones) {
        if (zone.node !== node) continue
        min += zone.min
        low += zone.low
        high += zone.high
        managed += zone.managed
      }
      const free = freeAtStart.value
      this.nodes.push({
        index: node,
        free,
        min,
        low: min + Math.round((low - min) * watermarkScale),
        high: min + Math.round((high - min) * watermarkScale),
        boost: 0,
        poolSinceBoost: 0,
        kswapd: undefined,
        kswapdAsleep: true,
        awakeSince: -1,
        failures: 0,
        throttled: [],
        lists: new PageLists(
          cpus.length,
          {
            managed,
            low,
            cpusOfNode: cpus.filter((cpu) => cpu.node === node).length,
          },
          // Kernels with a zero map (6.12) have lists that tune themselves (6.7).
          { tunes: machine.zeroMap.value },
        ),
        age: 0,
        anonCost: 0,
        fileCost: 0,
        anonActivations: 0,
        fileActivations: 0,
        seenAnonActivations: 0,
        seenFileActivations: 0,
        lanes: [new Lane(), new Lane()],
        fixed: 0,
        lowestFree: free,
      })
    }
  }

  nodeOf(index: number): NodeState {
    return this.nodes[index] as NodeState
  }

  minOf(node: NodeState): number {
    return node.min + node.boost
  }

  highOf(node: NodeState): number {
    return node.high + node.boost
  }

  /** Freed pages go to the list of the CPU at work, and from there to the zone. */
  give(node: NodeState, count: number): void {
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    const { lists } = node
    for (let page = 0; page < count; page++) node.free += lists.give(cpu)
    if (lists.isBelowHigh && node.free > this.highOf(node)) lists.isBelowHigh = false
  }

  take(node: NodeState): void {
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    if (node.free <= 0 && (node.lists.counts[cpu] as number) === 0) node.free += node.lists.drain()
    const refill = node.lists.take(cpu, node.free)
    if (refill === 0) return
    node.free -= refill
    if (node.free < node.lowestFree) node.lowestFree = node.free
    if (node.free <= this.highOf(node)) node.lists.isBelowHigh = true
    if (node.free < this.#boostBelow) this.#boost(node)
  }

  /** A refill found no page of its own block type and took another's: the watermarks are boosted and kswapd is woken. */
  #boost(node: NodeState): void {
    if (this.#boostStep <= 0) return
    node.boost = Math.min(node.boost + this.#boostStep, this.#boostMax)
    this.#kernel.tally.boosts++
    this.wakeKswapd(node)
  }

  poolChanged(node: NodeState, pages: number): void {
    if (pages === 0) return
    for (let page = 0; page < pages; page++) this.take(node)
    if (pages < 0) this.give(node, -pages)
    this.poolCharged += pages
    const pool = this.#kernel.backend.poolPages
    if (pool > this.#kernel.tally.poolPeakPages) this.#kernel.tally.poolPeakPages = pool
    const bytes = this.#kernel.backend.poolBytes
    if (bytes > this.#kernel.tally.poolPeakBytes) this.#kernel.tally.poolPeakBytes = bytes
    if (pages < 0 || this.#boostEvery <= 0) return
    node.poolSinceBoost += pages
    if (node.poolSinceBoost < this.#boostEvery) return
    node.poolSinceBoost -= this.#boostEvery
    this.#boost(node)
  }

  wakeKswapd(node: NodeState): void {
    const kswapd = node.kswapd
    if (kswapd === undefined || node.failures >= MAX_FAILURES) return
    if (!node.kswapdAsleep) return
    if (node.free > this.highOf(node) && node.boost === 0) return
    if (this.#kernel.scheduler.wake(kswapd)) {
      this.#kernel.recorder.wakeup(
        this.#kernel.scheduler.now,
        this.#kernel.scheduler.active,
        kswapd,
        'kswapd',
      )
      this.#kernel.tally.kswapdWakes++
    }
  }
}
