import { MAX_CHUNK_PAGES } from '../model/buddy.ts'
import type { Based } from './types.ts'
import { countOf, listZones, type ZoneText } from './zoneinfo.ts'

/** What came since a snapshot has page tables: entries of one on 64-bit machines with pages of 4 KiB. */
const TABLE_ENTRIES = 512
const LRU = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable'].map(
  (list) => `nr_zone_${list}`,
)

export interface MobilityOptions {
  /** /proc/zoneinfo before memory was low, and at the recording's end. */
  readonly before: string | undefined
  readonly after: string | undefined
  readonly node: number
  /** The node's pages on the LRU when the workload starts. */
  readonly lruAtStart: number
  /** The node's swapped pages that the pool held at the end, undefined = not counted; and the unmovable pages that the kernel keeps for one. */
  readonly heldAtEnd: number | undefined
  readonly recordPagesPerSlot: number
  /** Pages of whole chunks that are free for unmovable pages at the start (findWholeUnmovable); absent = 0. */
  readonly wholeUnmovable?: number
}

/**
 * What is left at the start of the chunks that a node's kernel pages come from, by what /proc/zoneinfo says of its largest zone: one chunk
 * of the largest order after the other goes to unmovable and to reclaimable pages whole.
 */
export function findMobility(options: MobilityOptions): {
  readonly unmovableFree?: Based<number>
  readonly reclaimableFree?: Based<number>
} {
  const before = readZone(options.before, options.node)
  if (before === undefined || before.reclaimable === 0) return {}
  const used = before.used + before.ramfs
  const rest = restOf(
    usedByEnd(options, before.ramfs) ?? used + tablesSince(options, before),
    'unmovable',
  )
  return {
    unmovableFree: { ...rest, value: rest.value + (options.wholeUnmovable ?? 0) },
    reclaimableFree: restOf(before.reclaimable, 'reclaimable slab'),
  }
}

/**
 * Pages of whole chunks among those free for unmovable pages at the start. Fallbacks claim such a chunk without a boost, so memory is not low
 * before it is used up. /proc/pagetypeinfo tells those on the zone's lists while memory is plentiful; CPUs hold fewer than a chunk of them.
 */
export function findWholeUnmovable(
  options: MobilityOptions & { readonly pagetypes: string | undefined },
): number {
  const zone = largestZone(options.before, options.node)
  const before = readZone(options.before, options.node)
  const rest = findMobility(options).unmovableFree?.value
  if (zone === undefined || before === undefined || rest === undefined) return 0
  const free = readFree(options.pagetypes ?? '', zone, 'Unmovable')
  if (free === undefined) return 0
  const least = free - tablesSince(options, before)
  return Math.max(0, Math.ceil((least - rest) / MAX_CHUNK_PAGES)) * MAX_CHUNK_PAGES
}

/** Kernel pages that the CPU's lists hold at the start, and the whole chunks then free for unmovable pages, on the lists or not. */
export interface ListedKernel {
  readonly whole: number
  readonly unmovable: number
  readonly reclaimable: number
  /** The zone's free pages, without those on lists. */
  readonly freeInZone: number
}

/**
 * Of one CPU: chunks leave a known rest, of which /proc/pagetypeinfo shows the zone's part; the CPU's list has the remainder. Page tables of
 * what comes until the start are taken from the list. Each of its refills, which are the largest while memory is filled, takes what the zone
 * has for unmovable pages and claims another whole chunk where that does not reach.
 */
export function findListedKernel(
  options: MobilityOptions & {
    readonly pagetypes: string | undefined
    readonly refill: number
    /** Whole chunks that refills claimed between the snapshot and the start, as far as recorded; absent = none. */
    readonly claimed?: number
    /** The zone's free pages at the start, without those on lists, as far as samples tell. */
    readonly freeInZone: number
    /** In the last sample before the start, from which they fell in whole refills; absent = there was none. */
    readonly freeBefore?: number | undefined
  },
): ListedKernel | undefined {
  const { claimed = 0, node, pagetypes = '', refill } = options
  const zone = largestZone(options.before, node)
  const before = readZone(options.before, node)
  const { unmovableFree, reclaimableFree } = findMobility(options)
  if (zone === undefined || before === undefined) return undefined
  if (unmovableFree === undefined || reclaimableFree === undefined) return undefined
  let free = readFree(pagetypes, zone, 'Unmovable')
  const otherFree = readFree(pagetypes, zone, 'Reclaimable')
  if (free === undefined || otherFree === undefined) return undefined
  const tables = Math.round(tablesSince(options, before))
  let listed = ofChunk(unmovableFree.value + tables - free)
  const reclaimable = ofChunk(reclaimableFree.value - otherFree)
  if (listed + reclaimable > before.listed) return undefined
  const least = unmovableFree.value + claimed * MAX_CHUNK_PAGES
  for (; listed < tables || free + listed - tables < least; listed += refill) {
    if (free < refill) free += MAX_CHUNK_PAGES
    free -= refill
  }
  const total = free + listed - tables
  const freeInZone = inSteps(options, total - Math.max(0, listed - tables) + otherFree)
  // What was allocated between the snapshot and the start may have had the list refilled once more: the rest of them does not fit in the zone.
  const leastListed = total + otherFree - freeInZone
  const unmovable = Math.min(total, Math.max(listed - tables, leastListed))
  return { whole: total - unmovableFree.value, unmovable, reclaimable, freeInZone }
}

