import { PstraceError } from '../../model/error.ts'
import { ClusterSlots } from './cluster.ts'
import { metadataBytes, SLOT_DESIGNS } from './metadata.ts'
import {
  type SlotMetrics,
  type SlotOptions,
  type SlotProvider,
  type SwapSlots,
  slotsOf,
} from './slots.ts'

/**
 * Virtual swap (swap_desc of 2023, vswap v3): a page gets a descriptor, never a slot; `back` takes a slot of the device only when the
 * page is written to it. Capacity is therefore the compressed pool and the device together.
 */
export class SwapDescSlots implements SwapSlots {
  readonly name = 'swap-desc'
  readonly size: number
  used = 0
  /** Descriptors are never refused: they cost memory, not room on the device. */
  readonly left = Number.POSITIVE_INFINITY
  onRelease: ((slot: number) => void) | undefined = undefined
  readonly #device: ClusterSlots
  readonly #slotOf = new Map<number, number>()
  readonly #free: number[] = []
  readonly #live = new Set<number>()
  #known = 1
  #orderAttempts = 0

  constructor(options: SlotOptions) {
    this.size = options.size
    this.#device = new ClusterSlots(options, {
      name: 'swap-desc',
      design: SLOT_DESIGNS['table-4'],
      slotCaches: false,
      nonfullFirst: true,
      clusterLocks: true,
    })
  }

  allocate(_page: number, order = 0, _cpu = 0): number {
    const pages = 1 << order
    if (order > 0) this.#orderAttempts++
    const reused = order === 0 ? this.#free.pop() : undefined
    const first = reused ?? this.#known
    if (reused === undefined) this.#known += pages
    for (let slot = first; slot < first + pages; slot++) this.#live.add(slot)
    this.used += pages
    return first
  }

  /** The page of this descriptor goes to the device: its slot there, or -1 when the device is full. */
  back(slot: number, cpu = 0): number {
    if (!this.#live.has(slot)) throw notTaken(slot)
    const known = this.#slotOf.get(slot)
    if (known !== undefined) return known
    const device = this.#device.allocate(slot, 0, cpu)
    if (device >= 0) this.#slotOf.set(slot, device)
    return device
  }

  free(slot: number, cpu = 0): void {
    if (!this.#live.delete(slot)) throw notTaken(slot)
    const device = this.#slotOf.get(slot)
    if (device !== undefined) {
      this.#device.free(device, cpu)
      this.#slotOf.delete(slot)
    }
    this.used--
    this.#free.push(slot)
    this.onRelease?.(slot)
  }

  freeFolio(slot: number, order: number, cpu = 0): void {
    for (const each of slotsOf(slot, order)) this.free(each, cpu)
  }

  flush(): void {}

  metrics(): SlotMetrics {
    return { ...this.#device.metrics(), orderAttempts: this.#orderAttempts }
  }

  /** What is not on the device counts as pooled, whatever `inPool` says: only descriptors know. */
  metadataBytes(_inPool: number): number {
    const onDisk = this.#slotOf.size
    return metadataBytes(SLOT_DESIGNS['vswap-3'], {
      slots: this.size,
      pooled: this.used - onDisk,
      onDisk,
    })
  }

  check(): void {
    this.#device.check()
    if (this.#device.used !== this.#slotOf.size)
      throw new PstraceError(
        'slots-broken',
        `swap-desc: ${this.#slotOf.size} descriptors are on the device but ${this.#device.used} of its slots are taken`,
      )
    if (this.#live.size !== this.used)
      throw new PstraceError(
        'slots-broken',
        `swap-desc: ${this.used} descriptors are counted but ${this.#live.size} exist`,
      )
  }
}

export const swapDesc: SlotProvider = {
  name: 'swap-desc',
  summary: 'virtual swap: a descriptor per page, a device slot only at writeback',
  open: (options) => new SwapDescSlots(options),
}

function notTaken(slot: number): PstraceError {
  return new PstraceError('slot-empty', `swap-desc: descriptor ${slot} is not taken`)
}
