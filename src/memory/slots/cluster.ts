import { PstraceError } from '../../model/error.ts'
import { IndexLists } from '../../model/index-lists.ts'
import { freeClusterOrder } from './cluster-order.ts'
import { metadataBytes, SLOT_DESIGNS, type SlotDesign } from './metadata.ts'
import { SlotCaches } from './slot-cache.ts'
import { SlotStatistics } from './slot-statistics.ts'
import {
  CLUSTER_SLOTS,
  type SlotMetrics,
  type SlotOptions,
  type SlotProvider,
  type SwapSlots,
  slotsOf,
} from './slots.ts'

const PMD_ORDER = 9
const ORDERS = PMD_ORDER + 1
const FREE = 0
const FULL = 1
const NONFULL = 2
const FRAG = NONFULL + ORDERS
const LISTS = FRAG + ORDERS
/** SWAP_NEXT_INVALID. */
const NO_NEXT = 0

export interface ClusterRules {
  readonly name: string
  readonly design: SlotDesign
  /** Per-CPU caches of 64 slots in front (until 6.13). */
  readonly slotCaches: boolean
  /** Clusters in use are filled before a free one is opened (since August 2025). */
  readonly nonfullFirst: boolean
  /** Allocation under the lock of the cluster, not of the device (since 6.14). */
  readonly clusterLocks: boolean
}

/**
 * The cluster allocator (mm/swapfile.c of 6.12, cluster_alloc_swap_entry, and later forms). A cluster of 512 slots serves one order:
 *
 *   free -> nonfull[order] -> full
 *              |  ^ freed slot
 *              v  |
 *            frag[order]      tried and left with room
 */
export class ClusterSlots implements SwapSlots {
  readonly name: string
  readonly size: number
  onRelease: ((slot: number) => void) | undefined = undefined
  readonly #rules: ClusterRules
  readonly #taken: Uint8Array
  readonly #counts: Uint16Array
  readonly #order: Uint8Array
  readonly #lists = new IndexLists(LISTS)
  /** By cpu * ORDERS + order. */
  readonly #next: Int32Array
  readonly #caches: SlotCaches | undefined
  readonly #statistics = new SlotStatistics()
  #used = 0
  #scanNext = NO_NEXT

