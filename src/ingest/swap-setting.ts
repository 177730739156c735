import type { TraceReader } from '../../parsers/reader.ts'
import { type EventRole, roleOf } from './aliases.ts'
import { kernelOf } from './kernel.ts'
import type { Place } from './open-swapout.ts'
import {
  parseCounters,
  parseZoneinfo,
  type SnapshotFiles,
  type SwapDeviceSnapshot,
  swapDevicesOf,
  vmstatDelta,
} from './snapshot.ts'
import type { SwapinSetting } from './swapins.ts'
import type { SwapoutSetting } from './swapouts.ts'

/** Names of the threads of all versions of kcompressd begin so. */
export const KCOMPRESSD = 'kcompressd'
/** Value of the switch `pst_policy` for kcompressd; 0 is the synchronous kernel. */
export const POLICY_KCOMPRESSD = 1

/** What is known of the machine's swap before the first event: by the events that the trace can hold, and the files beside it. */
export interface SwapSetting {
  readonly swapouts: SwapoutSetting
  readonly swapins: SwapinSetting
  /** Value of the recorded kernel's switch between policies (`pst_policy` in pst.params); undefined = the kernel has none. */
  readonly policy: number | undefined
  /** Capacity of the policy's queue, pages, where `pst_depth` tells. */
  readonly queueDepth: number | undefined
  /** The end of swap entries is recorded. */
  readonly freesRecorded: boolean
  /** Number of the first swap area on zram, 0 where none is known. */
  readonly zramArea: number
}

/** What the trace's header and the files beside it say of swap before the first event is read. */
export function readSwapSetting(reader: TraceReader, files: SnapshotFiles): SwapSetting {
  const { info, formats } = reader
  const roles = new Set<EventRole | undefined>(
    formats.map(({ system, name }) => roleOf(system, name)),
  )
  const swaps = swapDevicesOf(files)
  const params = parseCounters(files.get('pst.params') ?? '')
  const policy = numberOf(params.get('pst_policy'))
  const zswapOn = parseCounters(files.get('zswap.params') ?? '').get('enabled') !== 'N'
  const queues = [...info.comms.values()].some((comm) => comm.startsWith(KCOMPRESSD))
  const storeProbes = roles.has('store')
  const nodes = toNodeLookup(reader, files)
  return {
    swapouts: {
      // Without the switch's value a store probe or a kcompressd thread says that others may store.
      asynchronous: policy === undefined ? storeProbes || queues : policy !== 0,
      storeProbes,
      zswapProbes: roles.has('zswap_store_end') && zswapOn,
      defaultPlace: defaultPlaceOf(files),
      devicePlace: devicePlaceOf(swaps),
      nodeOfPfn: nodes.nodeOfPfn,
      oneNode: nodes.count <= 1,
      singlePages: hasSinglePages(kernelOf(info, files).kernelRelease, files),
    },
    swapins: { zswapLoads: roles.has('zswap_load_end') && zswapOn, deviceMet: metOf(swaps) },
    policy,
    queueDepth: numberOf(params.get('pst_depth')),
    freesRecorded: roles.has('slot_free'),
    zramArea: Math.max(
      0,
      swaps.findIndex(({ kind }) => kind === 'zram'),
    ),
  }
}

function numberOf(text: string | undefined): number | undefined {
  const value = Number(text ?? Number.NaN)
  return Number.isNaN(value) ? undefined : value
}

function devicePlaceOf(swaps: readonly SwapDeviceSnapshot[]): Place | undefined {
  const [only] = swaps
  if (only === undefined || swaps.length > 1) return undefined
  return only.kind === 'zram' ? 'zram' : 'disk'
}

/** Where a stored page is when no event says so; undefined when it could be in two places. */
function defaultPlaceOf(files: SnapshotFiles): Place | undefined {
  // Kernels with a zero map keep zero pages out of the device; the counter tells whether there were any.
  const zeroes = vmstatDelta(files, 'swpout_zero')
  if (zeroes !== undefined && zeroes !== 0) return undefined
  const zswap = vmstatDelta(files, 'zswpout')
  if (zswap !== undefined && zswap !== 0) return undefined
  return devicePlaceOf(swapDevicesOf(files))
}

/** What a page read from a device met; of zram and disks at once no event tells which. */
function metOf(swaps: readonly SwapDeviceSnapshot[]): 'pool' | 'disk' | undefined {
  const zrams = swaps.filter(({ kind }) => kind === 'zram').length
  if (swaps.length === 0 || (zrams > 0 && zrams < swaps.length)) return undefined
  return zrams > 0 ? 'pool' : 'disk'
}

/** Before 6.10 only PMD-sized folios are swapped out whole (mm/vmscan.c splits the others), and thp_swpout counts those. */
function hasSinglePages(release: string | undefined, files: SnapshotFiles): boolean {
  const version = /^(\d+)\.(\d+)/.exec(release ?? '')
  if (version === null) return false
  const number = Number(version[1]) * 1000 + Number(version[2])
  return number < 6010 && vmstatDelta(files, 'thp_swpout') === 0
}

interface NodeLookup {
  readonly count: number
  nodeOfPfn(pfn: number): number
}

function toNodeLookup(reader: TraceReader, files: SnapshotFiles): NodeLookup {
  const zones = parseZoneinfo(files.get('zoneinfo.before') ?? files.get('zoneinfo.after') ?? '')
  const ranges =
    zones.length > 0
      ? zones.map(({ node, startPfn, spanned }) => ({
          node,
          startPfn,
          endPfn: startPfn + spanned,
        }))
      : reader.info.nodeRanges
  const nodes = new Set(ranges.map(({ node }) => node))
  const [only = Number.NaN] = nodes
  if (nodes.size <= 1) return { count: nodes.size, nodeOfPfn: () => only }
  return {
    count: nodes.size,
    nodeOfPfn(pfn) {
      for (const range of ranges) if (pfn >= range.startPfn && pfn < range.endPfn) return range.node
      return Number.NaN
    },
  }
}
