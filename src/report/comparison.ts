import { readFileSync } from 'node:fs'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { LossSummary } from '../analysis/losses.ts'
import { readRows } from '../analysis/query.ts'
import type { ChartRow } from '../charts/index.ts'

/** One figure of one column. `lo` and `hi` bound what losses and censored spans leave open; `hi` undefined: no upper bound is known. */
export interface Figure {
  readonly column: string
  readonly value: number | undefined
  readonly lo: number | undefined
  readonly hi: number | undefined
  readonly said: string
  readonly basis: 'event' | 'replayed'
  readonly n: number | undefined
}

export interface Metric {
  readonly metric: string
  readonly title: string
  readonly unit: string
  readonly figures: readonly Figure[]
}

interface Source {
  readonly label: string
  readonly run_id: number | null
  readonly work_ns: number
  readonly page_size: number
  readonly has_spans: boolean
  readonly stalls: number | null
  readonly stall_ns: number | null
  readonly stall_p50_ns: number | null
  readonly stall_p99_ns: number | null
  readonly stall_max_ns: number | null
  readonly censored: number | null
  readonly worker_ns: number | null
  readonly rounds: number | null
  readonly kswapd_running_ns: number | null
  readonly kswapd_awake_ns: number | null
  readonly kswapd_store_ns: number | null
  readonly swapouts: number | null
  readonly wait_p99_ns: number | null
  readonly sized: number
  readonly mean_bytes: number | null
  readonly displacement_max: number | null
  readonly ranked: number | null
  readonly swapins: number | null
  readonly swapin_p99_ns: number | null
  readonly overtaken: number | null
}

interface Definition {
  readonly metric: string
  readonly title: string
  readonly unit: string
  /** `undefined` = not known for this column. */
  readonly value: (row: Source) => number | undefined
  readonly n?: (row: Source) => number | undefined
  /** A count or sum that lost events can only raise. */
  readonly grows?: true
  /** Left out when every column is zero or unknown. */
  readonly optional?: true
}

const ms = (ns: number | null): number | undefined => (ns === null ? undefined : ns / 1e6)
const orZero = (row: Source, value: number | null): number | undefined =>
  value === null ? (row.has_spans ? 0 : undefined) : value
const known = (value: number | null): number | undefined => value ?? undefined

const METRICS: readonly Definition[] = [
  { metric: 'duration', title: 'Time for the work', unit: 's', value: (row) => row.work_ns / 1e9 },
  {
    metric: 'stall_total',
    title: 'Stall time of applications',
    unit: 'ms',
    value: (row) => ms(orZero(row, row.stall_ns) ?? null),
    n: (row) => known(row.stalls),
    grows: true,
  },
  {
    metric: 'stalls',
    title: 'Stalls of applications',
    unit: 'stalls',
    value: (row) => orZero(row, row.stalls),
    grows: true,
  },
  {
    metric: 'stall_p50',
    title: 'Stall length, p50',
    unit: 'ms',
    value: (row) => ms(row.stall_p50_ns),
    n: (row) => known(row.stalls),
  },
  {
    metric: 'stall_p99',
    title: 'Stall length, p99',
    unit: 'ms',
    value: (row) => ms(row.stall_p99_ns),
    n: (row) => known(row.stalls),
  },
  {
    metric: 'stall_max',
    title: 'Longest stall',
    unit: 'ms',
    value: (row) => ms(row.stall_max_ns),
    n: (row) => known(row.stalls),
    grows: true,
  },
  {
    metric: 'allocstall',
    title: 'Direct reclaims (allocstall)',
    unit: 'rounds',
    value: (row) => orZero(row, row.rounds),
    grows: true,
  },
  {
    metric: 'worker_stall_total',
    title: 'Stall time of workers',
    unit: 'ms',
    value: (row) => ms(orZero(row, row.worker_ns) ?? null),
    grows: true,
    optional: true,
  },
  {
    metric: 'kswapd_awake',
    title: 'kswapd awake',
    unit: 'ms',
    value: (row) => ms(row.kswapd_awake_ns),
  },
  {
    metric: 'kswapd_running',
    title: 'kswapd on a CPU',
    unit: 'ms',
    value: (row) => ms(row.kswapd_running_ns),
  },
  {
    metric: 'kswapd_store',
    title: 'of that, compressing',
    unit: 'ms',
    value: (row) => ms(row.kswapd_running_ns === null ? null : (row.kswapd_store_ns ?? 0)),
    optional: true,
  },
  {
    metric: 'swapouts',
    title: 'Swap-outs',
    unit: 'pages',
    value: (row) => known(row.swapouts),
    grows: true,
  },
  {
    metric: 'swapout_rate',
    title: 'Swap-outs per second',
    unit: 'pages/s',
    value: (row) => (row.swapouts === null ? undefined : row.swapouts / (row.work_ns / 1e9)),
    n: (row) => known(row.swapouts),
  },
  {
    metric: 'swapins',
    title: 'Swap-ins',
    unit: 'pages',
    value: (row) => known(row.swapins),
    grows: true,
  },
  {
    metric: 'swapin_p99',
    title: 'Wait for a swap-in, p99',
    unit: 'ms',
    value: (row) => ms(row.swapin_p99_ns),
    n: (row) => known(row.swapins),
  },
  {
    metric: 'overtaken',
    title: 'Pages overtaken',
    unit: 'pages',
    value: (row) => (row.ranked === null ? undefined : (row.overtaken ?? 0)),
    n: (row) => known(row.ranked),
  },
  {
    metric: 'displacement_max',
    title: 'Largest displacement',
    unit: 'pages',
    value: (row) => known(row.displacement_max),
    n: (row) => known(row.ranked),
  },
  {
    metric: 'queue_wait_p99',
    title: 'Wait in the queue, p99',
    unit: 'ms',
    value: (row) => ms(row.wait_p99_ns),
    optional: true,
  },
  {
    metric: 'compressed_mean',
    title: 'Compressed page, mean',
    unit: 'bytes',
    value: (row) => known(row.mean_bytes),
    n: (row) => (row.sized > 0 ? row.sized : undefined),
    optional: true,
  },
]

