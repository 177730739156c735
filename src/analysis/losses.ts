import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from './query.ts'

/** What was lost of a recording, and so how far its counts may be too low. */
export interface LossSummary {
  readonly gaps: number
  readonly lostEvents: number
  /** Gaps whose number of events the source does not know: counts then have no upper bound. */
  readonly uncountedGaps: number
  readonly gapNs: number
  /** What share of everything fell into the gaps, by events or by time of all CPUs, whichever is more; 0 .. 1. */
  readonly share: number
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
  const gaps = sum((row) => row.gaps)
  return {
    gaps,
    lostEvents: sum((row) => row.lostEvents),
    uncountedGaps: sum((row) => row.uncountedGaps),
    gapNs: sum((row) => row.gapNs),
    share: gaps === 0 ? 0 : await readShare(connection, traceId),
    byCpu,
  }
}

async function readShare(connection: DuckDBConnection, traceId: number): Promise<number> {
  const [row] = await readRows<{ by_events: number | null; by_time: number | null }>(
    connection,
    `SELECT
      (SELECT sum(events) FROM losses WHERE trace_id = t.trace_id)
        / (t.events + (SELECT sum(events) FROM losses WHERE trace_id = t.trace_id)) AS by_events,
      (SELECT CAST(sum(end_ns - start_ns) AS DOUBLE) FROM losses WHERE trace_id = t.trace_id)
        / (t.cpus * (SELECT max(end_ns - start_ns) FROM subjects WHERE trace_id = t.trace_id)) AS by_time
    FROM traces t WHERE t.trace_id = ${traceId}`,
  )
  return Math.min(1, Math.max(row?.by_events ?? 0, row?.by_time ?? 0))
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

/** Standard deviations between the expected loss and the bound. */
const DEVIATIONS = 2

/**
 * How much of a sum over `items` (stalls, pages; undefined = a steady flow) the gaps hide at most, in units of what was seen.
 * An estimate, not a limit: gaps hit busy and idle moments alike, so one hides the mean amount with twice its square as
 * variance. Undefined where the gaps' size is not known or too much was lost.
 */
export function hiddenShare(losses: LossSummary, items: number | undefined): number | undefined {
  const { gaps, share, uncountedGaps } = losses
  if (gaps === 0) return 0
  if (uncountedGaps > 0 || share === 0 || share >= 0.5) return undefined
  const expected = share / (1 - share)
  // Variances of the sum over gaps, and of Poisson-many items of exponential size.
  const between = (2 * expected * expected) / gaps
  const within = items === undefined ? 0 : (2 * expected) / Math.max(1, items)
  return expected + DEVIATIONS * Math.sqrt(between + within)
}
