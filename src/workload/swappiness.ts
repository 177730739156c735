import { CLUSTER, DEF_PRIORITY, MAX_SWAPPINESS } from '../model/vmscan.ts'
import { snapshotText } from './machine.ts'
import { RECLAIM_FILE } from './page-cache.ts'
import { EVENT, type Recording } from './recording.ts'
import type { Based, Machine } from './types.ts'

/** Batches of so close together are of a list of one size. */
const CLOSE_NS = 50e6
/** So many pairs of batches, and this share of them must agree. */
const FEWEST_PAIRS = 5
const AGREEING = 0.8
/** Values are tried in such steps: people set round ones. */
const STEP = 10

/** vm.swappiness: from a snapshot, or by what scans of the classic lists took of anonymous pages. */
export function findSwappiness(recording: Recording, lru: Machine['lru']['value']): Based<number> {
  const text = snapshotText(recording, 'swappiness')
  const value = Number(text)
  if (text !== undefined && Number.isFinite(value))
    return { value, basis: 'snapshot', from: 'vm.swappiness' }
  const ofScans = lru === 'classic' ? swappinessOfScans(recording) : undefined
  return ofScans ?? { value: 60, basis: 'default', from: 'vm.swappiness of the kernel' }
}

/**
 * get_scan_count of mm/vmscan.c: where the page cache is next to nothing a scan at the default priority takes so much of the anonymous list,
 * elsewhere only the part of it that swappiness s leaves: s / (400 - s) once all the cost of reclaim is that of anonymous pages. Batches of
 * both kinds stand close together.
 */
function swappinessOfScans(recording: Recording): Based<number> | undefined {
  const pairs = listPairs(recording)
  let most = 0
  let found: number[] = []
  for (let swappiness = STEP; swappiness < MAX_SWAPPINESS; swappiness += STEP) {
    const fitting = pairs.filter(([whole, part]) => partOf(whole, swappiness) === part).length
    if (fitting > most) found = []
    if (fitting >= most) found.push(swappiness)
    most = Math.max(most, fitting)
  }
  const [value] = found
  if (pairs.length < FEWEST_PAIRS || most < AGREEING * pairs.length) return undefined
  if (value === undefined || found.length > 1) return undefined
  return {
    value,
    basis: 'inferred',
    n: pairs.length,
    from: 'shares of anonymous lists that scans took',
  }
}

/** Pages that a scan takes of so many: the shares are a little less than the fraction they stand for. */
function partOf(whole: number, swappiness: number): number {
  return Math.ceil((whole * swappiness) / (2 * MAX_SWAPPINESS - swappiness)) - 1
}

/** Whole and part, where a batch of the other kind follows closely. */
function listPairs(recording: Recording): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = []
  let lastNs = Number.NEGATIVE_INFINITY
  let last = 0
  for (let i = 0; i < recording.length; i++) {
    const taken = recording.a[i] ?? 0
    if (recording.kind[i] !== EVENT.batchEnd || recording.d[i] !== DEF_PRIORITY) continue
    if (taken >= CLUSTER || ((recording.c[i] ?? 0) & RECLAIM_FILE) !== 0) continue
    const ns = recording.ns[i] ?? 0
    const whole = Math.max(taken, last)
    const part = Math.min(taken, last)
    if (ns - lastNs <= CLOSE_NS && part > 1 && whole >= 1.5 * part) pairs.push([whole, part])
    lastNs = ns
    last = taken
  }
  return pairs
}
