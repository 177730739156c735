import type { DuckDBConnection } from '@duckdb/node-api'
import { queryColumns } from '../database/query.ts'
import { quoteText } from '../database/quote.ts'
import { readRows } from './query.ts'
import { countInversions, spreadOf } from './statistics.ts'

/** How far one sequence (start or done) departs from the order of submission. */
export interface Disorder {
  readonly pages: number
  readonly inversions: number
  /** Pairs that could be inverted. */
  readonly pairs: number
  /** Pages whose position differs. */
  readonly displaced: number
  readonly meanDisplacement: number | undefined
  readonly p50Displacement: number | undefined
  readonly p99Displacement: number | undefined
  readonly maxDisplacement: number | undefined
}

export interface LaneOrder {
  readonly traceId: number
  readonly runId: number | null
  readonly label: string
  /** `node/context`. */
  readonly lane: string
  readonly submitted: number
  readonly start: Disorder
  readonly done: Disorder
  /** Pages of the lane that never met the queue; no part of the figures above. */
  readonly bypass: number
}

/** Of swapouts: what order_pages holds. */
const QUEUED = "path IS DISTINCT FROM 'bypass' AND submit_rank IS NOT NULL"

interface LaneRow {
  readonly trace_id: number
  readonly run_id: number | null
  readonly label: string
  readonly lane: string
  readonly submitted: number
  readonly bypass: number
}

/** Order per lane of everything selected, exact. Needs the views. */
export async function readLaneOrders(connection: DuckDBConnection): Promise<LaneOrder[]> {
  // Lanes of bypass alone come last. Not counted in order_pages: whoever reads that has all its positions reckoned.
  const lanes = await readRows<LaneRow>(
    connection,
    `SELECT s.trace_id, s.run_id, s.label, o.lane, count(*) FILTER (${QUEUED}) AS submitted, count(*) FILTER (NOT (${QUEUED})) AS bypass
     FROM swapouts o
     JOIN subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
     GROUP BY ALL ORDER BY submitted = 0, s.trace_id, s.run_id NULLS FIRST, o.lane`,
  )
  const orders: LaneOrder[] = []
  for (const row of lanes) {
    const [start = NONE, done = NONE] =
      row.submitted === 0
        ? []
        : await readNumbers(
            connection,
            `SELECT start_displacement, done_displacement FROM order_pages
             WHERE ${ofSubject(row)} AND lane = ${quoteText(row.lane)} ORDER BY submit_position`,
          )
    orders.push({
      traceId: row.trace_id,
      runId: row.run_id,
      label: row.label,
      lane: row.lane,
      submitted: row.submitted,
      start: toDisorder(start),
      done: toDisorder(done),
      bypass: row.bypass,
    })
  }
  return orders
}

const NONE = new Float64Array(0)

async function readNumbers(connection: DuckDBConnection, sql: string): Promise<Float64Array[]> {
  const { columns } = await queryColumns(connection, sql)
  return Object.values(columns).filter((column) => column instanceof Float64Array)
}

function ofSubject(row: { readonly trace_id: number; readonly run_id: number | null }): string {
  return `trace_id = ${row.trace_id} AND run_id IS NOT DISTINCT FROM ${row.run_id ?? 'NULL'}`
}

/** `displacements` in order of submission; NaN = never got there (still queued at the end). */
export function toDisorder(displacements: ArrayLike<number>): Disorder {
  const positions = new Float64Array(displacements.length)
  const sizes = new Float64Array(displacements.length)
  let pages = 0
  let displaced = 0
  for (let i = 0; i < displacements.length; i++) {
    const displacement = displacements[i] ?? Number.NaN
    if (Number.isNaN(displacement)) continue
    positions[pages] = pages + displacement
    sizes[pages] = Math.abs(displacement)
    if (displacement !== 0) displaced++
    pages++
  }
  const spread = spreadOf(sizes.subarray(0, pages))
  return {
    pages,
    inversions: countInversions(positions.subarray(0, pages)),
    pairs: (pages * (pages - 1)) / 2,
    displaced,
    meanDisplacement: spread.mean,
    p50Displacement: spread.p50,
    p99Displacement: spread.p99,
    maxDisplacement: spread.max,
  }
}

interface SubjectLanes {
  readonly trace_id: number
  readonly run_id: number | null
  readonly lanes: readonly string[]
}

/** Pages of one lane overtaken by pages of another lane, counted as pairs; its own metric. */
export async function readCrossLaneInversions(
  connection: DuckDBConnection,
): Promise<{ traceId: number; runId: number | null; inversions: number }[]> {
  const subjects = await readRows<SubjectLanes>(
    connection,
    `SELECT trace_id, run_id, list(DISTINCT lane ORDER BY lane) AS lanes FROM swapouts
     WHERE ${QUEUED} AND submit_ns IS NOT NULL AND stored_ns IS NOT NULL AND done_rank IS NOT NULL
     GROUP BY ALL ORDER BY trace_id, run_id NULLS FIRST`,
  )
  const found: { traceId: number; runId: number | null; inversions: number }[] = []
  for (const subject of subjects)
    found.push({
      traceId: subject.trace_id,
      runId: subject.run_id,
      // In a single lane nothing comes from another one.
      inversions: subject.lanes.length < 2 ? 0 : await countAcross(connection, subject),
    })
  return found
}

async function countAcross(connection: DuckDBConnection, subject: SubjectLanes): Promise<number> {
  const lanes = subject.lanes.map(quoteText).join(', ')
  const [laneOf = NONE, done = NONE] = await readNumbers(
    connection,
    `SELECT list_position([${lanes}], lane) AS lane_number,
       row_number() OVER (ORDER BY stored_ns, done_position, lane) AS done
     FROM order_pages
     WHERE ${ofSubject(subject)} AND submit_ns IS NOT NULL AND stored_ns IS NOT NULL AND done_position IS NOT NULL
     ORDER BY submit_ns, submit_position, lane`,
  )
  let within = 0
  for (let lane = 1; lane <= subject.lanes.length; lane++)
    within += countInversions(done.filter((_, i) => laneOf[i] === lane))
  return countInversions(done) - within
}
