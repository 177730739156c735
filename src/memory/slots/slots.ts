/** Gives swap slots to pages: which slot, after how much searching, at what cost in memory. Slots are assigned before any queue. */
export interface SwapSlots {
  readonly name: string
  /** Slots of the device, the header included. */
  readonly size: number
  /** Slots handed out and not released. */
  readonly used: number
  /** Slots that nobody has, nor any CPU's cache (get_nr_swap_pages). */
  readonly left: number
  /** First of 2^order consecutive slots (order 0 unless told), taken on `cpu`; -1 = none, the folio must be split or stay. */
  allocate(page: number, order?: number, cpu?: number): number
  /** One slot is no longer needed. It may stay taken in the cache of `cpu` for a while. */
  free(slot: number, cpu?: number): void
  /** The slots of a folio that gives them back together: past the caches where the kernel has it so. */
  freeFolio(slot: number, order: number, cpu?: number): void
  /** Called when a slot has really become free: a device drops its content then, not at `free`. */
  onRelease?: ((slot: number) => void) | undefined
  /** Empties every cache, as swapoff does. */
  flush(): void
  metrics(): SlotMetrics
  /** Bytes of bookkeeping now, when `inPool` of the used slots hold a page of a compressed cache (zswap). */
  metadataBytes(inPool: number): number
  /** Throws when lists, counts and maps disagree. */
  check(): void
}

export interface SlotMetrics {
  readonly allocations: number
  /** Attempts of order 1 and more, and those of them that found nothing. */
  readonly orderAttempts: number
  readonly orderFallbacks: number
  /** Slots looked at while searching. */
  readonly steps: number
  /** Order-0 allocations from a cluster that serves a higher order. */
  readonly steals: number
  readonly clustersTouched: number
  /** 1 - used / (512 * touched); 0 = every touched cluster is full. */
  readonly fragmentation: number
  /** Share of allocations whose slot follows the one before. */
  readonly sequentiality: number
  readonly meanFreeRun: number
  /** Times the device's own lock was taken. */
  readonly deviceLocks: number
  /** Times a cluster's lock was taken instead. */
  readonly clusterLocks: number
}

export interface SlotOptions {
  /** Slots of the device; slot 0 is its header. */
  readonly size: number
  /** Default 1. */
  readonly cpus?: number
}

export interface SlotProvider {
  readonly name: string
  readonly summary: string
  open(options: SlotOptions): SwapSlots
}

/** SWAPFILE_CLUSTER where huge pages may be swapped whole. */
export const CLUSTER_SLOTS = 512

/** A folio's slots, from the first one on. */
export function slotsOf(first: number, order: number): number[] {
  return Array.from({ length: 1 << order }, (_, index) => first + index)
}
