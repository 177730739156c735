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