  constructor(options: SlotOptions, rules: ClusterRules) {
    const cpus = options.cpus ?? 1
    this.name = rules.name
    this.size = options.size
    this.#rules = rules
    this.#taken = new Uint8Array(options.size)
    this.#counts = new Uint16Array(Math.ceil(options.size / CLUSTER_SLOTS))
    this.#order = new Uint8Array(this.#counts.length)
    this.#next = new Int32Array(cpus * ORDERS).fill(NO_NEXT)
    this.#taken[0] = 1
    this.#counts[0] = 1
    const last = this.#counts.length - 1
    this.#counts[last] =
      (this.#counts[last] ?? 0) + this.#counts.length * CLUSTER_SLOTS - options.size
    for (const cluster of freeClusterOrder(options.size))
      this.#lists.addLast(this.#counts[cluster] === 0 ? FREE : NONFULL, cluster)
    this.#caches = rules.slotCaches
      ? new SlotCaches(
          cpus,
          (cpu, count) => this.#takeMany(cpu, count),
          (slots) => this.#releaseAll(slots, true),
          (slots) => this.#releaseAll(slots, false),
        )
      : undefined
  }

  get left(): number {
    return this.size - 1 - this.#used
  }

  get used(): number {
    return this.#used - (this.#caches?.held ?? 0) - (this.#caches?.waiting ?? 0)
  }

  /** Clusters with a used slot: what a table per cluster costs memory for. */
  get clustersTouched(): number {
    return this.#counts.length - this.#lists.length(FREE)
  }

  allocate(_page: number, order = 0, cpu = 0): number {
    if (order > 0) this.#statistics.orderAttempts++
    const slot =
      order === 0 && this.#caches !== undefined
        ? this.#caches.take(cpu, this.left)
        : this.#locked(cpu, order)
    if (slot >= 0) this.#statistics.handedOut(slot, 1 << order)
    else if (order > 0) this.#statistics.orderFallbacks++
    return slot
  }

  free(slot: number, cpu = 0): void {
    this.#expectTaken(slot)
    if (this.#caches === undefined) this.#releaseAll([slot], true)
    else this.#caches.give(slot, cpu)
  }

  /** put_swap_folio since 6.12: single slots alone are kept. */
  freeFolio(slot: number, order: number, cpu = 0): void {
    if (order === 0) {
      this.free(slot, cpu)
      return
    }
    const slots = slotsOf(slot, order)
    for (const each of slots) this.#expectTaken(each)
    this.#releaseAll(slots, true)
  }

  #expectTaken(slot: number): void {
    if (slot <= 0 || this.#taken[slot] !== 1)
      throw new PstraceError('slot-empty', `${this.name}: slot ${slot} is not taken`)
  }

  /** Returns one slot at once, past the caches: for driving it by recorded releases. */
  release(slot: number): void {
    this.#releaseAll([slot], true)
  }

  flush(): void {
    this.#caches?.flush()
  }

  metrics(): SlotMetrics {
    return this.#statistics.report(this.#taken, this.#counts)
  }

  metadataBytes(inPool: number): number {
    return metadataBytes(this.#rules.design, {
      slots: this.size,
      pooled: inPool,
      onDisk: this.used - inPool,
      clustersTouched: this.clustersTouched,
    })
  }

  check(): void {
    let used = -1
    for (const each of this.#taken) used += each
    if (used !== this.#used)
      throw this.#broken(`${this.#used} slots are counted but ${used} are taken`)
    const last = this.#counts.length - 1
    for (let cluster = 0; cluster <= last; cluster++) {
      let count = cluster === last ? this.#counts.length * CLUSTER_SLOTS - this.size : 0
      const end = Math.min(this.size, (cluster + 1) * CLUSTER_SLOTS)
      for (let slot = cluster * CLUSTER_SLOTS; slot < end; slot++) count += this.#taken[slot] ?? 0
      if (count !== this.#counts[cluster])
        throw this.#broken(
          `cluster ${cluster} counts ${this.#counts[cluster]} but its slots hold ${count}`,
        )
      const list = this.#lists.listOf(cluster)
      const expected =
        count === 0 ? list === FREE : count === CLUSTER_SLOTS ? list === FULL : list >= NONFULL
      if (!expected) throw this.#broken(`cluster ${cluster} with ${count} slots is on list ${list}`)
    }
  }

  #takeMany(cpu: number, count: number): number[] {
    this.#statistics.deviceLocks++
    const slots: number[] = []
    while (slots.length < count) {
      const slot = this.#allocate(cpu, 0)
      if (slot < 0) break
      slots.push(slot)
    }
    return slots
  }

  #locked(cpu: number, order: number): number {
    if (this.#rules.clusterLocks) this.#statistics.clusterLocks++
    else this.#statistics.deviceLocks++
    return this.#allocate(cpu, order)
  }

  #allocate(cpu: number, order: number): number {
    const at = cpu * ORDERS + order
    const next = this.#next[at] ?? NO_NEXT
    let found = next === NO_NEXT ? -1 : this.#scan(next, order)
    if (found < 0) found = this.#rules.nonfullFirst ? this.#fromUsed(order) : this.#fromFree(order)
    if (found < 0) found = this.#rules.nonfullFirst ? this.#fromFree(order) : this.#fromUsed(order)
    if (found < 0) found = this.#fromFrag(order)
    if (found < 0 && order === 0) found = this.#steal()
    this.#next[at] = this.#scanNext
    return found
  }

  #fromFree(order: number): number {
    const cluster = this.#lists.first(FREE)
    return cluster < 0 ? -1 : this.#scan(cluster * CLUSTER_SLOTS, order)
  }

