import { counterRise } from './machine.ts'
import { BEGINS_RECLAIM, EVENT, type Recording } from './recording.ts'
import type { Based, Workload } from './types.ts'

/** What a workload holds of it. */
export type RecordedPolicy = Pick<Workload, 'recordedPolicy' | 'recordedTunables'>

/** Fewer stores, or fewer of the others' reclaims, tell nothing of how a worker does them. */
const FEWEST_STORES = 1000
const FEWEST_RECLAIMS = 30
/** So often a folio found no room in a queue that was full; one that never was tells only that it holds more. */
const OFTEN_FULL = 30
/** Nearly all, or nearly none. */
const MOST = 0.5
const FEW = 0.05

/**
 * Names the policy under which a trace was recorded, from who stored what: threads named kcompressd, kworkers that store, or nobody but
 * the reclaimer itself. `stores`: how many the recording has, whoever did them.
 */
export function recognisePolicy(recording: Recording, stores: number): RecordedPolicy {
  const { compressors, kworkers } = countStorers(recording)
  const byCompressor = sum(compressors)
  const byWorker = sum(kworkers)
  if (byCompressor > byWorker)
    return {
      recordedPolicy: {
        value: 'kcompressd',
        basis: 'event',
        n: byCompressor,
        from: 'stores by threads named kcompressd',
      },
      recordedTunables: tunablesOf(recording, compressors, 'kcompressd'),
    }
  if (byWorker > 0)
    return {
      recordedPolicy: {
        value: 'parallel',
        basis: 'event',
        n: byWorker,
        from: 'stores by kworkers',
      },
      recordedTunables: tunablesOf(recording, kworkers, 'parallel'),
    }
  return { recordedPolicy: withoutWorkers(recording, stores) }
}

function withoutWorkers(recording: Recording, stores: number): Based<string> {
  const compressors = [...recording.tasks.values()].filter((task) => /^kcompressd/.test(task.comm))
  if (compressors.length > 0 && hasRun(recording, new Set(compressors.map((task) => task.tid))))
    return {
      value: 'kcompressd',
      basis: 'inferred',
      n: compressors.length,
      from: 'threads named kcompressd ran',
    }
  if (stores > 0)
    return {
      value: 'kswapd',
      basis: 'event',
      n: stores,
      from: 'every page was stored by the thread that reclaimed it',
    }
  return { value: 'kswapd', basis: 'default', from: 'no probe on the store' }
}

/** Stores by thread id. */
type Storers = ReadonlyMap<number, number>

function countStorers(recording: Recording): {
  readonly compressors: Storers
  readonly kworkers: Storers
} {
  const compressors = new Map<number, number>()
  const kworkers = new Map<number, number>()
  for (let i = 0; i < recording.length; i++) {
    if (recording.kind[i] !== EVENT.store) continue
    const tid = recording.tid[i] ?? 0
    const task = recording.tasks.get(tid)
    if (task === undefined) continue
    if (/^kworker/.test(task.comm)) kworkers.set(tid, (kworkers.get(tid) ?? 0) + 1)
    else if (task.kind === 'compressor' || /^kcompressd/.test(task.comm))
      compressors.set(tid, (compressors.get(tid) ?? 0) + 1)
  }
  return { compressors, kworkers }
}

function sum(storers: Storers): number {
  let all = 0
  for (const stores of storers.values()) all += stores
  return all
}

function hasRun(recording: Recording, tids: ReadonlySet<number>): boolean {
  for (let i = 0; i < recording.length; i++)
    if (recording.kind[i] === EVENT.switch && tids.has(recording.c[i] ?? 0)) return true
  return false
}

function tunablesOf(
  recording: Recording,
  workers: Storers,
  policy: 'kcompressd' | 'parallel',
): Readonly<Record<string, Based<number>>> {
  const found: Record<string, Based<number>> = {}
  if (sum(workers) < FEWEST_STORES) return found
  const memalloc = findMemalloc(recording, workers)
  const rotate = findRotation(recording, workers)
  const full = findFullLength(recording)
  if (memalloc !== undefined) found['pstrace.memalloc'] = memalloc
  if (rotate !== undefined) found['pstrace.rotate'] = rotate
  if (full !== undefined) {
    const [name, folios] =
      policy === 'parallel'
        ? ['vm.parallel_swap_factor', Math.round(full.value / atOnce(recording, workers))]
        : ['pstrace.fifo', full.value]
    found[name] = {
      value: folios,
      basis: 'event',
      n: full.n,
      from: 'folios that waited when one more found no room',
    }
  }
  return found
}

