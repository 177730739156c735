import { MAX_CHUNK_PAGES } from '../model/buddy.ts'
import type { Balance } from './balance.ts'
import type { Filling } from './filling.ts'
import { findSwapClusters, findUniprocessor } from './kernel.ts'
import { findLru, findTableWalks } from './lru.ts'
import {
  findListedKernel,
  findMobility,
  findWholeUnmovable,
  type ListedKernel,
  type MobilityOptions,
} from './mobility.ts'
import { type FirstLow, spreadFree } from './nodes.ts'
import { EVENT, type RecordedZone, type Recording } from './recording.ts'
import { findSwappiness } from './swappiness.ts'
import {
  type Based,
  type Machine,
  TREE_BYTES_PER_SLOT,
  type WorkloadCpu,
  type WorkloadZone,
} from './types.ts'
import { readReserves } from './zone-protection.ts'

/** Counters of a text file such as vmstat: first and last value recorded. */
export function readCounter(
  recording: Recording,
  name: string,
): { first: number; last: number } | undefined {
  const samples = recording.samples.get(name)
  const first = samples?.[0]
  const last = samples?.[samples.length - 1]
  return first === undefined || last === undefined
    ? undefined
    : { first: first.value, last: last.value }
}

/** How much a counter rose within the recording; undefined = it was not read twice. */
export function counterRise(recording: Recording, name: string): number | undefined {
  const counter = readCounter(recording, name)
  return counter === undefined ? undefined : counter.last - counter.first
}

/** The zone that the reclaim events speak of on most machines: the largest of its node. */
export function largestZones(zones: readonly RecordedZone[]): RecordedZone[] {
  const largest = new Map<number, RecordedZone>()
  for (const zone of zones) {
    const seen = largest.get(zone.node)
    if (seen === undefined || zone.managed > seen.managed) largest.set(zone.node, zone)
  }
  return [...largest.values()].sort((x, y) => x.node - y.node)
}

/**
 * Zones as recorded. Without them the effective min of the retried direct reclaims gives the smallest min, and low and high stand to it as
 * watermark_scale_factor's default has them (mm/page_alloc.c __setup_per_zone_wmarks: a quarter of min each).
 */
export function findZones(recording: Recording): RecordedZone[] {
  if (recording.zones.length > 0) return [...recording.zones]
  let min = Number.POSITIVE_INFINITY
  let available = 0
  for (let i = 0; i < recording.length; i++)
    if (recording.kind[i] === EVENT.retry) {
      min = Math.min(min, recording.c[i] ?? 0)
      available = Math.max(available, recording.b[i] ?? 0)
    }
  if (!Number.isFinite(min)) return []
  return [
    {
      node: 0,
      name: 'all',
      startPfn: -1,
      spanned: 0,
      managed: Math.round(available * MANAGED_OVER_AVAILABLE),
      min,
      low: min + (min >> 2),
      high: min + 2 * (min >> 2),
      basis: 'inferred',
    },
  ]
}

/** Managed memory holds the kernel's own pages too. */
const MANAGED_OVER_AVAILABLE = 1.2

/** A file read beside the trace. */
export function snapshotText(recording: Recording, name: string): string | undefined {
  const value = recording.snapshot[name]
  return typeof value === 'string' ? value : undefined
}

export interface MachineOptions {
  readonly balance: Balance
  readonly recordPagesPerSlot: Based<number>
  /** Free pages of other block types at the start, as each wake-up of kswapd that a boost caused shows them. */
  readonly boostFree: readonly number[]
  readonly filling: Filling | undefined
  readonly firstLow: FirstLow | undefined
  readonly zones: readonly RecordedZone[]
  readonly kernel: Based<string>
  readonly zeroMap: Based<boolean>
  /** Pages of whole chunks that are free for unmovable pages at the start, on machines of one node. */
  readonly wholeUnmovable: number
  readonly listed: ListedKernel | undefined
}

