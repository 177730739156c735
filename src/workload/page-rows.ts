import { readCounter, snapshotText } from './machine.ts'
import { spreadPages, sumByNode } from './nodes.ts'
import type { StoreList } from './page-events.ts'
import { type RecordedZone, type Recording, UNSEEN_ENTRIES } from './recording.ts'
import { PAGE_FILLS, PAGE_KINDS, type WorkloadPages } from './types.ts'
import { findUnmapped, type ToldUnmapped } from './unmapped-pages.ts'

interface PageParts {
  readonly stores: StoreList
  readonly identities: {
    readonly length: number
    readonly resident: number
    readonly nodeAtStart: Uint8Array
    readonly inSwap: number
    readonly ofStore: Int32Array
    readonly ofTouch: Int32Array
    readonly folio: Int32Array | undefined
  }
  readonly isUnmapped: ToldUnmapped
  readonly allocations: { readonly length: number; readonly task: Int32Array }
  readonly recording: Recording
  readonly nodes: readonly RecordedZone[]
  /** Pages of the page cache at the start: the last ones, after those in swap. */
  readonly cached: number
}

/** Known pages by their identities, then the page cache of the start. */
export function buildPages(parts: PageParts): WorkloadPages {
  const { identities, allocations, stores, cached } = parts
  const { length: known } = identities
  const length = known + cached
  const owner = new Int32Array(length).fill(-1)
  for (let n = 0; n < allocations.length; n++)
    owner[identities.resident + n] = allocations.task[n] ?? -1
  const residentAtStart = new Uint8Array(length).fill(1, 0, identities.resident).fill(1, known)
  const swappedAtStart = new Uint8Array(length).fill(1, known - identities.inSwap, known)
  const slot = new Float64Array(length).fill(-1)
  const fill = new Uint8Array(length)
  // Pages never seen in reclaim lie on the nodes in proportion to their memory.
  const node = spreadPages(
    length,
    sumByNode(parts.nodes, (zone) => zone.managed),
  )
  node.set(identities.nodeAtStart)
  const zero = PAGE_FILLS.indexOf('zero')
  const data = PAGE_FILLS.indexOf('data')
  stores.list.forEach((store, index) => {
    const page = identities.ofStore[index] ?? -1
    if (page < 0 || (slot[page] ?? 0) >= 0) return
    if (store.entry < UNSEEN_ENTRIES) slot[page] = store.entry % SLOT_SPAN
    fill[page] = store.isSame ? zero : data
    node[page] = store.node
  })
  const kind = new Uint8Array(length).fill(PAGE_KINDS.indexOf('anon'))
  markShared(kind, parts)
  kind.fill(PAGE_KINDS.indexOf('file'), known)
  return {
    length,
    node,
    kind,
    ...foliosOf(identities.folio, length),
    fill,
    slot,
    owner,
    residentAtStart,
    swappedAtStart,
    recordedBytes: new Int32Array(length).fill(-1),
  }
}

/** Shared memory of the start: tmpfs, the root file system in memory. Where its pages do not show, it is older than what was allocated since. */
function markShared(kind: Uint8Array, parts: PageParts): void {
  const { identities, isUnmapped, recording, stores } = parts
  const shmem = PAGE_KINDS.indexOf('shmem')
  if (isUnmapped.size === 0) {
    kind.fill(shmem, 0, Math.min(sharedPages(recording), identities.resident))
    return
  }
  findUnmapped(stores.list, isUnmapped, identities).forEach((isShared, page) => {
    if (isShared === 1) kind[page] = shmem
  })
}

/** Orders of the folios by their first pages; of the others only what they begin with. */
function foliosOf(
  known: Int32Array | undefined,
  length: number,
): Pick<WorkloadPages, 'order' | 'folio'> {
  const order = new Uint8Array(length)
  if (known === undefined) return { order }
  const folio = new Int32Array(length).fill(-1)
  folio.set(known)
  const pages = new Uint32Array(length)
  for (const first of known) if (first >= 0) pages[first] = (pages[first] ?? 0) + 1
  pages.forEach((count, first) => {
    if (count > 0) order[first] = Math.log2(count)
  })
  return { order, folio }
}

/** Offsets of one swap device lie below this (RecordedEntry = type * 2^40 + offset). */
const SLOT_SPAN = 2 ** 40

/** Pages of shared memory that reclaim can meet at the start: those locked in memory are on no list of it. */
function sharedPages(recording: Recording): number {
  const shared = readCounter(recording, 'vmstat.nr_shmem')
  const locked = readCounter(recording, 'vmstat.nr_unevictable')
  // What is locked may be anonymous too, but what left was not locked.
  if (shared !== undefined)
    return Math.max(0, shared.first - (locked?.last ?? 0), shared.first - shared.last)
  const text = snapshotText(recording, 'zoneinfo.before')
  let sum = 0
  for (const match of (text ?? '').matchAll(/^\s+nr_shmem\s+(\d+)/gm)) sum += Number(match[1])
  return sum
}

/** A folio is met by its first page. */
export function buildStream(
  stores: number,
  identities: {
    readonly length: number
    readonly inSwap: number
    readonly ofStore: Int32Array
    readonly folio: Int32Array | undefined
  },
  cached: number,
): Uint32Array {
  const met = new Uint8Array(identities.length)
  identities.folio?.forEach((first, page) => {
    if (first >= 0 && first !== page) met[page] = 1
  })
  const stream: number[] = []
  for (let k = 0; k < stores; k++) {
    const page = identities.ofStore[k] ?? -1
    if (page < 0 || met[page] === 1) continue
    met[page] = 1
    stream.push(page)
  }
  for (let page = 0; page < identities.length - identities.inSwap; page++)
    if (met[page] === 0) stream.push(page)
  for (let page = 0; page < cached; page++) stream.push(identities.length + page)
  return Uint32Array.from(stream)
}
