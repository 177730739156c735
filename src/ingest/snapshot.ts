/** Of the files beside a trace, the copy of /proc/kallsyms (or of its lines that matter). */
export const SYMBOLS_FILE = 'kallsyms'

/** One zone of /proc/zoneinfo, in pages. */
export interface ZoneSnapshot {
  readonly node: number
  readonly zone: string
  readonly startPfn: number
  readonly spanned: number
  readonly managed: number
  readonly min: number
  readonly low: number
  readonly high: number
}

export interface SwapDeviceSnapshot {
  readonly device: string
  readonly kind: 'zram' | 'disk' | 'file'
  readonly sizeKib: number
  readonly priority: number
}

/** The files recorded beside a trace, by file name. */
export type SnapshotFiles = ReadonlyMap<string, string>

/** /proc/zoneinfo: zones with managed pages. */
export function parseZoneinfo(text: string): ZoneSnapshot[] {
  const zones: ZoneSnapshot[] = []
  for (const part of text.split(/^(?=Node )/m)) {
    const head = /^Node (\d+), zone\s+(\S+)/.exec(part)
    if (head === null) continue
    const number = (name: string): number => {
      const found = new RegExp(`^\\s+${name}:?\\s+(\\d+)`, 'm').exec(part)
      return found === null ? Number.NaN : Number(found[1])
    }
    const zone = {
      node: Number(head[1]),
      zone: head[2] ?? '',
      startPfn: number('start_pfn'),
      spanned: number('spanned'),
      managed: number('managed'),
      min: number('min'),
      low: number('low'),
      high: number('high'),
    }
    if (zone.managed > 0) zones.push(zone)
  }
  return zones
}

/** The swap devices of /proc/swaps, in the order of swap types; as they were after the recording where that was saved. */
export function swapDevicesOf(files: SnapshotFiles): SwapDeviceSnapshot[] {
  const text = files.get('swaps.after') ?? files.get('swaps.before') ?? ''
  const devices: SwapDeviceSnapshot[] = []
  for (const line of text.split('\n').slice(1)) {
    const found = /^(\S+)\s+(partition|file)\s+(\d+)\s+\d+\s+(-?\d+)/.exec(line)
    if (found === null) continue
    const device = found[1] ?? ''
    const kind = /zram\d+$/.test(device) ? 'zram' : found[2] === 'file' ? 'file' : 'disk'
    devices.push({ device, kind, sizeKib: Number(found[3]), priority: Number(found[4]) })
  }
  return devices
}

/** `name value` or `path/name:value` lines: /proc/vmstat, parameters read with grep. */
export function parseCounters(text: string): Map<string, string> {
  const counters = new Map<string, string>()
  for (const line of text.split('\n')) {
    const found = /^(?:.*\/)?([\w.]+)(?::|\s+)\s*(\S+)$/.exec(line.trim())
    if (found !== null) counters.set(found[1] ?? '', found[2] ?? '')
  }
  return counters
}

/** Difference of a counter between vmstat.before and vmstat.after; undefined when either lacks it. */
export function vmstatDelta(files: SnapshotFiles, name: string): number | undefined {
  const before = parseCounters(files.get('vmstat.before') ?? '').get(name)
  const after = parseCounters(files.get('vmstat.after') ?? '').get(name)
  return before === undefined || after === undefined ? undefined : Number(after) - Number(before)
}

/** Columns of zram's mm_stat (Documentation/admin-guide/blockdev/zram.rst); older kernels have fewer. */
export const MM_STAT = [
  'orig_data_size',
  'compr_data_size',
  'mem_used_total',
  'mem_limit',
  'mem_used_max',
  'same_pages',
  'pages_compacted',
  'huge_pages',
  'huge_pages_since',
] as const

/** A table whose first line names columns separated by tabs or spaces; the first is the time in ns. */
export function parseSamples(text: string): {
  names: readonly string[]
  rows: readonly number[][]
} {
  const [head = '', ...lines] = text.split('\n')
  const names = head.trim().split(/\s+/)
  const rows = lines
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/).map(Number))
  return { names, rows }
}
