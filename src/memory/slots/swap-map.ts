import { PstraceError } from '../../model/error.ts'
import { IndexLists } from '../../model/index-lists.ts'
import { SLOT_BATCH } from '../../model/swap-slots.ts'
import { freeClusterOrder } from './cluster-order.ts'
import { metadataBytes, SLOT_DESIGNS } from './metadata.ts'
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

const FREE_LIST = 0
const PMD_ORDER = 9

/**
 * The allocator of 6.1 for solid-state devices (mm/swapfile.c, scan_swap_map_slots): each CPU fills a free cluster; when none is left,
 * the map is searched slot by slot from the CPU's last place.
 */
export class SwapMapSlots implements SwapSlots {
  readonly name = 'swap-map'
  readonly size: number
  onRelease: ((slot: number) => void) | undefined = undefined
  readonly #map: Uint8Array
  readonly #counts: Uint16Array
  readonly #free = new IndexLists(1)
  readonly #caches: SlotCaches
  readonly #cpuCluster: Int32Array
  readonly #cpuNext: Int32Array
  readonly #hint: Int32Array
  readonly #statistics = new SlotStatistics()
  #taken = 0

  constructor(options: SlotOptions) {
    const cpus = options.cpus ?? 1
    this.size = options.size
    this.#map = new Uint8Array(options.size)
    this.#counts = new Uint16Array(Math.ceil(options.size / CLUSTER_SLOTS))
    this.#cpuCluster = new Int32Array(cpus).fill(-1)
    this.#cpuNext = new Int32Array(cpus)
    this.#hint = new Int32Array(cpus).fill(1)
    // The header and what lies behind the end of the last cluster can never be used.
    this.#map[0] = 1
    this.#counts[0] = 1
    const tail = this.#counts.length * CLUSTER_SLOTS - options.size
    const last = this.#counts.length - 1
    this.#counts[last] = (this.#counts[last] ?? 0) + tail
    for (const cluster of freeClusterOrder(options.size))
      if (this.#counts[cluster] === 0) this.#free.addLast(FREE_LIST, cluster)
    this.#caches = new SlotCaches(
      cpus,
      (cpu, count) => this.#take(cpu, count),
      (slots) => this.#release(slots, true),
      (slots) => this.#release(slots, false),
    )
  }

  get left(): number {
    return this.size - 1 - this.#taken
  }

  get used(): number {
    return this.#taken - this.#caches.held - this.#caches.waiting
  }

  allocate(_page: number, order = 0, cpu = 0): number {
    const slot = order === 0 ? this.#caches.take(cpu, this.left) : this.#wholeCluster(order)
    if (slot >= 0) this.#statistics.handedOut(slot, 1 << order)
    return slot
  }