/** The machine that a replay gets; each value says whether an event, a counter or a default gave it. Watermarks in pages. */
export function describeMachine(recording: Recording, options: MachineOptions): Machine {
  const { balance, filling, zones } = options
  const nodes = [...new Set(zones.map((zone) => zone.node))].sort((x, y) => x - y)
  if (nodes.length === 0) nodes.push(0)
  const free = spreadFree(balance.freeAtStart.value, zones, options.firstLow)
  const managedOf = (node: number): number =>
    zones.filter((zone) => zone.node === node).reduce((sum, zone) => sum + zone.managed, 0)
  const allLow = zones.reduce((sum, zone) => sum + zone.low, 0)
  const high = Math.max(0, ...largestZones(zones).map((zone) => zone.high))
  const lru = findLru(recording)
  return {
    pageSize: recording.pageSize,
    cpus: findCpus(recording, nodes),
    ...findSlowest(recording),
    nodes: nodes.map((node) => ({
      node,
      freeAtStart: {
        ...balance.freeAtStart,
        value: free.get(node) ?? balance.freeAtStart.value,
      },
      ...describeFilling(filling),
      totalPages: managedOf(node),
      ...findMobility({
        ...toMobilityOptions(recording, options, { node, nodes: nodes.length }),
        wholeUnmovable: options.wholeUnmovable,
      }),
      ...describeListed(options.listed),
    })),
    zones: describeZones(recording, zones),
    lru,
    ...findTableWalks(recording),
    swappiness: findSwappiness(recording, lru.value),
    ...findBoosts(recording, balance, high),
    ...findBoostLevel(options.boostFree, allLow),
    recordPagesPerSlot: options.recordPagesPerSlot,
    ...findSwapClusters(recording),
    storePreemptible: {
      value: false,
      basis: 'default',
      from: 'zram up to 6.12 without PREEMPT_RT',
    },
    ...findBackend(recording, balance),
    kernel: options.kernel,
    ...findUniprocessor(recording),
    zeroMap: options.zeroMap,
    readahead: findReadahead(recording),
  }
}

function describeFilling(filling: Filling | undefined): {
  readonly refillAtStart?: Based<number>
} {
  if (filling === undefined) return {}
  return {
    refillAtStart: {
      value: filling.refill,
      basis: 'event',
      n: filling.falls,
      from: 'steps in which sampled free memory fell before the start',
    },
  }
}

function describeListed(
  listed: ListedKernel | undefined,
): Pick<Machine['nodes'][number], 'unmovableListed' | 'reclaimableListed'> {
  if (listed === undefined) return {}
  const from =
    "what pagetypeinfo's free pages leave of the chunks' rest, since refilled for page tables"
  return {
    unmovableListed: { value: listed.unmovable, basis: 'snapshot', from },
    reclaimableListed: { value: listed.reclaimable, basis: 'snapshot', from },
  }
}

function describeZones(recording: Recording, zones: readonly RecordedZone[]): WorkloadZone[] {
  const reserves = readReserves(snapshotText(recording, 'zoneinfo.before') ?? '')
  return zones.map(({ node, name, managed, min, low, high, basis }) => {
    const reserve = reserves.get(`${node}/${name}`)
    return {
      node,
      name,
      managed,
      min,
      low,
      high,
      ...(reserve === undefined ? {} : { reserve }),
      basis,
    }
  })
}

/** Speeds rest on it; a machine of one CPU has none to compare. */
function findSlowest({ cpus, cpuSpeeds }: Recording): Pick<Machine, 'slowestCpu'> {
  if (cpuSpeeds === undefined || cpus < 2) return {}
  return { slowestCpu: { ...cpuSpeeds, value: Math.min(...cpuSpeeds.value) } }
}