  /** Each nonfull cluster that is tried goes to the end of the frag list, found or not. */
  #fromUsed(order: number): number {
    if (order >= PMD_ORDER) return -1
    for (;;) {
      const cluster = this.#lists.first(NONFULL + order)
      if (cluster < 0) return -1
      this.#moveLast(cluster, FRAG + order)
      const found = this.#scan(cluster * CLUSTER_SLOTS, order)
      if (found >= 0) return found
    }
  }

  #fromFrag(order: number): number {
    if (order >= PMD_ORDER) return -1
    for (let left = this.#lists.length(FRAG + order); left > 0; left--) {
      const cluster = this.#lists.first(FRAG + order)
      this.#moveLast(cluster, FRAG + order)
      const found = this.#scan(cluster * CLUSTER_SLOTS, order)
      if (found >= 0) return found
    }
    return -1
  }

  #steal(): number {
    for (let order = 1; order < ORDERS; order++)
      for (const list of [FRAG + order, NONFULL + order]) {
        const cluster = this.#lists.first(list)
        if (cluster < 0) continue
        const found = this.#scan(cluster * CLUSTER_SLOTS, 0)
        if (found >= 0) {
          this.#statistics.steals++
          return found
        }
      }
    return -1
  }

  /** alloc_swap_scan_cluster from `offset` to the end of its cluster. Leaves the next place to try in #scanNext. */
  #scan(offset: number, order: number): number {
    const cluster = Math.floor(offset / CLUSTER_SLOTS)
    const pages = 1 << order
    const end = Math.min(this.size, (cluster + 1) * CLUSTER_SLOTS) - pages
    this.#scanNext = NO_NEXT
    // A CPU's place may lie in a cluster that was emptied and taken for another order since.
    if ((this.#counts[cluster] ?? 0) > 0 && this.#order[cluster] !== order && order > 0) return -1
    for (let slot = offset; slot <= end; slot += pages) {
      this.#statistics.steps++
      if (!this.#isFree(slot, pages)) continue
      this.#mark(cluster, slot, pages, order)
      if (this.#counts[cluster] !== CLUSTER_SLOTS && slot + pages <= end)
        this.#scanNext = slot + pages
      return slot
    }
    return -1
  }

  #isFree(slot: number, pages: number): boolean {
    for (let i = slot; i < slot + pages; i++) if (this.#taken[i] === 1) return false
    return true
  }

  #mark(cluster: number, slot: number, pages: number, order: number): void {
    if (this.#counts[cluster] === 0) {
      this.#order[cluster] = order
      this.#moveLast(cluster, NONFULL + order)
    }
    this.#taken.fill(1, slot, slot + pages)
    this.#counts[cluster] = (this.#counts[cluster] ?? 0) + pages
    this.#used += pages
    if (this.#counts[cluster] === CLUSTER_SLOTS) this.#moveLast(cluster, FULL)
  }

  /** `held` = a page had them; slots that were only taken ahead hold nothing. */
  #releaseAll(slots: readonly number[], held: boolean): void {
    if (this.#rules.clusterLocks) this.#statistics.clusterLocks++
    else this.#statistics.deviceLocks++
    for (const slot of slots) {
      const cluster = Math.floor(slot / CLUSTER_SLOTS)
      this.#taken[slot] = 0
      this.#counts[cluster] = (this.#counts[cluster] ?? 0) - 1
      this.#used--
      const nonfull = NONFULL + (this.#order[cluster] ?? 0)
      if (this.#counts[cluster] === 0) this.#moveLast(cluster, FREE)
      else if (this.#lists.listOf(cluster) !== nonfull) this.#moveLast(cluster, nonfull)
      if (held) this.onRelease?.(slot)
    }
  }

  #moveLast(cluster: number, list: number): void {
    this.#lists.remove(cluster)
    this.#lists.addLast(list, cluster)
  }

  #broken(message: string): PstraceError {
    return new PstraceError('slots-broken', `${this.name}: ${message}`)
  }
}

export const cluster: SlotProvider = {
  name: 'cluster',
  summary: '6.12: clusters by order, slot caches in front',
  open: (options) =>
    new ClusterSlots(options, {
      name: 'cluster',
      design: SLOT_DESIGNS['6.12'],
      slotCaches: true,
      nonfullFirst: false,
      clusterLocks: false,
    }),
}
