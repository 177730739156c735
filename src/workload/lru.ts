import { snapshotText } from './machine.ts'
import { EVENT, type Recording } from './recording.ts'
import type { Based, Machine } from './types.ts'

/** From lru_gen where it was read; else by the batches: the classic list asks for SWAP_CLUSTER_MAX = 32 pages at most, MGLRU for 64 and more. */
export function findLru(recording: Recording): Based<'classic' | 'mglru'> {
  const enabled = readLruGen(recording)
  if (enabled !== undefined)
    return { value: enabled === 0 ? 'classic' : 'mglru', basis: 'snapshot', from: 'lru_gen' }
  let isolations = 0
  let large = 0
  let active = 0
  let writes = 0
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    if (kind === EVENT.isolate) {
      isolations++
      if ((recording.a[i] ?? 0) > CLASSIC_BATCH) large++
    } else if (kind === EVENT.written) writes++
    else if (kind === EVENT.batchEnd) active++
  }
  if (isolations === 0)
    return writes > 0 && active === 0
      ? { value: 'mglru', basis: 'inferred', n: writes, from: 'writes without isolation events' }
      : { value: 'classic', basis: 'default', from: 'no reclaim batch seen' }
  return {
    value: large * 2 > isolations ? 'mglru' : 'classic',
    basis: 'event',
    n: isolations,
    from: 'size of the batches asked for',
  }
}

const CLASSIC_BATCH = 32

/** LRU_GEN_MM_WALK: shown where it is switched on and the hardware sets accessed bits (mm/vmscan.c, should_walk_mmu). */
const MM_WALK = 2

/** Whether aging walks page tables, where lru_gen was read and is on. */
export function findTableWalks(recording: Recording): Pick<Machine, 'walksPageTables'> {
  const enabled = readLruGen(recording)
  if (enabled === undefined || enabled === 0) return {}
  return {
    walksPageTables: { value: (enabled & MM_WALK) !== 0, basis: 'snapshot', from: 'lru_gen' },
  }
}

function readLruGen(recording: Recording): number | undefined {
  const text = snapshotText(recording, 'lru_gen')
  if (text === undefined) return undefined
  const value = Number(text.trim())
  return Number.isNaN(value) ? undefined : value
}
