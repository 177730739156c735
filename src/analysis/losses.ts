import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from './query.ts'

/** What was lost of a recording, and so how far its counts may be too low. */
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

/** A count with what it may be: [seen, seen + lost]; `hi` undefined where the number of lost events is not known. */
export interface CountRange {
  readonly seen: number
  readonly hi: number | undefined
}

/** Widens a count of events by the losses on CPUs where such events occur (`cpus` undefined = on all). */
export function widen(seen: number, losses: LossSummary, cpus?: ReadonlySet<number>): CountRange {
  let lost = 0
  for (const row of losses.byCpu) {
    if (cpus !== undefined && !cpus.has(row.cpu)) continue
    if (row.uncountedGaps > 0) return { seen, hi: undefined }
    lost += row.lostEvents
  }
  return { seen, hi: seen + lost }
}
