import type { Based } from './types.ts'

/** Pages of the largest chunk that the buddy allocator has: one after the other goes to unmovable and to reclaimable pages whole (MAX_PAGE_ORDER 10). */
const CHUNK_PAGES = 1024
/** Pages that came since then have page tables: entries of one on 64-bit machines with pages of 4 KiB. */
const TABLE_ENTRIES = 512
const LRU = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable'].map(
  (list) => `nr_zone_${list}`,
)

/** What is left of the chunks that a node's kernel pages come from, by what /proc/zoneinfo says of its largest zone before memory was low. */
export function findMobility(
  zoneinfo: string | undefined,
  node: number,
  lruAtStart: number,
): { readonly unmovableFree?: Based<number>; readonly reclaimableFree?: Based<number> } {
  let largest = ''
  let reclaimable = 0
  for (const zone of (zoneinfo ?? '').split(/(?=^Node \d+, zone)/m)) {
    if (!zone.startsWith(`Node ${node},`)) continue
    reclaimable = Math.max(reclaimable, counted(zone, 'nr_slab_reclaimable'))
    if (counted(zone, 'managed') > counted(largest, 'managed')) largest = zone
  }
  if (largest === '' || reclaimable === 0) return {}
  const listed = [...largest.matchAll(/^\s+count: +(\d+)/gm)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  )
  const lru = LRU.reduce((sum, list) => sum + counted(largest, list), 0)
  const used =
    counted(largest, 'managed') -
    counted(largest, 'pages free') -
    lru -
    reclaimable -
    listed +
    Math.max(0, lruAtStart - lru) / TABLE_ENTRIES
  const restOf = (pages: number, what: string): Based<number> => ({
    value: Math.floor(Math.ceil(pages / CHUNK_PAGES) * CHUNK_PAGES - pages),
    basis: 'snapshot',
    from: `what ${what} pages leave of the last chunk of ${CHUNK_PAGES} that they took, by zoneinfo`,
  })
  return {
    unmovableFree: restOf(used, 'unmovable'),
    reclaimableFree: restOf(reclaimable, 'reclaimable slab'),
  }
}

function counted(zone: string, name: string): number {
  return Number(new RegExp(`^\\s+${name} +(\\d+)`, 'm').exec(zone)?.[1] ?? 0)
}
