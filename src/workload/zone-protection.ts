import { countOf, listZones } from './zoneinfo.ts'

/**
 * Pages that each zone keeps from allocations which could use the highest zone with memory of its node, by node and zone
 * ("0/DMA"), from /proc/zoneinfo; zones that keep none are left out. The numbers of "protection" (mm/vmstat.c
 * zoneinfo_show_print, lowmem_reserve) are by zone, in the order in which the node's zones are listed.
 */
export function readReserves(zoneinfo: string): Map<string, number> {
  const nodes = new Map<number, { zone: string; managed: number; protection: number[] }[]>()
  for (const { node, zone, text } of listZones(zoneinfo)) {
    const managed = countOf(text, 'managed')
    const protection = /^\s+protection: \(([\d, ]+)\)/m.exec(text)?.[1]?.split(',').map(Number)
    const zones = nodes.get(node) ?? []
    zones.push({ zone, managed, protection: protection ?? [] })
    nodes.set(node, zones)
  }
  const reserves = new Map<string, number>()
  for (const [node, zones] of nodes) {
    const highest = zones.findLastIndex(({ managed }) => managed > 0)
    for (const { zone, managed, protection } of zones) {
      const reserve = protection[highest] ?? 0
      if (managed > 0 && reserve > 0) reserves.set(`${node}/${zone}`, reserve)
    }
  }
  return reserves
}
