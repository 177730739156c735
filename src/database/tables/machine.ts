import { NODE, SWAP_TYPE, TASK_ID, TS } from './columns.ts'
import { column, type TableDefinition } from './definition.ts'

/** The machine under the recording or run: memory, swap areas, block devices, and values sampled over time. */

export const ZONES: TableDefinition = {
  name: 'zones',
  comment: 'Memory zones with their watermarks, in pages.',
  scope: 'trace',
  columns: [
    NODE,
    column('zone', 'VARCHAR', 'Zone name, e.g. Normal.'),
    column('start_pfn', 'BIGINT', 'First page frame number.'),
    column('spanned', 'BIGINT', 'Pages spanned, holes included.'),
    column('managed', 'BIGINT', 'Pages managed by the allocator.'),
    column('wmark_min', 'BIGINT', 'Watermark min, pages: below it tasks reclaim for themselves.'),
    column('wmark_low', 'BIGINT', 'Watermark low, pages: below it kswapd is woken.'),
    column('wmark_high', 'BIGINT', 'Watermark high, pages: above it kswapd sleeps.'),
    column('basis', 'VARCHAR', 'snapshot (read from zoneinfo) or inferred.'),
  ],
}

export const SWAP_DEVICES: TableDefinition = {
  name: 'swap_devices',
  comment: 'Swap areas of the recorded machine.',
  scope: 'trace',
  columns: [
    SWAP_TYPE,
    column('device', 'VARCHAR', 'Device or file.'),
    column('kind', 'VARCHAR', 'zram, disk or file.'),
    column('size_pages', 'BIGINT', 'Size in pages.'),
    column('priority', 'INTEGER', 'Priority as in /proc/swaps.'),
  ],
}

export const BLOCK_IOS: TableDefinition = {
  name: 'block_ios',
  comment: 'Requests to block devices.',
  scope: 'run',
  columns: [
    column('device', 'VARCHAR', 'major:minor.'),
    column('sector', 'BIGINT', 'First 512-byte sector.'),
    column('sectors', 'BIGINT', 'Number of sectors.'),
    column('op', 'VARCHAR', 'Operation flags (rwbs).'),
    column('issue_ns', 'BIGINT', 'Queued or issued, ns.'),
    column('complete_ns', 'BIGINT', 'Completed, ns.'),
    TASK_ID,
  ],
}

export const SAMPLES: TableDefinition = {
  name: 'samples',
  comment: 'Values sampled over time, one row per name and moment.',
  scope: 'run',
  columns: [
    TS,
    NODE,
    column(
      'name',
      'VARCHAR',
      'What was sampled: free_pages, queued, pool_pages, pool_bytes, vmstat.NAME, mm_stat.NAME, psi.NAME, ...',
    ),
    column('value', 'DOUBLE', "Value, in the name's own unit (pages, bytes, counts)."),
  ],
}
