import { counterRise, readCounter } from './machine.ts'
import { EVENT, type Recording } from './recording.ts'
import { PoolPages } from './refused.ts'
import type { Stores } from './stores.ts'
import type { Based } from './types.ts'

/** Pages in zram below which their kinds tell nothing of all stores. */
const FEWEST_HELD = 1000

/** Share of the stores that were of zero or same-filled pages; undefined = no counter tells. */
export function findSameShare(recording: Recording): number | undefined {
  const zero = counterRise(recording, 'vmstat.swpout_zero')
  const out = counterRise(recording, 'vmstat.pswpout')
  const zswap = counterRise(recording, 'vmstat.zswpout') ?? 0
  if (zero === undefined) {
    // Without a zero map zram itself finds them: of what it holds at the end they are as large a share as of what was stored.
    const same = readCounter(recording, 'mm_stat.same_pages')?.last
    const original = readCounter(recording, 'mm_stat.orig_data_size')?.last ?? 0
    return same === undefined || original < FEWEST_HELD * recording.pageSize
      ? undefined
      : same / (original / recording.pageSize)
  }
  if (out === undefined || zero + out + zswap <= 0) return undefined
  return zero / (zero + out + zswap)
}

/** Pages of zram's pool per page that it holds, at the recording's end; undefined = not recorded. */
export function poolPerPageSnapshot(recording: Recording): number | undefined {
  const used = readCounter(recording, 'mm_stat.mem_used_total')?.last
  const original = readCounter(recording, 'mm_stat.orig_data_size')?.last
  return used === undefined ||
    original === undefined ||
    original <= 0 ||
    // A pool that was emptied since holds its overhead only.
    used > original
    ? undefined
    : used / original
}

/** zram keeps the most memory it ever used: that of the most pages it held at once, whatever has left it since. */
export function poolPerPageAtPeak(recording: Recording, stores: Stores): number | undefined {
  const used = readCounter(recording, 'mm_stat.mem_used_max')?.last
  if (used === undefined) return undefined
  const pool = new PoolPages(recording, stores)
  let most = 0
  for (let i = 0; i < recording.length; i++) {
    pool.advance(i)
    if (recording.kind[i] === EVENT.read) pool.read(i)
    most = Math.max(most, pool.stored)
  }
  const perPage = used / recording.pageSize / most
  return most >= FEWEST_HELD && perPage > 0 && perPage <= 1 ? perPage : undefined
}

/** Pages of zswap's pool per page that it held at the recording's end. */
export function findZswapShare(recording: Recording): Based<number> | undefined {
  const pool = counterRise(recording, 'vmstat.nr_zspages')
  const stored = counterRise(recording, 'vmstat.zswpout')
  const loaded = counterRise(recording, 'vmstat.zswpin')
  const written = counterRise(recording, 'vmstat.zswpwb') ?? 0
  if (pool === undefined || stored === undefined || loaded === undefined) return undefined
  const held = stored - loaded - written
  if (!(pool > 0 && held > pool)) return undefined
  return {
    value: pool / held,
    basis: 'snapshot',
    n: held,
    from: 'vmstat: nr_zspages over zswpout less zswpin less zswpwb',
  }
}