function findCpus(recording: Recording, nodes: readonly number[]): WorkloadCpu[] {
  // kswapd is bound to its node's CPUs (mm/vmscan.c kswapd: set_cpus_allowed_ptr).
  const votes = new Map<number, Map<number, number>>()
  if (nodes.length > 1)
    for (let i = 0; i < recording.length; i++) {
      if (recording.kind[i] === EVENT.switch) continue
      const match = /^kswapd(\d+)$/.exec(recording.tasks.get(recording.tid[i] ?? 0)?.comm ?? '')
      if (match === null) continue
      const cpu = recording.cpu[i] ?? 0
      const node = Number(match[1])
      const counts = votes.get(cpu) ?? new Map<number, number>()
      counts.set(node, (counts.get(node) ?? 0) + 1)
      votes.set(cpu, counts)
    }
  return Array.from({ length: recording.cpus }, (_, id): WorkloadCpu => {
    let node = nodes[0] ?? 0
    let most = 0
    for (const [of, count] of votes.get(id) ?? [])
      if (count > most) {
        most = count
        node = of
      }
    return { id, node, speed: recording.cpuSpeeds?.value[id] ?? 1 }
  })
}

/** watermark_boost_factor's default: 150 % of high; one pageblock at a time (mm/page_alloc.c boost_watermark). */
export const BOOST_FACTOR = 1.5
const PAGEBLOCK = 512

/**
 * pageblock_nr_pages (include/linux/pageblock-flags.h), 0 = not known: a huge page, which /proc/meminfo tells of; kernels without them have
 * blocks of the largest order.
 */
export function findBlockPages(meminfo: string | undefined, pageSize: number): number {
  if (meminfo === undefined || !/^MemTotal:/m.test(meminfo)) return 0
  const huge = /^Hugepagesize:\s*(\d+) kB/m.exec(meminfo)?.[1]
  if (huge !== undefined) return Math.min(MAX_CHUNK_PAGES, (Number(huge) * 1024) / pageSize)
  return /^AnonHugePages:/m.test(meminfo) ? PAGEBLOCK : MAX_CHUNK_PAGES
}

function findBoosts(
  recording: Recording,
  balance: Balance,
  high: number,
): Pick<Machine, 'boostStep' | 'boostMax' | 'boostEveryPoolPages'> {
  const seen = balance.boosts.filter((boost) => boost > 0)
  const n = balance.boosts.length
  const every: Based<number> = {
    value: 0,
    basis: 'inferred',
    from: 'boosts follow free memory (boost_below_free), not the pool',
  }
  const blockPages = findBlockPages(snapshotText(recording, 'meminfo.before'), recording.pageSize)
  const block: Based<number> | undefined =
    blockPages === 0
      ? undefined
      : { value: blockPages, basis: 'snapshot', from: 'one pageblock, by meminfo' }
  if (n === 0)
    return {
      boostStep: block ?? { value: PAGEBLOCK, basis: 'default', from: 'one pageblock' },
      boostMax: {
        value: Math.max(blockPages, Math.floor(high * BOOST_FACTOR)),
        basis: 'default',
        from: 'vm.watermark_boost_factor of the kernel',
      },
      boostEveryPoolPages: every,
    }
  return {
    boostStep: block ?? {
      value: seen.length > 0 ? Math.min(...seen) : 0,
      basis: 'event',
      n,
      from: 'reclaim_retry_zone: effective min less min, least',
    },
    boostMax: {
      value: Math.max(0, ...seen),
      basis: 'event',
      n,
      from: 'reclaim_retry_zone: effective min less min, most',
    },
    boostEveryPoolPages: every,
  }
}

/** Fewer wake-ups by boosts do not tell how far they lie apart. */
const MIN_BOOST_WAKES = 4
/** A median is told worse than the multiple of low when its standard error is more of the level. */
const MOST_ERROR = 0.25

/**
 * Bytes of slab that the kernel keeps per swapped page: a shadow entry in the swap cache's tree (lib/xarray.c, struct xa_node: 576 bytes for
 * 64 slots), a handle of zsmalloc and its share of a zspage's descriptor (mm/zsmalloc.c, 8 bytes each and 64 bytes for some 7 objects), and
 * of zswap the entry and a node of its own tree (mm/zswap.c, struct zswap_entry). Slab of recordings of one machine grows by 27 bytes per
 * slot between them; the rest of its growth is there before memory is low.
 */
