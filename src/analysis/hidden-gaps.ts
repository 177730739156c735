import type { DuckDBConnection } from '@duckdb/node-api'
import { INTERVALS_SQL, POINTS_SQL, SETTINGS } from './hidden-courses.ts'
import { readRows } from './query.ts'

/** A gap as the recording tells of it. */
export interface GapRow {
  readonly cpu: number
  readonly start_ns: number
  readonly end_ns: number
  /** NULL = the recording says only that something was lost. */
  readonly events: number | null
  /** False: a counter of the CPU tells that events are missing, nothing tells where. */
  readonly isPlaced: boolean
  /** In progress where it begins and where it ends, by setting. */
  readonly settings: readonly (readonly [before: boolean, after: boolean])[]
}

export interface Gaps {
  /** By CPU and time. */
  readonly gaps: readonly GapRow[]
  /** By CPU: events of its gaps without a number of their own. */
  readonly sums: ReadonlyMap<number, number>
  /** Events lost in all; undefined where neither gap nor CPU tells. */
  readonly lost: number | undefined
}

interface LossRow {
  readonly cpu: number
  readonly start_ns: number
  readonly end_ns: number
  readonly events: number | null
  /** The CPU recorded events between the two times. */
  readonly has_events: boolean
}

/** Where CPUs lost events and what was in progress around it, by CPU and time; times in ns as in the tables. */
export async function readGaps(connection: DuckDBConnection, traceId: number): Promise<Gaps> {
  const rows = await readRows<LossRow>(
    connection,
    `SELECT l.cpu, l.start_ns, l.end_ns, l.events,
       EXISTS (SELECT 1 FROM (${POINTS_SQL}) p WHERE p.trace_id = l.trace_id AND p.cpu = l.cpu
         AND p.moment > l.start_ns AND p.moment < l.end_ns) AS has_events
     FROM losses l WHERE l.trace_id = ${traceId} ORDER BY l.cpu, l.end_ns, l.start_ns`,
  )
  const { places, sums } = withoutSums(rows)
  const around = await readRows<{
    cpu: number
    end_ns: number
    sum: string
    inside_begin: boolean
    inside_end: boolean
  }>(
    connection,
    `${INTERVALS_SQL}
    SELECT l.cpu, l.end_ns, i.sum,
      bool_or(i.start_ns <= l.start_ns AND (i.end_ns > l.start_ns OR (i.end_ns = l.start_ns AND i.cut_end))) AS inside_begin,
      bool_or(i.end_ns >= l.end_ns AND (i.start_ns < l.end_ns OR (i.start_ns = l.end_ns AND i.cut_start))) AS inside_end
    FROM losses l JOIN intervals i ON i.trace_id = l.trace_id AND i.cpu = l.cpu AND i.end_ns >= l.start_ns AND i.start_ns <= l.end_ns
    WHERE l.trace_id = ${traceId} GROUP BY ALL`,
  )
  const settingsOf = ({ cpu, end_ns }: LossRow) =>
    SETTINGS.map((name) => {
      const found = around.find(
        (row) => row.cpu === cpu && row.end_ns === end_ns && row.sum === name,
      )
      return [found?.inside_begin ?? false, found?.inside_end ?? false] as const
    })
  const toGap = (row: LossRow): GapRow => {
    const { cpu, events, start_ns, end_ns, has_events: isUnplaced } = row
    const gap = { cpu, events, isPlaced: !isUnplaced, settings: settingsOf(row) }
    // Nothing tells when, so nothing tells how long.
    return { ...gap, start_ns: isUnplaced ? end_ns : start_ns, end_ns }
  }
  const isCounted = places.every(({ cpu, events }) => events !== null || sums.has(cpu))
  return {
    gaps: places.map(toGap),
    sums,
    lost: isCounted ? rows.reduce((total, { events }) => total + (events ?? 0), 0) : undefined,
  }
}

/** A counter of the CPU tells the sum of several gaps without numbers: a row of its own, from the first of them to the last. */
function withoutSums(rows: readonly LossRow[]): {
  places: readonly LossRow[]
  sums: ReadonlyMap<number, number>
} {
  const sums = new Map<number, number>()
  const isSum = ({ cpu, start_ns: start, end_ns: end, events }: LossRow): boolean => {
    const open = rows.filter((row) => row.cpu === cpu && row.events === null)
    if (events === null || open.length < 2) return false
    return open[0]?.start_ns === start && open.at(-1)?.end_ns === end
  }
  const places = rows.filter((row) => {
    if (!isSum(row)) return true
    sums.set(row.cpu, row.events ?? 0)
    return false
  })
  return { places, sums }
}
