import { MAX_CHUNK_PAGES } from '../model/buddy.ts'
import type { Based } from './types.ts'
import { countOf, listZones } from './zoneinfo.ts'

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
}

/**
 * What is left at the start of the chunks that a node's kernel pages come from, by what /proc/zoneinfo says of its largest zone: one chunk
 * of the largest order after the other goes to unmovable and to reclaimable pages whole.
 */
export function findMobility(options: MobilityOptions): {
  readonly unmovableFree?: Based<number>
  readonly reclaimableFree?: Based<number>
} {
  const { lruAtStart } = options
  const before = readZone(options.before, options.node)
  if (before === undefined || before.reclaimable === 0) return {}
  const since = (lru: number): number => Math.max(0, lruAtStart - lru) / TABLE_ENTRIES
  const used = before.used + before.ramfs
  return {
    unmovableFree: restOf(
      usedByEnd(options, before.ramfs) ?? used + since(before.lru - before.ramfs),
      'unmovable',
    ),
    reclaimableFree: restOf(before.reclaimable, 'reclaimable slab'),
  }
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
  /** Neither free nor on a list nor reclaimable slab nor in a pool. */
  readonly used: number
  /** Of those on the lists, unmovable ones: files of a ramfs are unevictable without being locked (fs/ramfs/inode.c, GFP_HIGHUSER). */
  readonly ramfs: number
}

/** The node's largest zone; slab is counted with the node's first. */
function readZone(zoneinfo: string | undefined, node: number): ZonePages | undefined {
  let largest = ''
  let reclaimable = 0
  for (const { node: of, text } of listZones(zoneinfo ?? '')) {
    if (of !== node) continue
    reclaimable = Math.max(reclaimable, countOf(text, 'nr_slab_reclaimable'))
    if (countOf(text, 'managed') > countOf(largest, 'managed')) largest = text
  }
  if (largest === '') return undefined
  const listed = [...largest.matchAll(/^\s+count: +(\d+)/gm)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  )
  const lru = LRU.reduce((sum, list) => sum + countOf(largest, list), 0)
  return {
    lru,
    reclaimable,
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