const POOL_BYTES = 17
const ZSWAP_BYTES = 64 + 9

function toMobilityOptions(
  recording: Recording,
  { balance, recordPagesPerSlot }: Pick<MachineOptions, 'balance' | 'recordPagesPerSlot'>,
  { node, nodes }: { readonly node: number; readonly nodes: number },
): MobilityOptions {
  return {
    before: snapshotText(recording, 'zoneinfo.before'),
    after: snapshotText(recording, 'zoneinfo.after'),
    node,
    lruAtStart: balance.lruAtStart.value / nodes,
    heldAtEnd: nodes > 1 ? undefined : heldAtEnd(recording),
    recordPagesPerSlot: recordPagesPerSlot.value - TREE_BYTES_PER_SLOT / recording.pageSize,
  }
}

/** Of machines of one node alone: elsewhere it is not told whose the pages in swap are. */
export function findWholeBlocks(
  recording: Recording,
  options: Pick<MachineOptions, 'balance' | 'recordPagesPerSlot' | 'zones'>,
): number {
  const nodes = new Set(options.zones.map(({ node }) => node))
  const [node = 0] = nodes
  if (nodes.size > 1) return 0
  return findWholeUnmovable({
    ...toMobilityOptions(recording, options, { node, nodes: 1 }),
    pagetypes: snapshotText(recording, 'pagetypeinfo.before'),
  })
}

/** Kernel pages on the list of a machine's only CPU at the start, where memory was filled until then: there nobody else's lists hold some. */
export function findListed(
  recording: Recording,
  options: Pick<MachineOptions, 'balance' | 'recordPagesPerSlot' | 'zones'>,
  { refill, free, freeBefore }: Filling,
  startNs: number,
): ListedKernel | undefined {
  if (findUniprocessor(recording).smp?.value !== false) return undefined
  return findListedKernel({
    ...toMobilityOptions(recording, options, { node: options.zones[0]?.node ?? 0, nodes: 1 }),
    pagetypes: snapshotText(recording, 'pagetypeinfo.before'),
    refill,
    freeInZone: free,
    freeBefore,
    claimed: recording.chunkClaims?.filter((ns) => ns < startNs).length ?? 0,
  })
}

/** Swapped pages that zram held at the recording's end; undefined = not counted. */
function heldAtEnd(recording: Recording): number | undefined {
  const bytes = readCounter(recording, 'mm_stat.orig_data_size')?.last
  return bytes === undefined ? undefined : bytes / recording.pageSize
}

/** Slab pages per slot in use. */
export function findRecordPages(recording: Recording): Based<number> {
  const isZswap = (counterRise(recording, 'vmstat.zswpout') ?? 0) > 0
  const isPooled = isZswap || recording.swapKinds.includes('zram')
  const bytes = TREE_BYTES_PER_SLOT + (isPooled ? POOL_BYTES : 0) + (isZswap ? ZSWAP_BYTES : 0)
  return {
    value: bytes / recording.pageSize,
    basis: 'default',
    from: 'tree nodes, handles and descriptors of swapped pages, as the kernel lays them out',
  }
}

/** Free pages below which movable allocations are given blocks of other types; `boostFree`: free pages at the wake-ups that such allocations caused. */
export function findBoostLevel(
  boostFree: readonly number[],
  low: number,
): Pick<Machine, 'boostBelowFree'> {
  const sorted = [...boostFree].sort((x, y) => x - y)
  if (sorted.length < MIN_BOOST_WAKES || errorOfMedian(sorted) > MOST_ERROR * BOOST_LOW_RATIO * low)
    return {
      boostBelowFree: {
        value: Math.round(low * BOOST_LOW_RATIO),
        basis: 'default',
        n: sorted.length,
        from: `${BOOST_LOW_RATIO} x low`,
      },
    }
  return {
    boostBelowFree: {
      value: Math.max(low, Math.round(sorted[sorted.length >> 1] ?? 0)),
      basis: 'event',
      n: sorted.length,
      from: 'free memory, by balance, where a fallback allocation woke kswapd (wake-ups with gfp 0), and what the kernel took of it since the start',
    },
  }
}