  free(slot: number, cpu = 0): void {
    if (slot <= 0 || this.#map[slot] !== 1)
      throw new PstraceError('slot-empty', `swap-map: slot ${slot} is not taken`)
    this.#caches.give(slot, cpu)
  }

  /** put_swap_folio before 6.12: only whole clusters pass the caches by. */
  freeFolio(slot: number, order: number, cpu = 0): void {
    const slots = slotsOf(slot, order)
    if (slots.length === CLUSTER_SLOTS) this.#release(slots, true)
    else for (const each of slots) this.free(each, cpu)
  }

  /** Returns one slot to the map at once, past the caches: for driving it by recorded releases. */
  release(slot: number): void {
    this.#release([slot], true)
  }

  flush(): void {
    this.#caches.flush()
  }

  metrics(): SlotMetrics {
    return this.#statistics.report(this.#map, this.#counts)
  }

  metadataBytes(inPool: number): number {
    return metadataBytes(SLOT_DESIGNS['6.1'], {
      slots: this.size,
      pooled: inPool,
      onDisk: this.used - inPool,
    })
  }

  check(): void {
    let taken = -1
    for (const each of this.#map) taken += each
    if (taken !== this.#taken)
      throw broken(`${this.#taken} slots are counted but the map holds ${taken}`)
    const tail = this.#counts.length * CLUSTER_SLOTS - this.size
    for (let cluster = 0; cluster < this.#counts.length; cluster++) {
      let count = cluster === this.#counts.length - 1 ? tail : 0
      for (
        let slot = cluster * CLUSTER_SLOTS;
        slot < Math.min(this.size, (cluster + 1) * CLUSTER_SLOTS);
        slot++
      )
        count += this.#map[slot] ?? 0
      if (count !== this.#counts[cluster])
        throw broken(
          `cluster ${cluster} counts ${this.#counts[cluster]} but its slots hold ${count}`,
        )
      if ((this.#free.listOf(cluster) === FREE_LIST) !== (count === 0))
        throw broken(`cluster ${cluster} is wrongly on or off the free list`)
    }
  }

  #take(cpu: number, count: number): number[] {
    this.#statistics.deviceLocks++
    const slots: number[] = []
    while (slots.length < count) {
      const slot = this.#fromCluster(cpu)
      const found = slot >= 0 ? slot : this.#scan(cpu)
      if (found < 0) break
      this.#mark(found)
      this.#hint[cpu] = found + 1
      slots.push(found)
    }
    return slots
  }

  /** scan_swap_map_try_ssd_cluster. */
  #fromCluster(cpu: number): number {
    for (;;) {
      let cluster = this.#cpuCluster[cpu] ?? -1
      if (cluster < 0) {
        cluster = this.#free.first(FREE_LIST)
        if (cluster < 0) return -1
        this.#cpuCluster[cpu] = cluster
        this.#cpuNext[cpu] = cluster * CLUSTER_SLOTS
      }
      let slot = this.#cpuNext[cpu] ?? 0
      const end = Math.min(this.size, (cluster + 1) * CLUSTER_SLOTS)
      while (slot < end && this.#map[slot] === 1) {
        slot++
        this.#statistics.steps++
      }
      // A cluster that was emptied meanwhile is on the free list; only its head may be filled.
      const conflict = this.#counts[cluster] === 0 && this.#free.first(FREE_LIST) !== cluster
      if (slot < end && !conflict) {
        this.#statistics.steps++
        this.#cpuNext[cpu] = slot + 1
        return slot
      }
      this.#cpuCluster[cpu] = -1
    }
  }

  #scan(cpu: number): number {
    const base = Math.min(this.#hint[cpu] ?? 1, this.size - 1)
    for (let slot = base; slot < this.size; slot++) {
      this.#statistics.steps++
      if (this.#map[slot] === 0) return slot
    }
    for (let slot = 1; slot < base; slot++) {
      this.#statistics.steps++
      if (this.#map[slot] === 0) return slot
    }
    return -1
  }

  /** swap_alloc_cluster: a huge page gets a free cluster or is split; other orders are always split. */
  #wholeCluster(order: number): number {
    this.#statistics.orderAttempts++
    const cluster = order === PMD_ORDER ? this.#free.first(FREE_LIST) : -1
    if (cluster < 0) {
      this.#statistics.orderFallbacks++
      return -1
    }
    this.#statistics.deviceLocks++
    const first = cluster * CLUSTER_SLOTS
    for (let slot = first; slot < first + CLUSTER_SLOTS; slot++) this.#mark(slot)
    return first
  }

  #mark(slot: number): void {
    const cluster = Math.floor(slot / CLUSTER_SLOTS)
    if (this.#counts[cluster] === 0) this.#free.remove(cluster)
    this.#map[slot] = 1
    this.#counts[cluster] = (this.#counts[cluster] ?? 0) + 1
    this.#taken++
  }

  /** `held` = a page had them; slots that were only taken ahead hold nothing. */
  #release(slots: readonly number[], held: boolean): void {
    this.#statistics.deviceLocks++
    for (const slot of slots) {
      const cluster = Math.floor(slot / CLUSTER_SLOTS)
      this.#map[slot] = 0
      this.#counts[cluster] = (this.#counts[cluster] ?? 0) - 1
      this.#taken--
      if (this.#counts[cluster] === 0) this.#free.addLast(FREE_LIST, cluster)
      if (held) this.onRelease?.(slot)
    }
  }
}

export const swapMap: SlotProvider = {
  name: 'swap-map',
  summary: `6.1: swap map, a free cluster per CPU, slot caches of ${SLOT_BATCH}`,
  open: (options) => new SwapMapSlots(options),
}

function broken(message: string): PstraceError {
  return new PstraceError('slots-broken', `swap-map: ${message}`)
}
