import type { Command } from 'commander'
import { type Overview, registerOverview } from './overview.ts'
import type { ReadingOptions } from './reading.ts'

export interface PoolOptions extends ReadingOptions {
  readonly by?: string
  readonly sizes?: string
  readonly allocator?: string
  readonly chain?: string
  readonly pageSize?: string
}

const POOL_OVER_TIME = `
SELECT s.trace_id, s.run_id, s.label, (m.ts_ns - s.first_ns) // 1000000000 AS second,
  max(CASE m.name WHEN 'pool_pages' THEN m.value WHEN 'mm_stat.mem_used_total' THEN m.value / s.page_size END) AS pool_pages,
  max(m.value) FILTER (m.name IN ('pool_bytes', 'mm_stat.compr_data_size')) AS stored_bytes,
  stored_bytes / (pool_pages * any_value(s.page_size)) AS density_share
FROM samples m
JOIN subjects s ON s.trace_id = m.trace_id AND s.run_id IS NOT DISTINCT FROM m.run_id
WHERE m.name IN ('pool_pages', 'pool_bytes', 'mm_stat.mem_used_total', 'mm_stat.compr_data_size')
GROUP BY ALL HAVING pool_pages > 0
ORDER BY s.trace_id, s.run_id NULLS FIRST, second`

const POOL: Overview = {
  description:
    'Where swapped-out pages went (zram, zswap, disk, same, zero), how long a swap-out took, and what was sampled of the ' +
    'pool. Compressed sizes of a recording are those the kernel reported; those of a run come from real compression. ' +
    'With --sizes: what a list of object sizes costs in pages of an allocator; no database is read.',
  shown: ['place', 'cost', 'move', 'sample'],
  aspects: [
    {
      name: 'place',
      title: 'Places',
      sql: 'SELECT * FROM pool_places',
      empty: 'no swap-out was recorded',
    },
    {
      name: 'cost',
      title: 'Time of a swap-out (wall clock)',
      sql: 'SELECT * FROM swapout_costs',
      empty: 'no swap-out was recorded',
    },
    {
      name: 'move',
      title: 'Moves after the store',
      sql: 'SELECT * FROM pool_move_summary',
      empty: 'none',
    },
    {
      name: 'sample',
      title: 'Samples',
      sql: 'SELECT * FROM pool_samples',
      empty: 'the pool was not sampled',
    },
    {
      name: 'class',
      title: 'Size classes of the pool, at their last sample',
      sql: 'SELECT * FROM pool_classes',
      empty: 'the classes of the pool were not sampled',
    },
    {
      name: 'time',
      title: 'Pool over time, in steps of a second',
      sql: POOL_OVER_TIME,
      empty: 'the pool was not sampled',
    },
    {
      name: 'rate',
      title: 'Pages per second',
      sql: 'SELECT * FROM swap_rates',
      empty: 'no swap-out was recorded',
    },
  ],
  examples: `
pstrace pool
pstrace pool --run last --by move
pstrace pool --by class --run last
pstrace pool --by rate --format csv
pstrace pool --sizes sizes.csv --allocator zsmalloc --chain 8`,
}

export function register(command: Command): void {
  command
    .option(
      '--sizes <file>',
      'sizes in bytes, one a line, or CSV with a column stored_bytes or compressed_bytes; - for standard input',
    )
    .option('--allocator <name>', 'with --sizes: zsmalloc, zbud or z3fold (default: zsmalloc)')
    .option('--chain <n>', 'with --sizes: pages that zsmalloc chains (default: 8; before 6.3: 4)')
    .option('--page-size <bytes>', 'with --sizes: bytes of a page (default: 4096)')
  registerOverview(command, POOL, async (options: PoolOptions) => {
    if (options.sizes === undefined) return false
    const { printSizes } = await import('./pool-sizes.ts')
    await printSizes(options.sizes, options)
    return true
  })
}
