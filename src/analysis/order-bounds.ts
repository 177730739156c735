import type { DuckDBConnection } from '@duckdb/node-api'
import type { GapRow } from './hidden-gaps.ts'
import { readRows } from './query.ts'
import { inversionsBefore } from './statistics.ts'

/**
 * Where pages got to in kswapd's lanes. A page's place is known where a gap can have hidden none that it overtook or that overtook
 * it. All that it meets on its way was handed over before it got there and got there after it was handed over: within the
 * longest such time before and after it.
 *
 *       longest |--------|     |--------| longest
 *                        ^ handed over
 *                              ^ got there            no gap from end to end: its place is known
 */
export interface Places {
  /** Of the pages of known place, in the order of hand-over: how far each got from its place. */
  readonly distances: readonly number[]
  /** Of the same pages: how many overtook it and were overtaken. */
  readonly overtakings: readonly number[]
  /** Pages near a gap. */
  readonly near: number
}

interface PlacedRow {
  readonly lane: string
  readonly position: number
  readonly displacement: number
  readonly near: boolean
}

/** Where each folio of kswapd's lanes came in the order of starts or of ends, and how far the gaps may have moved it. Needs the views. */
export async function readPlaces(
  connection: DuckDBConnection,
  traceId: number,
  what: 'start' | 'done',
  gaps: readonly GapRow[],
): Promise<Places> {
  const at = what === 'start' ? 'start_ns' : 'stored_ns'
  const pages = `SELECT lane, submit_position, ${what}_position AS position, ${what}_displacement AS displacement, submit_ns, ${at} AS at_ns
    FROM order_pages WHERE trace_id = ${traceId} AND run_id IS NULL AND lane LIKE '%/kswapd' AND ${what}_position IS NOT NULL`
  const [longest] = await readRows<{ ns: number | null }>(
    connection,
    `SELECT max(at_ns - submit_ns) AS ns FROM (${pages})`,
  )
  const ns = longest?.ns ?? 0
  const reached = gaps.map((gap) => {
    const [startNs, endNs] = stretchOf(gap)
    return `(${startNs - ns}, ${endNs + ns})`
  })
  const rows = await readRows<PlacedRow>(
    connection,
    `WITH gaps(start_ns, end_ns) AS (VALUES ${reached.join(', ')}), pages AS (${pages})
    SELECT lane, position, displacement,
      EXISTS (SELECT 1 FROM gaps g WHERE g.start_ns <= at_ns AND g.end_ns >= submit_ns) AS near
    FROM pages ORDER BY lane, submit_position`,
  )
  const distances: number[] = []
  const overtakings: number[] = []
  for (const name of new Set(rows.map(({ lane }) => lane))) {
    const lane = rows.filter((row) => row.lane === name)
    const overtook = inversionsBefore(lane.map(({ position }) => position))
    for (const [i, { displacement, near }] of lane.entries()) {
      if (near) continue
      distances.push(Math.abs(displacement))
      // It is displaced by those that it let pass, less those that it passed.
      overtakings.push(2 * (overtook[i] ?? 0) + displacement)
    }
  }
  return { distances, overtakings, near: rows.length - distances.length }
}

/** A gap before the first event of a CPU began with the recording; one that only a counter tells may follow the CPU's last. */
function stretchOf({ start_ns: start, end_ns: end, isPlaced }: GapRow): [number, number] {
  if (!isPlaced) return [end, Number.MAX_SAFE_INTEGER]
  return [start === end ? 0 : start, end]
}

/** With fewer known places than that nothing is said of the others. */
const LEAST_KNOWN = 100
/** The farthest of so many tell how distances thin out. */
const FARTHEST = 0.05
const LEAST_FARTHEST = 10
/** How rarely a page of unknown place may be farther from it than the bound. */
const RARELY = 0.005
/** Standard deviations that so few exceed. */
const DEVIATIONS = 2.576

/**
 * What pages of unknown place do not exceed if they get as far as those of known place do: of the farthest of these, distances
 * thin out exponentially, one more than was seen included (peaks over a threshold).
 */
export function farthestOf({ distances, near }: Places, unplaced: number): number | undefined {
  if (distances.length < LEAST_KNOWN) return undefined
  const sorted = [...distances].sort((a, b) => b - a)
  const wanted = Math.max(LEAST_FARTHEST, Math.ceil(FARTHEST * sorted.length))
  const threshold = sorted[wanted - 1] ?? 0
  const farthest = sorted.filter((distance) => distance >= threshold)
  const excess = farthest.reduce((sum, distance) => sum + distance - threshold, 1)
  const expected = ((near + unplaced) * farthest.length) / sorted.length
  return threshold + (excess / farthest.length) * Math.max(0, Math.log(expected / RARELY))
}

/**
 * Inversions if pages of unknown place overtake as those of known place do, at each gap as many on end as there are of them at a
 * gap on average.
 */
export function inversionsOf(
  { overtakings, near }: Places,
  unplaced: number,
  gaps: number,
): number | undefined {
  const unknown = near + unplaced
  const size = Math.max(1, Math.ceil(unknown / Math.max(1, gaps)))
  if (overtakings.length < LEAST_KNOWN || overtakings.length < 2 * size) return undefined
  const sum = overtakings.reduce((total, each) => total + each, 0)
  const mean = sum / overtakings.length
  let squares = 0
  let runs = 0
  for (let from = 0; from + size <= overtakings.length; from += size) {
    const run = overtakings.slice(from, from + size).reduce((total, each) => total + each, 0)
    squares += (run / size - mean) ** 2
    runs++
  }
  const deviation = Math.sqrt((squares / Math.max(1, runs - 1)) * unknown * size)
  return (sum + unknown * mean + DEVIATIONS * deviation) / 2
}
