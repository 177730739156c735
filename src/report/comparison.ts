import type { DuckDBConnection } from '@duckdb/node-api'
import type { Figure as Known } from '../analysis/figure.ts'
import { readFigures, type SubjectFigures } from '../analysis/figures.ts'
import { METRICS } from '../analysis/metrics.ts'
import type { Unit } from '../analysis/result.ts'
import type { ChartRow } from '../charts/index.ts'

/** One figure of one column, in the metric's unit. `hi` undefined with a value: no upper bound is known. */
export interface Figure {
  readonly column: string
  readonly value: number | undefined
  readonly lo: number | undefined
  readonly hi: number | undefined
  readonly said: string
  readonly basis: string
  readonly n: number | undefined
}

export interface Metric {
  readonly metric: string
  readonly title: string
  readonly unit: string
  readonly figures: readonly Figure[]
}

/** Titles that stand alone, and what a count counts; a metric that is not listed keeps its own title. */
const WORDS: Readonly<Record<string, readonly [title: string, counted?: string]>> = {
  work_ns: ['Time for the work'],
  swapout_pages: ['Swap-outs', 'pages'],
  swapin_pages: ['Swap-ins', 'pages'],
  pgsteal_anon_per_s: ['pgsteal_anon', 'pages/s'],
  allocstalls: ['Direct reclaims (allocstall)', 'rounds'],
  app_stalls: ['Stalls of applications', 'stalls'],
  app_stall_ns: ['Stall time of applications'],
  app_stall_p50_ns: ['Application stall, p50'],
  app_stall_p99_ns: ['Application stall, p99'],
  app_stall_max_ns: ['Application stall, longest'],
  app_stalls_censored: ['Stalls censored', 'stalls'],
  worker_stalls: ['Stalls of workers', 'stalls'],
  worker_stall_ns: ['Stall time of workers'],
  worker_stall_p50_ns: ['Worker stall, p50'],
  worker_stall_p99_ns: ['Worker stall, p99'],
  worker_stall_max_ns: ['Worker stall, longest'],
  psi_full_share: ['PSI memory, full'],
  kswapd_busy_share: ['kswapd on a CPU'],
  kswapd_scan_share: ['kswapd scanning'],
  kswapd_store_share: ['kswapd storing'],
  order_start_inversions: ["Inversions at start, kswapd's", 'pairs'],
  order_done_inversions: ["Inversions at completion, kswapd's", 'pairs'],
  order_start_max: ['Displacement at start, max', 'pages'],
  order_done_max: ['Displacement, max', 'pages'],
  bypass_pages: ["Outside kswapd's queue", 'pages'],
  refaults_queued: ['Refaults met in the queue', 'pages'],
  compressed_bytes: ['Compressed bytes'],
  pool_peak_bytes: ['Pool, peak'],
  app_user_ns: ['CPU: applications, own'],
  app_sys_ns: ['CPU: applications, kernel'],
  reclaim_cpu_ns: ['CPU: kswapd and workers'],
  cpu_ns: ['CPU: all tasks'],
}

/** The figures of recording and runs side by side, as `analysis` defines them. Needs the views. */
export async function readComparison(connection: DuckDBConnection): Promise<readonly Metric[]> {
  return toMetrics(await readFigures(connection))
}

/** One line per metric that is known of anything, with one unit for all columns. */
export function toMetrics(subjects: readonly SubjectFigures[]): readonly Metric[] {
  const metrics: Metric[] = []
  for (const { name, title, unit } of METRICS) {
    const known = subjects.map(({ label, runId, figures }) => ({
      label,
      recorded: runId === null,
      figure: figures.find(({ metric }) => metric === name),
      hasNone: isOfNone(name, figures),
    }))
    if (known.every(({ figure }) => figure === undefined || figure.value === null)) continue
    const [said, counted] = WORDS[name] ?? [
      title.trim().replace(/^./, (letter) => letter.toUpperCase()),
    ]
    const scale = scaleOf(
      unit,
      Math.max(...known.map(({ figure }) => Math.abs(figure?.value ?? 0))),
      counted,
    )
    metrics.push({
      metric: name,
      title: said,
      unit: scale.unit,
      figures: known.map(({ label, recorded, figure, hasNone }) => {
        const said = toFigure(label, recorded, figure, scale)
        return hasNone && said.value === undefined ? { ...said, said: NONE } : said
      }),
    })
  }
  return metrics
}

/** Said of a length of stalls where there was no stall. */
export const NONE = 'none'

function isOfNone(metric: string, figures: readonly Known[]): boolean {
  const [, stalled] = /^(app|worker)_stall_(?:p50|p99|max)_ns$/.exec(metric) ?? []
  const stalls = figures.find((figure) => figure.metric === `${stalled}_stalls`)
  return stalls?.value === 0 && stalls.hi === 0
}

interface Scale {
  readonly unit: string
  readonly per: number
}

/** One unit for a whole line, so that its columns can be compared by eye. */
function scaleOf(unit: Unit, largest: number, counted: string | undefined): Scale {
  if (unit === 'ns') return largest >= 1e10 ? { unit: 's', per: 1e9 } : { unit: 'ms', per: 1e6 }
  if (unit === 'share') return { unit: '%', per: 0.01 }
  if (unit === 'bytes')
    return largest >= 1048576 ? { unit: 'MiB', per: 1048576 } : { unit: 'KiB', per: 1024 }
  return { unit: counted ?? (unit === 'per_s' ? 'per s' : ''), per: 1 }
}

function toFigure(
  column: string,
  recorded: boolean,
  known: Known | undefined,
  { unit, per }: Scale,
): Figure {
  const value = known?.value == null ? undefined : known.value / per
  const lo = known?.lo == null ? undefined : known.lo / per
  const hi = known?.hi == null ? undefined : known.hi / per
  return {
    column,
    value,
    lo,
    hi,
    said: sayFigure(value, lo, hi, unit),
    basis: recorded ? (known?.basis ?? 'event') : 'replayed',
    n: known?.n ?? undefined,
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

function sayFigure(
  value: number | undefined,
  lo: number | undefined,
  hi: number | undefined,
  unit: string,
): string {
  if (value === undefined) return 'not known'
  if (lo === undefined) return `about ${sayNumber(value)} ${unit}`
  if (hi === undefined) return `at least ${sayNumber(lo)} ${unit}`
  if (lo < value || hi > value) return `${sayNumber(lo)} to ${sayNumber(hi)} ${unit}`
  return `${sayNumber(value)} ${unit}`
}

const CHARTED = [
  'app_stall_ns',
  'app_stall_p99_ns',
  'allocstalls',
  'work_ns',
  'kswapd_busy_share',
  'pgsteal_anon_per_s',
  'reclaim_cpu_ns',
  'order_done_inversions',
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
