import { CLUSTER_SLOTS } from './slots.ts'

/**
 * Bytes of swap bookkeeping by design. Static ones are paid for every slot of the device at swapon, dynamic ones for every page that is
 * swapped out. Compressed entries (zswap_entry) come on top in all designs and are left out.
 */
export interface SlotDesign {
  readonly name: string
  readonly kernel: string
  /** Per slot of the device, empty or not. */
  readonly staticPerSlot: number
  /** Per swapped-out page that a compressed cache holds, and per page that is on the device. */
  readonly perPooledPage: number
  readonly perDiskPage: number
  /** The per-slot table comes and goes with its cluster: bytes per slot of a touched cluster, in place of the per-page figures. */
  readonly perTouchedSlot: number
}

/** swap_map 1, swap_cgroup 2. */
const MAP_AND_CGROUP = 3
const ZERO_MAP = 1 / 8

export const SLOT_DESIGNS = {
  /** rb-tree entries lie in zswap_entry; the swap cache's xarray costs a pointer per page. */
  '6.1': {
    name: 'swap map and swap cache xarray',
    kernel: '6.1',
    staticPerSlot: MAP_AND_CGROUP + 8 / CLUSTER_SLOTS,
    perPooledPage: 8,
    perDiskPage: 8,
    perTouchedSlot: 0,
  },
  /** A pointer in the swap cache's xarray, another in zswap's. */
  '6.12': {
    name: 'swap map, zero map, two xarrays',
    kernel: '6.12',
    staticPerSlot: MAP_AND_CGROUP + ZERO_MAP,
    perPooledPage: 16,
    perDiskPage: 8,
    perTouchedSlot: 0,
  },
  'table-2': {
    name: 'swap table, phases I and II',
    kernel: '6.18-7.0',
    staticPerSlot: MAP_AND_CGROUP + ZERO_MAP + 32 / CLUSTER_SLOTS,
    perPooledPage: 0,
    perDiskPage: 0,
    perTouchedSlot: 8,
  },
  'table-3': {
    name: 'swap table, phase III: counts in the table',
    kernel: '7.1',
    staticPerSlot: 2 + ZERO_MAP + 32 / CLUSTER_SLOTS,
    perPooledPage: 0,
    perDiskPage: 0,
    perTouchedSlot: 8,
  },
  'table-4': {
    name: 'swap table, phase IV: nothing static but the clusters',
    kernel: '7.x',
    staticPerSlot: 32 / CLUSTER_SLOTS,
    perPooledPage: 0,
    perDiskPage: 0,
    perTouchedSlot: 8,
  },
  /** The development tree of 2026 still has two bytes of memory cgroup id per slot of a touched cluster. */
  'table-4-tree': {
    name: 'swap table, phase IV as merged: 2 more bytes of cgroup id',
    kernel: '2026',
    staticPerSlot: 32 / CLUSTER_SLOTS,
    perPooledPage: 0,
    perDiskPage: 0,
    perTouchedSlot: 10,
  },
  'swap-desc': {
    name: 'swap descriptors of 2023',
    kernel: 'RFC',
    staticPerSlot: 0,
    perPooledPage: 24,
    perDiskPage: 24,
    perTouchedSlot: 0,
  },
  'swap-desc-reverse': {
    name: 'swap descriptors of 2023 with a reverse map',
    kernel: 'RFC',
    staticPerSlot: 0,
    perPooledPage: 32,
    perDiskPage: 32,
    perTouchedSlot: 0,
  },
  /** A zero bit per descriptor; on the device two bits per slot and 8 bytes for the way back. */
  'vswap-3': {
    name: 'virtual swap, v3',
    kernel: 'RFC',
    staticPerSlot: 2 / 8,
    perPooledPage: 24 + 1 / 8,
    perDiskPage: 24 + 1 / 8 + 8,
    perTouchedSlot: 0,
  },
} as const satisfies Readonly<Record<string, SlotDesign>>

export type SlotDesignName = keyof typeof SLOT_DESIGNS

export interface SlotUse {
  /** Slots of the device; 0 where pages never need one. */
  readonly slots: number
  readonly pooled: number
  readonly onDisk: number
  /** Clusters with at least one used slot; absent = as few as possible. */
  readonly clustersTouched?: number
}

/** Memory that the design takes for its slots in that use. */
export function metadataBytes(design: SlotDesign, use: SlotUse): number {
  const touched = use.clustersTouched ?? Math.ceil((use.pooled + use.onDisk) / CLUSTER_SLOTS)
  return (
    design.staticPerSlot * use.slots +
    design.perPooledPage * use.pooled +
    design.perDiskPage * use.onDisk +
    design.perTouchedSlot * touched * CLUSTER_SLOTS
  )
}
