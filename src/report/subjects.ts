import { readFileSync } from 'node:fs'
import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from '../analysis/query.ts'
import type { Chart, ChartRow, ChartRows } from '../charts/index.ts'

/** Intervals on the time axis: enough to see a burst, few enough to draw. */
const BINS = 240
const FINE_BINS = 600

/**
 * Makes `report_subjects` (the selection's subjects with their place on the common time axis) and `report_extent` on a connection
 * whose views exist. The recording's axis begins at the trace's start; a run begins where its workload begins in the recording.
 */
export async function prepareReport(connection: DuckDBConnection): Promise<void> {
  await connection.run(`
    CREATE OR REPLACE TEMP VIEW report_subjects AS
    WITH offsets AS (
      SELECT trace_id, run_id, CAST(coalesce(try_cast(json_extract_string(config, '$.startOffsetNs') AS DOUBLE), 0) AS BIGINT) AS offset_ns
      FROM runs
    )
    SELECT s.*, row_number() OVER (ORDER BY s.run_id NULLS FIRST) AS rank,
      CASE WHEN s.run_id IS NULL THEN t.start_ns ELSE -coalesce(o.offset_ns, 0) END AS origin_ns
    FROM subjects s
    LEFT JOIN offsets o ON o.run_id = s.run_id
    JOIN traces t ON t.trace_id = s.trace_id`)
  await connection.run(`
    CREATE OR REPLACE TEMP VIEW report_extent AS
    SELECT greatest(max(end_ns - origin_ns) - min(start_ns - origin_ns), ${FINE_BINS}) / ${BINS} AS bin_ns,
      greatest(max(end_ns - origin_ns) - min(start_ns - origin_ns), ${FINE_BINS}) / ${FINE_BINS} AS fine_ns
    FROM report_subjects`)
  // Both are read by several datasets and cost more than all of those together.
  await connection.run(
    'CREATE OR REPLACE TEMP TABLE report_causes AS SELECT * FROM stall_causes; CREATE OR REPLACE TEMP TABLE report_order AS SELECT * FROM order_pages',
  )
}

/** The SQL of a dataset and, from its first line, what it holds. */
export function readDataset(name: string): { readonly comment: string; readonly sql: string } {
  const text = readFileSync(new URL(`./datasets/${name}.sql`, import.meta.url), 'utf8')
  const end = text.indexOf('\n')
  return { comment: text.slice(0, end).replace(/^--\s*/, ''), sql: text.slice(end + 1).trim() }
}

/** Rows for one chart. Datasets that the report computes itself (`given`) are taken as they are. */
export async function readChartRows(
  connection: DuckDBConnection,
  chart: Chart,
  given: ChartRows,
): Promise<ChartRows> {
  const rows: Record<string, readonly ChartRow[]> = {}
  for (const [name, fields] of Object.entries(chart.reads)) {
    const known = given[name]
    rows[name] =
      known ??
      (await readRows<Record<string, never>>(connection, readDataset(name).sql)).map((row) =>
        pick(row, fields),
      )
  }
  return rows
}

/** Only the declared fields travel into the specification; numbers keep seven significant digits there. */
function pick(row: Readonly<Record<string, unknown>>, fields: readonly string[]): ChartRow {
  const out: Record<string, string | number | boolean | null> = {}
  for (const field of fields) {
    const value = row[field]
    if (typeof value === 'number')
      out[field] = Number.isInteger(value) ? value : Number(value.toPrecision(7))
    else if (typeof value === 'bigint') out[field] = Number(value)
    else if (typeof value === 'string' || typeof value === 'boolean') out[field] = value
    else out[field] = null
  }
  return out
}
