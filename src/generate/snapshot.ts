import type { GeneratedTruth } from './generate.ts'
import type { Scenario } from './scenario.ts'

const PAGE_KIB = 4

/** What a recording script saves beside a trace, by file name: the scenario's zones and swap devices, and the counters before and after. */
export function snapshotFiles(scenario: Scenario, truth: GeneratedTruth): Map<string, string> {
  const files = new Map([
    ['zoneinfo.before', zoneinfo(scenario)],
    ['swaps.before', swaps(scenario)],
  ])
  const { tables } = truth
  if (tables === undefined) return files
  const direct = tables['reclaim_spans']?.filter(({ kind }) => kind === 'direct') ?? []
  const counters: readonly (readonly [string, number])[] = [
    ['pswpin', tables['swapins']?.length ?? 0],
    ['pswpout', tables['swapouts']?.length ?? 0],
    ['allocstall_normal', direct.length],
    ['nr_vmscan_write', tables['swapouts']?.length ?? 0],
  ]
  const lines = (value: (counted: number) => number) =>
    counters.map(([name, counted]) => `${name} ${value(counted)}\n`).join('')
  files.set(
    'vmstat.before',
    lines(() => BOOT_COUNT),
  )
  files.set(
    'vmstat.after',
    lines((counted) => BOOT_COUNT + counted),
  )
  return files
}

/** What had been counted since boot when the recording began. */
const BOOT_COUNT = 1000

/** /proc/zoneinfo, mm/vmstat.c zoneinfo_show_print() of 6.12; only what tells zones and watermarks. */
function zoneinfo({ zones }: Scenario): string {
  return zones
    .map(
      (zone) =>
        `Node ${zone.node}, zone ${zone.name.padStart(8)}\n  pages free     ${zone.high}\n` +
        `        min      ${zone.min}\n        low      ${zone.low}\n        high     ${zone.high}\n` +
        `        spanned  ${zone.spanned}\n        present  ${zone.spanned}\n        managed  ${zone.managed}\n` +
        `  start_pfn:           ${zone.startPfn}\n`,
    )
    .join('')
}

/** /proc/swaps, mm/swapfile.c swap_show() of 6.12. */
function swaps({ swapDevices }: Scenario): string {
  const rows = [...swapDevices]
    .sort((a, b) => a.swapType - b.swapType)
    .map(
      ({ device, kind, sizePages, priority }) =>
        `${device.padEnd(39)} ${kind === 'file' ? 'file     ' : 'partition'}\t${sizePages * PAGE_KIB}\t\t0\t\t${priority}\n`,
    )
  return `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${rows.join('')}`
}
