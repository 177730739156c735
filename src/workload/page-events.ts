import type { TaskClock } from './clocks.ts'
import { hasSeveralNodes } from './nodes.ts'
import type { StoredPage, TouchedPage } from './pages.ts'
import {
  EVENT,
  entryOfWrite,
  isAnonWrite,
  pagesOfEvent,
  type RecordedZone,
  type Recording,
} from './recording.ts'

/** A page's node, by the zone whose range has its pfn; outside of all ranges it is that of the kswapd which met it, or 0. */
export function nodeFinder(
  recording: Recording,
  zones: readonly RecordedZone[],
): (event: number, pfn: number) => number {
  const ranged = zones.filter((zone) => zone.startPfn >= 0 && zone.spanned > 0)
  const several = hasSeveralNodes(zones)
  return (event, pfn) => {
    if (!several) return zones[0]?.node ?? 0
    for (const zone of ranged)
      if (pfn >= zone.startPfn && pfn < zone.startPfn + zone.spanned) return zone.node
    const match = /^kswapd(\d+)$/.exec(recording.tasks.get(recording.tid[event] ?? 0)?.comm ?? '')
    return match === null ? 0 : Number(match[1])
  }
}

export interface ListedStore extends StoredPage {
  readonly event: number
}

export interface StoreList {
  readonly list: readonly ListedStore[]
}

/** Every page that reclaim gave to the gate, in order, whoever stored it later; those of a folio one after the other. */
export function listStores(
  recording: Recording,
  stores: {
    readonly length: number
    readonly event: Uint32Array
    readonly entry: Float64Array
    readonly isSame: Uint8Array
  },
  startEvent: number,
  nodeOf: (event: number, pfn: number) => number,
): StoreList {
  const sameAt = new Set<number>()
  for (let k = 0; k < stores.length; k++)
    if (stores.isSame[k] === 1) sameAt.add(stores.event[k] ?? 0)
  const list: ListedStore[] = []
  const gate = new Map<number, number>()
  const forMemcg = new Set<number>()
  const whose = (tid: number) => (forMemcg.has(tid) ? { forMemcgOf: tid } : {})
  for (let i = startEvent; i < recording.length; i++) {
    const kind = recording.kind[i]
    const tid = recording.tid[i] ?? 0
    if (kind === EVENT.memcgBegin) forMemcg.add(tid)
    else if (kind === EVENT.memcgEnd) forMemcg.delete(tid)
    else if (kind === EVENT.gate) {
      gate.set(tid, list.length)
      const folioPages = pagesOfEvent(recording, i)
      for (let part = 0; part < folioPages; part++)
        list.push({
          event: i,
          ns: recording.ns[i] ?? 0,
          entry: (recording.a[i] ?? 0) + part,
          isSame: sameAt.has(i),
          node: 0,
          ...whose(tid),
          ...(folioPages > 1 ? { part, folioPages } : {}),
        })
    } else if (kind === EVENT.written) {
      const row = gate.get(tid)
      const stored = row === undefined ? undefined : list[row]
      if (row !== undefined && stored !== undefined) {
        const node = nodeOf(i, recording.a[i] ?? 0)
        if (node !== 0) {
          const end = row + (stored.folioPages ?? 1)
          for (let at = row; at < end; at++) list[at] = { ...(list[at] ?? stored), node }
        }
      } else if (row === undefined && isAnonWrite(recording, i))
        // Without a probe on the gate the write event is all there is.
        list.push({
          event: i,
          ns: recording.ns[i] ?? 0,
          entry: entryOfWrite(recording, i),
          isSame: sameAt.has(i),
          node: nodeOf(i, recording.a[i] ?? 0),
          ...whose(tid),
        })
      gate.delete(tid)
    }
  }
  return { list }
}

/** A folio lies at a multiple of its size. */
function addressOfPart(address: number, folioPages: number, part: number): number {
  if (address < 0 || folioPages === 1) return address
  return folioPages * Math.floor(address / folioPages) + part
}

export interface Touch extends TouchedPage {
  readonly own: number
}

/**
 * Swap-ins, and faults on pages whose content was still in memory (queued, or stored and not yet freed): those read nothing, so only
 * their address tells which page it was.
 */
export function listTouches(
  recording: Recording,
  clocks: ReadonlyMap<number, TaskClock>,
  rows: ReadonlyMap<number, number>,
  startEvent: number,
): Touch[] {
  const touches: Touch[] = []
  const next = new Map<number, number>()
  const faults = new Map<number, { address: number; hasRead: boolean; givesSlot: boolean }>()
  const tellsSlots = recording.kind.includes(EVENT.slotFree)
  for (let i = startEvent; i < recording.length; i++) {
    const kind = recording.kind[i]
    const tid = recording.tid[i] ?? 0
    const ns = recording.ns[i] ?? 0
    const row = rows.get(tid) ?? -1
    const clock = row < 0 ? undefined : clocks.get(tid)
    const space = recording.tasks.get(tid)?.tgid ?? -1
    if (kind === EVENT.fault)
      faults.set(tid, { address: recording.a[i] ?? -1, hasRead: false, givesSlot: false })
    else if (kind === EVENT.slotFree) {
      const fault = faults.get(tid)
      if (fault !== undefined) fault.givesSlot = true
    } else if (kind === EVENT.faultReturn) {
      const fault = faults.get(tid)
      faults.delete(tid)
      if (fault === undefined || fault.hasRead || clock === undefined) continue
      const { address, givesSlot } = fault
      touches.push({
        ...{ ns, entry: -1, space, address, task: row, node: 0, own: clock.ownAt(ns) },
        ...(tellsSlots ? { givesSlot } : {}),
      })
    } else if (kind === EVENT.read) {
      const fault = faults.get(tid)
      if (fault !== undefined) fault.hasRead = true
      let own = 0
      let address = -1
      if (clock !== undefined) {
        const at = next.get(tid) ?? 0
        if (clock.readEvent.at(at) === i) {
          own = clock.readOwn.at(at)
          address = clock.readAddress.at(at)
          next.set(tid, at + 1)
        }
      }
      const folioPages = pagesOfEvent(recording, i)
      for (let part = 0; part < folioPages; part++)
        touches.push({
          ns,
          entry: (recording.a[i] ?? 0) + part,
          space,
          address: addressOfPart(address, folioPages, part),
          task: row,
          node: 0,
          own,
        })
    }
  }
  return touches
}