/** Workers that stored at the same time, at most. */
function atOnce({ kind, length, tid }: Recording, workers: Storers): number {
  const storing = new Set<number>()
  let most = 1
  for (let i = 0; i < length; i++) {
    const by = tid[i] ?? 0
    if (kind[i] === EVENT.store && workers.has(by)) storing.add(by)
    else if (kind[i] === EVENT.storeReturn) storing.delete(by)
    most = Math.max(most, storing.size)
  }
  return most
}

/** A worker that may take from the reserves never reclaims for itself; one that may not does as soon as others must. */
function findMemalloc(recording: Recording, workers: Storers): Based<number> | undefined {
  let own = 0
  let others = 0
  for (let i = 0; i < recording.length; i++) {
    if (!BEGINS_RECLAIM.has(recording.kind[i] ?? -1)) continue
    if (workers.has(recording.tid[i] ?? 0)) own++
    else others++
  }
  if (own > 0) return { value: 0, basis: 'event', n: own, from: 'workers reclaimed for themselves' }
  return others < FEWEST_RECLAIMS
    ? undefined
    : { value: 1, basis: 'inferred', n: others, from: 'others reclaimed for themselves, no worker' }
}

/** folio_end_writeback moves a folio with PG_reclaim to the tail of its list, and counts it. */
function findRotation(recording: Recording, workers: Storers): Based<number> | undefined {
  const rotated = counterRise(recording, 'vmstat.pgrotated')
  if (rotated === undefined) return undefined
  const share = rotated / sum(workers)
  if (share > FEW && share < MOST) return undefined
  return {
    value: share >= MOST ? 1 : 0,
    basis: 'snapshot',
    n: Math.round(rotated),
    from: 'pgrotated per page that workers stored',
  }
}

/**
 * Folios that wait where one more mostly finds no room: it is stored by the one who gives it, or displaces the oldest. `n`: how often. What a
 * thread has taken from the queue and not yet begun to store is counted as waiting.
 */
function findFullLength(
  recording: Recording,
): { readonly value: number; readonly n: number } | undefined {
  const { a, kind, length } = recording
  const gates = readGates(recording)
  const waiting = new Set<number>()
  const comings: number[] = []
  const refused: number[] = []
  for (let i = 0; i < length; i++) {
    const entry = a[i] ?? 0
    const gate = gates[i] ?? 0
    if (kind[i] === EVENT.store) waiting.delete(entry)
    if (gate === 0) continue
    const others = waiting.size
    comings[others] = (comings[others] ?? 0) + 1
    if (gate !== QUEUED) refused[others] = (refused[others] ?? 0) + 1
    if ((gate & QUEUED) !== 0) waiting.add(entry)
  }
  let value = 0
  for (const [others, n] of refused.entries()) if ((n ?? 0) > (refused[value] ?? 0)) value = others
  const n = refused[value] ?? 0
  return n < OFTEN_FULL || n < MOST * (comings[value] ?? 0) ? undefined : { value, n }
}

/** What became of a folio at the gate of a thread that queues: it may be queued and have displaced another. */
const QUEUED = 1
const DISPLACING = 2
const KEPT = 4

/** Flags by event, 0 at all but those gates. */
function readGates({ a, kind, length, tid }: Recording): Uint8Array {
  const flags = new Uint8Array(length)
  const givers = new Set<number>()
  const given = new Map<number, number>()
  const atGate = new Map<number, number>()
  for (let i = 0; i < length; i++) {
    const entry = a[i] ?? 0
    const by = tid[i] ?? 0
    if (kind[i] === EVENT.gate) {
      given.set(entry, i)
      atGate.set(by, i)
    } else if (kind[i] === EVENT.gateReturn) atGate.delete(by)
    else if (kind[i] === EVENT.store) {
      const gate = given.get(entry)
      const own = atGate.get(by)
      given.delete(entry)
      if (gate === undefined || gate === own) continue
      flags[gate] = (flags[gate] ?? 0) | QUEUED
      givers.add(tid[gate] ?? 0)
      if (own !== undefined) flags[own] = (flags[own] ?? 0) | DISPLACING
    }
  }
  for (let i = 0; i < length; i++)
    if (kind[i] === EVENT.gate && givers.has(tid[i] ?? 0) && flags[i] === 0) flags[i] = KEPT
  return flags
}