/** Movable pages did not reach for the refill at the start: fewer than it takes are free beside the kernel's own. */
function inSteps(
  options: {
    readonly refill: number
    readonly freeInZone: number
    readonly freeBefore?: number | undefined
  },
  kernelFree: number,
): number {
  const { freeBefore, refill } = options
  if (freeBefore === undefined) return options.freeInZone
  const free = freeBefore - Math.max(0, Math.floor((freeBefore - kernelFree) / refill)) * refill
  return free > 0 ? free : options.freeInZone
}

/** What of so many pages is beyond whole chunks. */
function ofChunk(pages: number): number {
  return ((pages % MAX_CHUNK_PAGES) + MAX_CHUNK_PAGES) % MAX_CHUNK_PAGES
}

/** Free pages of the zone in blocks of the type: chunks by order. */
function readFree(
  pagetypes: string,
  { node, zone }: ZoneText,
  type: 'Unmovable' | 'Reclaimable',
): number | undefined {
  const line = new RegExp(`^Node +${node}, zone +${zone}, type +${type}((?: +\\d+)+)`, 'm')
  const counts = line.exec(pagetypes)?.[1]?.trim().split(/ +/)
  return counts?.reduce((sum, count, order) => sum + Number(count) * 2 ** order, 0)
}

/** Page tables of what came on the lists since the first snapshot. */
function tablesSince({ lruAtStart }: MobilityOptions, { lru, ramfs }: ZonePages): number {
  return Math.max(0, lruAtStart - (lru - ramfs)) / TABLE_ENTRIES
}

/**
 * Unmovable pages at the start, by those of the end: what was allocated after the first snapshot, as the tracing buffers are, is among them.
 * Undefined where the workload's memory was gone by then.
 */
function usedByEnd(options: MobilityOptions, ramfs: number): number | undefined {
  const { heldAtEnd, lruAtStart, node, recordPagesPerSlot } = options
  const after = readZone(options.after, node)
  if (after === undefined || heldAtEnd === undefined) return undefined
  const mapped = after.lru - ramfs + heldAtEnd - lruAtStart
  if (mapped < 0) return undefined
  return after.used + ramfs - recordPagesPerSlot * heldAtEnd - mapped / TABLE_ENTRIES
}

interface ZonePages {
  /** On the LRU lists. */
  readonly lru: number
  readonly reclaimable: number
  /** Free pages on the CPUs' lists. */
  readonly listed: number
  /** Neither free nor on a list nor reclaimable slab nor in a pool. */
  readonly used: number
  /** Of those on the lists, unmovable ones: files of a ramfs are unevictable without being locked (fs/ramfs/inode.c, GFP_HIGHUSER). */
  readonly ramfs: number
}

function zonesOf(zoneinfo: string | undefined, node: number): readonly ZoneText[] {
  return listZones(zoneinfo ?? '').filter((zone) => zone.node === node)
}

function largestZone(zoneinfo: string | undefined, node: number): ZoneText | undefined {
  let largest: ZoneText | undefined
  for (const zone of zonesOf(zoneinfo, node))
    if (countOf(zone.text, 'managed') > countOf(largest?.text ?? '', 'managed')) largest = zone
  return largest
}

/** The node's largest zone; slab is counted with the node's first. */
function readZone(zoneinfo: string | undefined, node: number): ZonePages | undefined {
  const largest = largestZone(zoneinfo, node)?.text
  if (largest === undefined) return undefined
  const reclaimable = Math.max(
    ...zonesOf(zoneinfo, node).map(({ text }) => countOf(text, 'nr_slab_reclaimable')),
  )
  const listed = [...largest.matchAll(/^\s+count: +(\d+)/gm)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  )
  const lru = LRU.reduce((sum, list) => sum + countOf(largest, list), 0)
  return {
    lru,
    reclaimable,
    listed,
    used:
      countOf(largest, 'managed') -
      countOf(largest, 'pages free') -
      lru -
      reclaimable -
      listed -
      countOf(largest, 'nr_zspages'),
    ramfs: Math.max(0, countOf(largest, 'nr_zone_unevictable') - countOf(largest, 'nr_mlock')),
  }
}

function restOf(pages: number, what: string): Based<number> {
  return {
    value: Math.floor(Math.ceil(pages / MAX_CHUNK_PAGES) * MAX_CHUNK_PAGES - pages),
    basis: 'snapshot',
    from: `what ${what} pages leave of the last chunk of ${MAX_CHUNK_PAGES} that they took, by zoneinfo`,
  }
}