/** Of independent draws from one distribution: 1.25 standard deviations over the root of their number. */
function errorOfMedian(values: readonly number[]): number {
  const n = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return 1.25 * Math.sqrt(squares / (n - 1) / n)
}

/** Where the level is not seen: pages of other block types held this much of low on the machines that were recorded. */
const BOOST_LOW_RATIO = 2.1

function findBackend(
  recording: Recording,
  balance: Balance,
): Pick<Machine, 'backend' | 'codec' | 'backendParameters'> {
  // zswap_store and zswap_load are called where zswap is switched off, too. shrinker_enabled is another parameter.
  const isOff = /(?:^|[/\s])enabled[:=\s]+N/.test(snapshotText(recording, 'zswap.params') ?? '')
  const hasZswap = !isOff && [...recording.events].some((name) => /zswap_/.test(name))
  const kind = hasZswap
    ? 'zswap'
    : recording.swapKinds.includes('zram')
      ? 'zram'
      : recording.swapKinds.length > 0
        ? 'disk'
        : undefined
  const hasSlots = recording.events.has('zram_slot_free')
  const backend: Based<'zram' | 'zswap' | 'disk'> =
    kind !== undefined
      ? {
          value: kind,
          basis: hasZswap || hasSlots ? 'event' : 'snapshot',
          from: hasZswap ? 'zswap probes' : 'swap devices',
        }
      : hasSlots
        ? { value: 'zram', basis: 'event', from: 'zram probes' }
        : { value: 'zram', basis: 'default', from: 'no swap device known' }
  const algorithm = snapshotText(recording, 'comp_algorithm')
  const compressor = /compressor[^\n]*[:=]\s*(\S+)/.exec(
    snapshotText(recording, 'zswap.params') ?? '',
  )?.[1]
  const name = (
    backend.value === 'zswap' ? compressor : (/\[(\S+)\]/.exec(algorithm ?? '')?.[1] ?? algorithm)
  )?.trim()
  return {
    backend,
    codec:
      name !== undefined && name !== ''
        ? { value: name, basis: 'snapshot', from: 'compressor in use' }
        : { value: 'lzo-rle', basis: 'default', from: "zram's default" },
    backendParameters: { poolPagesPerStoredPage: balance.poolPerPage },
  }
}

function findReadahead(recording: Recording): Based<number> {
  const text = snapshotText(recording, 'page-cluster')
  if (text !== undefined && Number.isFinite(Number(text)))
    return { value: 2 ** Number(text), basis: 'snapshot', from: 'vm.page-cluster' }
  // Several reads inside one fault are readahead.
  const reads = new Map<number, number>()
  let faults = 0
  let total = 0
  for (let i = 0; i < recording.length; i++) {
    const tid = recording.tid[i] ?? 0
    const kind = recording.kind[i]
    if (kind === EVENT.fault) reads.set(tid, 0)
    else if (kind === EVENT.read && reads.has(tid)) reads.set(tid, (reads.get(tid) ?? 0) + 1)
    else if (kind === EVENT.faultReturn) {
      const count = reads.get(tid) ?? 0
      if (count > 0) {
        faults++
        total += count
      }
      reads.delete(tid)
    }
  }
  if (faults >= 20)
    return {
      value: Math.max(1, Math.round(total / faults)),
      basis: 'event',
      n: faults,
      from: 'reads per swap-in fault',
    }
  return { value: 1, basis: 'default', from: 'synchronous swap devices read one page' }
}
