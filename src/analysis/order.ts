import type { DuckDBConnection } from '@duckdb/node-api'
import { groupBy } from '../model/group-by.ts'
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

interface PositionRow {
  readonly trace_id: number
  readonly run_id: number | null
  readonly label: string
  readonly lane: string
  readonly start_displacement: number | null
  readonly done_displacement: number | null
  readonly submit_position: number
}

/** Order per lane of everything selected, exact. Needs the views. */
export async function readLaneOrders(connection: DuckDBConnection): Promise<LaneOrder[]> {
  const rows = await readRows<PositionRow>(
    connection,
    `SELECT s.trace_id, s.run_id, s.label, p.lane, p.submit_position, p.start_displacement, p.done_displacement
     FROM order_pages p
     JOIN subjects s ON s.trace_id = p.trace_id AND s.run_id IS NOT DISTINCT FROM p.run_id
     ORDER BY s.trace_id, s.run_id NULLS FIRST, p.lane, p.submit_position`,
  )
  const bypasses = await readRows<{
    trace_id: number
    run_id: number | null
    label: string
    lane: string
    pages: number
  }>(
    connection,
    `SELECT trace_id, run_id, label, lane, CAST(sum(pages) AS BIGINT) AS pages
     FROM order_bypass GROUP BY ALL ORDER BY trace_id, run_id NULLS FIRST, lane`,
  )
  const lanes = groupBy(rows, (row) => `${row.trace_id}/${row.run_id ?? ''}/${row.lane}`)
  const orders: LaneOrder[] = []
  for (const lane of lanes.values()) {
    const [first] = lane
    if (first === undefined) continue
    const bypass = bypasses.find(
      (row) =>
        row.trace_id === first.trace_id && row.run_id === first.run_id && row.lane === first.lane,
    )
    orders.push({
      traceId: first.trace_id,
      runId: first.run_id,
      label: first.label,
      lane: first.lane,
      submitted: lane.length,
      start: toDisorder(lane.map(({ start_displacement }) => start_displacement)),
      done: toDisorder(lane.map(({ done_displacement }) => done_displacement)),
      bypass: bypass?.pages ?? 0,
    })
  }
  for (const row of bypasses) {
    const known = orders.some(
      (order) =>
        order.traceId === row.trace_id && order.runId === row.run_id && order.lane === row.lane,
    )
    if (known) continue
    orders.push({
      traceId: row.trace_id,
      runId: row.run_id,
      label: row.label,
      lane: row.lane,
      submitted: 0,
      start: toDisorder([]),
      done: toDisorder([]),
      bypass: row.pages,
    })
  }
  return orders
}

/** `displacements` in order of submission; null = never got there (still queued at the end). */
export function toDisorder(displacements: readonly (number | null)[]): Disorder {
  const positions: number[] = []
  const sizes: number[] = []
  for (const displacement of displacements) {
    if (displacement === null) continue
    positions.push(positions.length + displacement)
    sizes.push(Math.abs(displacement))
  }
  const spread = spreadOf(sizes)
  return {
    pages: positions.length,
    inversions: countInversions(positions),
    pairs: (positions.length * (positions.length - 1)) / 2,
    displaced: sizes.filter((size) => size !== 0).length,
    meanDisplacement: spread.mean,
    p50Displacement: spread.p50,
    p99Displacement: spread.p99,
    maxDisplacement: spread.max,
  }
}

/** Pages of one lane overtaken by pages of another lane, counted as pairs; its own metric. */
export async function readCrossLaneInversions(
  connection: DuckDBConnection,
): Promise<{ traceId: number; runId: number | null; inversions: number }[]> {
  const rows = await readRows<{
    trace_id: number
    run_id: number | null
    lane: string
    done: number
  }>(
    connection,
    `SELECT trace_id, run_id, lane,
       row_number() OVER (PARTITION BY trace_id, run_id ORDER BY stored_ns, done_position, lane) AS done
     FROM order_pages
     WHERE done_position IS NOT NULL AND submit_ns IS NOT NULL AND stored_ns IS NOT NULL
     ORDER BY trace_id, run_id NULLS FIRST, submit_ns, submit_position, lane`,
  )
  const subjects = new Map<
    string,
    { traceId: number; runId: number | null; all: number[]; lanes: Map<string, number[]> }
  >()
  for (const row of rows) {
    const key = `${row.trace_id}/${row.run_id ?? ''}`
    let subject = subjects.get(key)
    if (subject === undefined) {
      subject = { traceId: row.trace_id, runId: row.run_id, all: [], lanes: new Map() }
      subjects.set(key, subject)
    }
    subject.all.push(row.done)
    const lane = subject.lanes.get(row.lane)
    if (lane === undefined) subject.lanes.set(row.lane, [row.done])
    else lane.push(row.done)
  }
  return [...subjects.values()].map(({ traceId, runId, all, lanes }) => {
    let within = 0
    for (const lane of lanes.values()) within += countInversions(lane)
    return { traceId, runId, inversions: countInversions(all) - within }
  })
}