/** The figures of recording and runs side by side. Needs the views and `prepareReport`. */
export async function readComparison(
  connection: DuckDBConnection,
  losses: LossSummary,
): Promise<readonly Metric[]> {
  const sql = readFileSync(new URL('./comparison.sql', import.meta.url), 'utf8')
  const paths = readFileSync(new URL('./datasets/order_paths.sql', import.meta.url), 'utf8')
  const rows = await readRows<Source>(
    connection,
    `WITH source AS (${sql}), overtaken AS (SELECT "column", sum(overtaken) AS overtaken FROM (${paths}) GROUP BY "column")
     SELECT source.*, overtaken.overtaken FROM source LEFT JOIN overtaken ON overtaken."column" = source.label`,
  )
  const metrics: Metric[] = []
  for (const definition of METRICS) {
    const figures = rows.map((row) => toFigure(definition, row, losses))
    const empty = figures.every(
      ({ value }) => value === undefined || (definition.optional === true && value === 0),
    )
    if (empty) continue
    const { metric, title, unit } = definition
    metrics.push({ metric, title, unit, figures })
  }
  return metrics
}

function toFigure(definition: Definition, row: Source, losses: LossSummary): Figure {
  const value = definition.value(row)
  const recorded = row.run_id === null
  // Lost events or a censored stall can only raise a sum; a count is bounded by the number of lost events.
  const open =
    value !== undefined &&
    definition.grows === true &&
    ((recorded && losses.gaps > 0) ||
      ((row.censored ?? 0) > 0 &&
        (definition.metric === 'stall_total' || definition.metric === 'stall_max')))
  const counted =
    definition.unit !== 'ms' && losses.uncountedGaps === 0 ? losses.lostEvents : undefined
  const hi = !open ? value : counted === undefined ? undefined : value + counted
  return {
    column: row.label,
    value,
    lo: value,
    hi,
    said: sayFigure(value, hi, definition.unit),
    basis: recorded ? 'event' : 'replayed',
    n: definition.n?.(row),
  }
}

/** Three to four significant digits, never in exponent form; whole numbers stay whole. */
export function sayNumber(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000)
    return Math.round(value).toLocaleString('en-US')
  const digits = Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 10 ? 2 : 3
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
}

function sayFigure(value: number | undefined, hi: number | undefined, unit: string): string {
  if (value === undefined) return 'not known'
  if (hi === undefined) return `at least ${sayNumber(value)} ${unit}`
  if (hi > value) return `${sayNumber(value)} to ${sayNumber(hi)} ${unit}`
  return `${sayNumber(value)} ${unit}`
}

const CHARTED = [
  'stall_total',
  'stall_p99',
  'stall_max',
  'duration',
  'kswapd_running',
  'swapout_rate',
  'swapin_p99',
  'overtaken',
]

/** Rows of the comparison chart: the metrics that readers ask for first. */
export function toComparisonRows(metrics: readonly Metric[]): readonly ChartRow[] {
  return CHARTED.flatMap((name) => metrics.filter(({ metric }) => metric === name)).flatMap(
    ({ metric, title, unit, figures }) =>
      figures
        .filter(({ value }) => value !== undefined)
        .map(({ column, value, lo, hi, said, basis }) => ({
          column,
          metric,
          title,
          unit,
          value: value ?? null,
          lo: lo ?? null,
          hi: hi ?? null,
          said,
          basis,
        })),
  )
}
