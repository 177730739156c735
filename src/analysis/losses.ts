import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from './query.ts'

/** What was lost of a recording. */
export interface LossSummary {
  readonly gaps: number
  readonly lostEvents: number
  /** Gaps whose number of events the source does not know: counts then have no upper bound. */
  readonly uncountedGaps: number
  readonly gapNs: number
  readonly byCpu: readonly {
    readonly cpu: number
    readonly gaps: number
    readonly uncountedGaps: number
    readonly lostEvents: number
    readonly gapNs: number
  }[]
}

/** Losses of a trace within the selection. Needs the views. */
export async function readLosses(
  connection: DuckDBConnection,
  traceId: number,
): Promise<LossSummary> {
  const rows = await readRows<{
    cpu: number
    gaps: number
    uncounted_gaps: number
    lost_events: number
    gap_ns: number | null
  }>(connection, `SELECT * FROM loss_summary WHERE trace_id = ${traceId}`)
  const byCpu = rows.map((row) => ({
    cpu: row.cpu,
    gaps: row.gaps,
    uncountedGaps: row.uncounted_gaps,
    lostEvents: row.lost_events,
    gapNs: row.gap_ns ?? 0,
  }))
  const sum = (pick: (row: (typeof byCpu)[number]) => number) =>
    byCpu.reduce((total, row) => total + pick(row), 0)
  return {
    gaps: sum((row) => row.gaps),
    lostEvents: sum((row) => row.lostEvents),
    uncountedGaps: sum((row) => row.uncountedGaps),
    gapNs: sum((row) => row.gapNs),
    byCpu,
  }
}
