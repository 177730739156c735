import type { DuckDBConnection } from '@duckdb/node-api'
import type { Metric } from './figure.ts'
import { readRows } from './query.ts'

/** Where pages went and came from below the swap slots, and what the tasks' own CPU time was spent on. */
export const PLACE_METRICS: readonly Metric[] = [
  {
    name: 'zswap_out_pages',
    title: 'stored in zswap (zswpout)',
    question: 'where do swapped-out pages go',
    unit: 'count',
    grows: true,
  },
  {
    name: 'zswap_in_pages',
    title: 'read from zswap (zswpin)',
    question: 'where do swap-ins find their page',
    unit: 'count',
    grows: true,
  },
  {
    name: 'disk_out_pages',
    title: 'written to the disk (pswpout)',
    question: 'where do swapped-out pages go',
    unit: 'count',
    grows: true,
  },
  {
    name: 'disk_in_pages',
    title: 'read from the disk (pswpin)',
    question: 'where do swap-ins find their page',
    unit: 'count',
    grows: true,
  },
  {
    name: 'written_back_pages',
    title: 'written back from the pool (zswpwb)',
    question: 'does the pool push pages out',
    unit: 'count',
    grows: true,
  },
  {
    name: 'rejected_pages',
    title: 'refused by the pool',
    question: 'does the pool refuse pages',
    unit: 'count',
    grows: true,
  },
  {
    name: 'recompressed_pages',
    title: 'recompressed',
    question: 'what does recompression reach',
    unit: 'count',
    grows: true,
  },
  {
    name: 'pool_memory_bytes',
    title: 'memory of the pool, peak',
    question: 'what does it cost in memory',
    unit: 'bytes',
  },
  {
    name: 'app_user_ns',
    title: 'CPU time of applications: own',
    question: 'what does it cost in CPU time',
    unit: 'ns',
  },
  {
    name: 'app_sys_ns',
    title: '  in faults and reclaim',
    question: 'what does it cost in CPU time',
    unit: 'ns',
  },
]

type PlaceValues = Readonly<Record<string, number | null>>

interface PlaceRow {
  readonly trace_id: number
  readonly run_id: number | null
  readonly values: PlaceValues
}

/** NULL where no backend of the kind took part. Needs the views. */
export async function readPlaces(connection: DuckDBConnection): Promise<readonly PlaceRow[]> {
  const rows = await readRows<Record<string, number | null>>(connection, PLACES_SQL)
  return rows.map(({ trace_id: traceId, run_id: runId, ...values }) => ({
    trace_id: traceId ?? 0,
    run_id: runId ?? null,
    values,
  }))
}

const PLACES_SQL = `
WITH outs AS (
  SELECT trace_id, run_id,
    count(*) FILTER (place = 'zswap') AS zswap, count(*) FILTER (place = 'disk') AS disk
  FROM swapouts GROUP BY ALL
),
ins AS (
  SELECT trace_id, run_id,
    count(*) FILTER (met = 'pool') AS pool, count(*) FILTER (met = 'disk') AS disk
  FROM swapins GROUP BY ALL
),
moves AS (
  SELECT trace_id, run_id,
    count(*) FILTER (reason = 'writeback') AS written,
    count(*) FILTER (reason = 'reject') AS rejected,
    count(*) FILTER (reason = 'recompress') AS recompressed
  FROM pool_moves GROUP BY ALL
),
pool AS (
  SELECT m.trace_id, m.run_id,
    max(CASE m.name WHEN 'pool_pages' THEN m.value * t.page_size ELSE m.value END) AS bytes
  FROM samples m JOIN traces t ON t.trace_id = m.trace_id
  WHERE m.name IN ('pool_pages', 'mm_stat.mem_used_total') GROUP BY ALL
),
counted AS (
  SELECT s.trace_id, s.run_id, coalesce(o.zswap, 0) AS zswap, coalesce(i.pool, 0) AS from_pool,
    coalesce(o.disk, 0) + coalesce(m.written, 0) AS to_disk, coalesce(i.disk, 0) AS from_disk,
    coalesce(m.written, 0) AS written, coalesce(m.rejected, 0) AS rejected,
    coalesce(m.recompressed, 0) AS recompressed, p.bytes
  FROM subjects s
  LEFT JOIN outs o ON o.trace_id = s.trace_id AND o.run_id IS NOT DISTINCT FROM s.run_id
  LEFT JOIN ins i ON i.trace_id = s.trace_id AND i.run_id IS NOT DISTINCT FROM s.run_id
  LEFT JOIN moves m ON m.trace_id = s.trace_id AND m.run_id IS NOT DISTINCT FROM s.run_id
  LEFT JOIN pool p ON p.trace_id = s.trace_id AND p.run_id IS NOT DISTINCT FROM s.run_id
)
SELECT trace_id, run_id,
  CASE WHEN zswap > 0 THEN zswap END AS zswap_out_pages,
  CASE WHEN zswap > 0 THEN from_pool END AS zswap_in_pages,
  CASE WHEN zswap > 0 OR to_disk + from_disk > 0 THEN to_disk END AS disk_out_pages,
  CASE WHEN zswap > 0 OR to_disk + from_disk > 0 THEN from_disk END AS disk_in_pages,
  CASE WHEN zswap > 0 OR written > 0 THEN written END AS written_back_pages,
  CASE WHEN zswap > 0 OR rejected > 0 THEN rejected END AS rejected_pages,
  CASE WHEN recompressed > 0 THEN recompressed END AS recompressed_pages,
  -- An empty mm_stat beside a zswap recording is nobody's pool.
  nullif(bytes, 0) AS pool_memory_bytes
FROM counted`
