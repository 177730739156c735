import type { Figure, Metric } from '../analysis/figure.ts'
import type { SubjectFigures } from '../analysis/figures.ts'
import { METRICS } from '../analysis/metrics.ts'
import { type Result, type ResultColumn, toResult, type Value } from '../analysis/result.ts'
import { formatCell } from './format.ts'

/** A column of a comparison: one recording or run. */
export interface ComparisonColumn {
  readonly label: string
  readonly figures: readonly Figure[]
}

/** Long form for machines: one row per column and metric, with bounds and what the figure rests on. */
export function toFigureRows(
  subjects: readonly SubjectFigures[],
  options: { ids: boolean } = { ids: true },
): Result {
  const ids: ResultColumn[] = [
    { name: 'trace_id', type: 'integer' },
    { name: 'run_id', type: 'integer' },
  ]
  return toResult(
    [
      ...(options.ids ? ids : []),
      { name: 'label', type: 'text' },
      { name: 'metric', type: 'text' },
      { name: 'value', type: 'number' },
      { name: 'lo', type: 'number' },
      { name: 'hi', type: 'number' },
      { name: 'unit', type: 'text' },
      { name: 'basis', type: 'text' },
      { name: 'n', type: 'integer' },
    ],
    subjects.flatMap(({ traceId, runId, label, figures }) =>
      figures.map((figure) => ({
        trace_id: traceId,
        run_id: runId,
        label,
        ...figure,
        unit: METRICS.find(({ name }) => name === figure.metric)?.unit ?? null,
      })),
    ),
  )
}

/** One line per metric, one column per recording or run; what nobody knows is left out. */
export function toComparisonTable(
  columns: readonly ComparisonColumn[],
  options: { ratio: boolean } = { ratio: false },
): Result {
  const rows: Record<string, Value>[] = []
  for (const metric of METRICS) {
    const cells = columns.map(({ figures }) =>
      figures.find((figure) => figure.metric === metric.name),
    )
    if (cells.every((cell) => cell === undefined || cell.value === null)) continue
    const row: Record<string, Value> = { metric: metric.title }
    for (const [index, column] of columns.entries())
      row[column.label] = formatFigure(metric, cells[index])
    if (options.ratio) row['ratio'] = formatRatio(cells[0], cells[1])
    rows.push(row)
  }
  return toResult(
    [
      { name: 'metric', type: 'text' },
      ...columns.map(({ label }) => ({ name: label, type: 'text' as const })),
      ...(options.ratio ? [{ name: 'ratio', type: 'text' as const }] : []),
    ],
    rows,
  )
}

/** `12`, `12 to 15` where losses leave it open, `12 or more` where nothing bounds it, `~12` where losses may move it either way, a dash where it is not known. */
function formatFigure(metric: Metric, figure: Figure | undefined): string {
  if (figure === undefined || figure.value === null) return '-'
  const type = metric.unit === 'count' ? 'integer' : 'number'
  const value = formatCell(round(figure.value, metric), metric.unit, type)
  if (figure.lo === null) return `~${value}`
  if (figure.hi === null) return `${value} or more`
  if (figure.hi === figure.value && figure.lo === figure.value) return value
  const least = formatCell(round(figure.lo, metric), metric.unit, type)
  const most = formatCell(round(figure.hi, metric), metric.unit, type)
  return least === most ? value : `${least} to ${most}`
}

function round(value: number, { unit }: Metric): number {
  return unit === 'count' || unit === 'per_s' ? Math.round(value) : value
}

/** Second over first; `~` where losses leave it open, a dash where either is unknown or the first is 0. */
function formatRatio(first: Figure | undefined, second: Figure | undefined): string {
  if (first === undefined || second === undefined) return '-'
  if (first.value === null || second.value === null || first.value === 0) return '-'
  const ratio = (second.value / first.value).toFixed(2)
  const open = [first, second].some(({ lo, value, hi }) => lo !== value || hi !== value)
  return open ? `~${ratio}` : ratio
}

/** Numbers to the right, below the first column; `text`: everything to the left. */
export function toMarkdown(table: Result, options: { text: boolean } = { text: false }): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  const names = table.columns.map(({ name }) => name)
  const rows = table.rows.map((row) => row.map((cell) => String(cell ?? '').replaceAll('|', '\\|')))
  return (
    line(names) +
    line(names.map((_, index) => (index === 0 || options.text ? '---' : '---:'))) +
    rows.map((row) => line(row)).join('')
  )
}

/** Plain text for a mailing list: no tabs; columns that do not fit into `width` go into a further block. */
export function toPlainText(table: Result, width: number): string {
  const cells = [
    table.columns.map(({ name }) => name),
    ...table.rows.map((row) => row.map((cell) => String(cell ?? ''))),
  ]
  const widths = table.columns.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  )
  const first = Math.min(widths[0] ?? 0, Math.floor(width / 2) + 6)
  const blocks: number[][] = []
  let used = width + 1
  for (let column = 1; column < widths.length; column++) {
    const needed = 2 + (widths[column] ?? 0)
    if (used + needed > width) {
      blocks.push([])
      used = first
    }
    used += needed
    blocks.at(-1)?.push(column)
  }
  const print = (block: readonly number[]) =>
    cells
      .map((row) => {
        const rest = block.map((column) => (row[column] ?? '').padStart(widths[column] ?? 0))
        return [(row[0] ?? '').slice(0, first).padEnd(first), ...rest].join('  ').trimEnd()
      })
      .join('\n')
  return `${blocks.map(print).join('\n\n')}\n`
}
