import type { EventFormat } from '../../parsers/batch.ts'
import type { TraceReader } from '../../parsers/reader.ts'
import {
  MM_STAT,
  parseCounters,
  parseSamples,
  parseZoneinfo,
  type SnapshotFiles,
  swapDevicesOf,
  vmstatDelta,
} from './snapshot.ts'
import type { Tables } from './tables.ts'

const DEFAULT_PAGE_BYTES = 4096

export interface MachineOptions {
  readonly files: SnapshotFiles
  readonly reader: TraceReader
  readonly startNs: number
  readonly endNs: number
  readonly counts: ReadonlyMap<EventFormat, number>
}

/** What is known of the machine from the files beside the trace: zones, swap devices, samples, layouts. */
export function addMachine(
  tables: Tables,
  options: MachineOptions,
): { nodes: number | undefined; vmscanWrites: number | undefined } {
  const { files, reader } = options
  const { buffers } = tables
  const zones = parseZoneinfo(files.get('zoneinfo.before') ?? files.get('zoneinfo.after') ?? '')
  for (const zone of zones) {
    const row = buffers.zones.add()
    buffers.zones.number(row, 'node', zone.node)
    buffers.zones.text(row, 'zone', zone.zone)
    buffers.zones.number(row, 'start_pfn', zone.startPfn)
    buffers.zones.number(row, 'spanned', zone.spanned)
    buffers.zones.number(row, 'managed', zone.managed)
    buffers.zones.number(row, 'wmark_min', zone.min)
    buffers.zones.number(row, 'wmark_low', zone.low)
    buffers.zones.number(row, 'wmark_high', zone.high)
    buffers.zones.text(row, 'basis', 'snapshot')
  }
  const pageBytes = reader.info.pageSize ?? DEFAULT_PAGE_BYTES
  swapDevicesOf(files).forEach((swap, type) => {
    const devices = buffers.swap_devices
    const row = devices.add()
    devices.number(row, 'swap_type', type)
    devices.text(row, 'device', swap.device)
    devices.text(row, 'kind', swap.kind)
    devices.number(row, 'size_pages', Math.floor((swap.sizeKib * 1024) / pageBytes))
    devices.number(row, 'priority', swap.priority)
  })
  addSamples(tables, options)
  addLayouts(tables, reader)
  const nodes = zones.length === 0 ? undefined : new Set(zones.map(({ node }) => node)).size
  return { nodes, vmscanWrites: vmstatDelta(files, 'nr_vmscan_write') }
}

function addSamples(tables: Tables, options: MachineOptions): void {
  const { files, reader, startNs, endNs, counts } = options
  const rows = tables.buffers.samples
  const add = (ts: number, name: string, value: number): void => {
    if (Number.isNaN(value)) return
    const row = rows.add()
    rows.number(row, 'ts_ns', ts)
    rows.text(row, 'name', name)
    rows.number(row, 'value', value)
  }
  for (const [name, value] of parseCounters(files.get('vmstat.before') ?? ''))
    add(startNs, `vmstat.${name}`, Number(value))
  for (const [name, value] of parseCounters(files.get('vmstat.after') ?? ''))
    add(endNs, `vmstat.${name}`, Number(value))
  // /proc/pressure/memory: microseconds since boot.
  for (const [file, ts] of [
    ['pressure.before', startNs],
    ['pressure.after', endNs],
  ] as const)
    for (const [, kind, total] of (files.get(file) ?? '').matchAll(/^(some|full) .*total=(\d+)$/gm))
      add(ts, `psi.memory.${kind}_ns`, Number(total) * 1000)
  const mmStat = (files.get('zram.mm_stat') ?? '').trim()
  if (mmStat !== '')
    mmStat.split(/\s+/).forEach((value, i) => {
      add(endNs, `mm_stat.${MM_STAT[i] ?? i}`, Number(value))
    })
  for (const [format, count] of counts) add(endNs, `events.${format.system}:${format.name}`, count)
  // The samples' clock is CLOCK_MONOTONIC: of use only in traces with that clock.
  if (reader.info.clock !== 'mono') return
  const { names, rows: samples } = parseSamples(files.get('samples.tsv') ?? '')
  const base = Number(reader.info.baseNs)
  for (const sample of samples) {
    const ts = (sample[0] ?? Number.NaN) - base
    for (let i = 1; i < names.length; i++)
      add(ts, sampleName(names[i] ?? ''), sample[i] ?? Number.NaN)
  }
}

function sampleName(name: string): string {
  if (name === 'nr_free_pages') return 'free_pages'
  return (MM_STAT as readonly string[]).includes(name) ? `mm_stat.${name}` : name
}

function addLayouts(tables: Tables, reader: TraceReader): void {
  const rows = tables.buffers.raw_fields
  for (const format of reader.formats) {
    for (const field of format.fields) {
      const row = rows.add()
      rows.text(row, 'system', format.system)
      rows.text(row, 'event', format.name)
      rows.text(row, 'field', field.name)
      rows.number(row, 'byte_offset', field.offset < 0 ? Number.NaN : field.offset)
      rows.number(row, 'size', field.size < 0 ? Number.NaN : field.size)
      rows.number(row, 'signed', field.signed ? 1 : 0)
      rows.text(row, 'type', field.type)
    }
  }
}
