import type { DuckDBConnection } from '@duckdb/node-api'
import type { Figure, FigureBasis } from './figure.ts'
import { METRICS } from './metrics.ts'
import { readRows } from './query.ts'

/** The figures that were stored with a run, also of one whose rows were not kept; empty when there are none. */
export async function readStoredFigures(
  connection: DuckDBConnection,
  runId: number,
): Promise<Figure[]> {
  const rows = await readRows<{
    metric: string
    value: number | null
    lo: number | null
    hi: number | null
    basis: FigureBasis
    n: number | null
  }>(
    connection,
    `SELECT metric, value, lo, hi, basis, n FROM metrics WHERE run_id = ${runId} AND node IS NULL`,
  )
  return METRICS.flatMap(({ name }) => rows.filter((row) => row.metric === name))
}
