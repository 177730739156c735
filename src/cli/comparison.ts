import { type Figure, METRICS, type Metric, type SubjectFigures } from '../analysis/figures.ts'
import { type Result, toResult, type Value } from '../analysis/result.ts'
import { formatCell } from './table.ts'

/** A column of a comparison: one recording or run. */
export interface ComparisonColumn {
  readonly label: string
  readonly figures: readonly Figure[]
}

/** Long form for machines: one row per column and metric, with bounds and what the figure rests on. */
export function toFigureRows(subjects: readonly SubjectFigures[]): Result {
  return toResult(
    [
      { name: 'trace_id', type: 'integer' },
      { name: 'run_id', type: 'integer' },
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
export function toComparisonTable(columns: readonly ComparisonColumn[]): Result {
  const rows: Record<string, Value>[] = []
  for (const metric of METRICS) {
    const cells = columns.map(({ figures }) =>
      figures.find((figure) => figure.metric === metric.name),
    )
    if (cells.every((cell) => cell === undefined || cell.value === null)) continue
    const row: Record<string, Value> = { metric: metric.title }
    for (const [index, column] of columns.entries())
      row[column.label] = formatFigure(metric, cells[index])
    rows.push(row)
  }
  return toResult(
    [
      { name: 'metric', type: 'text' },
      ...columns.map(({ label }) => ({ name: label, type: 'text' as const })),
    ],
    rows,
  )
}

/** `12`, `12 to 15` where losses leave it open, `12 or more` where nothing bounds it, a dash where it is not known. */
export function formatFigure(metric: Metric, figure: Figure | undefined): string {
  if (figure === undefined || figure.value === null) return '-'
  const type = metric.unit === 'count' ? 'integer' : 'number'
  const value = formatCell(round(figure.value, metric), metric.unit, type)
  if (figure.hi === null) return `${value} or more`
  if (figure.hi === figure.value) return value
  return `${value} to ${formatCell(round(figure.hi, metric), metric.unit, type)}`
}

function round(value: number, { unit }: Metric): number {
  return unit === 'count' || unit === 'per_s' ? Math.round(value) : value
}
