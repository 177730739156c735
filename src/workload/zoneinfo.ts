import { type Shares, sumByNode } from './nodes.ts'
import type { Recording } from './recording.ts'

/** What /proc/zoneinfo says of one zone (mm/vmstat.c zoneinfo_show_print). */
export interface ZoneText {
  readonly node: number
  readonly zone: string
  readonly text: string
}

/** Zones in the order in which they are listed. */
export function listZones(zoneinfo: string): readonly ZoneText[] {
  return zoneinfo.split(/^(?=Node )/m).flatMap((text) => {
    const [, node, zone] = /^Node (\d+), zone\s+(\S+)/.exec(text) ?? []
    return node === undefined || zone === undefined ? [] : [{ node: Number(node), zone, text }]
  })
}

/** A number of the zone, or of its node in the first zone's text, by its name there; 0 = it is not told. */
export function countOf(text: string, name: string): number {
  return Number(new RegExp(`^\\s+${name}\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

/** What a replay has of a zone: free pages, and those on lists of reclaim. */
const USABLE = [
  'nr_free_pages',
  'nr_zone_inactive_anon',
  'nr_zone_active_anon',
  'nr_zone_inactive_file',
  'nr_zone_active_file',
]

/**
 * Pages of each node that are free or on the LRU, before the trace: what the kernel took for itself as it started does not lie on the nodes in
 * proportion. All of its memory where no snapshot tells.
 */
export function usableByNode({ zones, snapshot }: Pick<Recording, 'zones' | 'snapshot'>): Shares {
  const managed = sumByNode(zones, (zone) => zone.managed)
  const text = snapshot['zoneinfo.before']
  if (typeof text !== 'string') return managed
  const usable = new Map<number, number>()
  for (const zone of listZones(text)) {
    const pages = USABLE.reduce((sum, name) => sum + countOf(zone.text, name), 0)
    usable.set(zone.node, (usable.get(zone.node) ?? 0) + pages)
  }
  const told = [...managed.keys()].map((node) => [node, usable.get(node) ?? 0] as const)
  return told.every(([, pages]) => pages > 0) ? new Map(told) : managed
}
