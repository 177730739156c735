import { DEFAULT_LOSSES, type Losses } from '../model/losses.ts'
import { RECLAIM_WB_ANON } from '../model/lru.ts'
import { counterRise } from './machine.ts'
import { RECLAIM_FILE } from './page-cache.ts'
import {
  EVENT,
  type EventKind,
  isAnonWrite,
  LOST_TID,
  pagesOfEvent,
  type RecordedGap,
  type Recording,
  RecordingBuilder,
  UNSEEN_ENTRIES,
} from './recording.ts'
import { eventAt } from './work-share.ts'

/** A recording in which every page that reclaim took has an event. */
export interface WithLostStores {
  readonly recording: Recording
  /** Swap-outs that no event tells of. */
  readonly lost: number
}

/** Pages that the counters have and the events have not. */
interface Lost {
  readonly stores: number
  readonly anon: number
  readonly file: number
}

/** Events of one page's way out: into the gate and out of it. */
const EVENTS_OF_STORE = 2
/** Pages that one batch frees at most; that many are taken back at once. */
const BATCH = 32

/**
 * Where events were lost, counters tell how many pages went out meanwhile. Without them the memory that they gave, and the pool that they
 * took, would be missing from the balance from then on. They are spread over the gaps as the lost events are, evenly within each. The
 * extremes are for who doubts the counters, or has none: nothing, and as if every lost event had been one of a page that went out.
 */
export function withLostStores(
  recording: Recording,
  losses: Losses = DEFAULT_LOSSES,
): WithLostStores {
  const gaps = (recording.gaps ?? []).filter(({ events }) => (events ?? 0) > 0)
  const hidden = gaps.reduce((sum, { events }) => sum + (events ?? 0), 0)
  const room = Math.floor(hidden / EVENTS_OF_STORE)
  const lost = losses === 'most' ? mostLost(room) : countLost(recording)
  const count = losses === 'least' ? 0 : Math.min(lost.stores, room)
  if (count === 0) return { recording, lost: 0 }
  const times = spread(gaps, hidden, count)
  const entries = findEntries(recording, times)
  const builder = new RecordingBuilder()
  builder.addAll(recording, (i) => recording.c[i] ?? 0)
  const hasGate = recording.kind.includes(EVENT.gate)
  const ofFile = lost.file / count
  const ofAnon = Math.min(count, lost.anon) / count
  let file = 0
  let anon = 0
  times.forEach(({ ns, cpu }, n) => {
    const at = eventAt(recording, ns) - 1
    const add = (kind: EventKind, a: number, b: number, c: number, step: number): void =>
      builder.add(at + (4 * n + step) / (4 * count + 4), kind, ns, cpu, LOST_TID, a, b, c, 0)
    const entry = entries[n] ?? UNSEEN_ENTRIES
    if (hasGate) add(EVENT.gate, entry, 0, 0, 1)
    add(EVENT.written, 0, RECLAIM_WB_ANON, entry >= UNSEEN_ENTRIES ? entry : 0, 2)
    anon += ofAnon
    file += ofFile
    if ((n + 1) % BATCH !== 0 && n + 1 < count) return
    add(EVENT.batchEnd, Math.round(anon), Math.round(anon), RECLAIM_WB_ANON, 3)
    if (file >= 1) add(EVENT.batchEnd, Math.round(file), Math.round(file), RECLAIM_FILE, 4)
    anon -= Math.round(anon)
    file -= Math.round(file)
  })
  return { recording: { ...recording, ...builder.finish() }, lost: count }
}

/** Each page that went out was freed. */
function mostLost(stores: number): Lost {
  return { stores, anon: stores, file: 0 }
}

function countLost(recording: Recording): Lost {
  const rise = (name: string): number => counterRise(recording, `vmstat.${name}`) ?? 0
  let stores = 0
  let anon = 0
  let file = 0
  for (let i = 0; i < recording.length; i++)
    if (isAnonWrite(recording, i)) stores++
    // Written once, with all its pages.
    else if (recording.kind[i] === EVENT.gate) stores += pagesOfEvent(recording, i) - 1
    else if (recording.kind[i] === EVENT.batchEnd) {
      const reclaimed = recording.b[i] ?? 0
      if (((recording.c[i] ?? 0) & RECLAIM_FILE) === 0) anon += reclaimed
      else file += reclaimed
    }
  const out = rise('pswpout') + rise('zswpout') + rise('swpout_zero') - rise('zswpwb')
  return {
    stores: Math.max(0, out - stores),
    anon: Math.max(0, rise('pgsteal_anon') - anon),
    file: Math.max(0, rise('pgsteal_file') - file),
  }
}

interface Moment {
  readonly ns: number
  readonly cpu: number
}

function spread(gaps: readonly RecordedGap[], hidden: number, count: number): Moment[] {
  const moments: Moment[] = []
  let due = 0
  for (const { cpu, startNs, endNs, events } of gaps) {
    due += ((events ?? 0) * count) / hidden
    const here = Math.round(due) - moments.length
    for (let n = 0; n < here; n++)
      moments.push({ ns: Math.round(startNs + ((endNs - startNs) * (n + 0.5)) / here), cpu })
  }
  return moments.sort((x, y) => x.ns - y.ns)
}

/** Entries that were read later without having been stored before are those of lost stores; what nobody read gets one that is no other's. */
function findEntries(recording: Recording, times: readonly Moment[]): number[] {
  const stored = new Set<number>()
  const read: { ns: number; entry: number }[] = []
  for (let i = 0; i < recording.length; i++) {
    const kind = recording.kind[i]
    if (kind !== EVENT.gate && kind !== EVENT.read) continue
    const first = recording.a[i] ?? 0
    const last = first + pagesOfEvent(recording, i)
    for (let entry = first; entry < last; entry++)
      if (kind === EVENT.gate) stored.add(entry)
      else if (!stored.delete(entry)) read.push({ ns: recording.ns[i] ?? 0, entry })
  }
  let next = 0
  return times.map(({ ns }, n) => {
    while (next < read.length && (read[next]?.ns ?? 0) <= ns) next++
    return read[next++]?.entry ?? UNSEEN_ENTRIES + n
  })
}
