import type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, rowsOf, SCHEMA } from './chart.ts'
import { word } from './encodings.ts'
import { columnScale, configOf, dataset, inkOf, titleOf } from './theme.ts'

export const policyComparison: Chart = {
  name: 'policy-comparison',
  summary: 'The metrics of the recording and of each run, one small panel per metric',
  reads: {
    policy_comparison: ['column', 'metric', 'title', 'unit', 'value', 'lo', 'hi', 'said', 'basis'],
  },
  main: 'policy_comparison',
  needs: 'no metrics: replay a policy, or select runs',
  reading:
    'Bar: the value. Dashes: the value of the recording. Thin line: the interval within which losses and censored spans leave it.',
  spec: toSpec,
}

function isInterval(row: ChartRow): boolean {
  return typeof row['lo'] === 'number' && typeof row['hi'] === 'number' && row['hi'] > row['lo']
}

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const all = rowsOf(rows, 'policy_comparison')
  const metrics = [...new Set(all.map((row) => String(row['metric'])))]
  const perRow = metrics.length > 1 ? 2 : 1
  const shape = {
    columns: columnsIn(all, subject),
    width: Math.floor(subject.width / perRow - (perRow - 1) * 70),
  }
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Recording and runs side by side', []),
    datasets: { policy_comparison: all },
    concat: metrics.map((metric) => {
      const own = all.filter((row) => row['metric'] === metric)
      return metricPanel(metric, own, subject, shape)
    }),
    columns: perRow,
    spacing: { row: 16, column: 60 },
    config: configOf(subject.theme),
  }
}

function metricPanel(
  metric: string,
  rows: readonly ChartRow[],
  subject: ChartSubject,
  { columns, width }: { readonly columns: readonly string[]; readonly width: number },
): JsonObject {
  const first = rows.find((row) => row['column'] === 'recording') ?? rows[0]
  const isRecorded = typeof first?.['value'] === 'number' && first['column'] === 'recording'
  const ink = inkOf(subject.theme)
  const y = {
    field: 'column',
    type: 'nominal',
    sort: [...columns],
    axis: { title: null, ticks: false, domain: false, labelLimit: 130, labelOverlap: false },
  }
  return {
    title: { text: String(first?.['title'] ?? metric), fontSize: 12, offset: 4 },
    width,
    height: { step: 22 },
    data: dataset('policy_comparison'),
    transform: [{ filter: { field: 'metric', equal: metric } }],
    layer: [
      ...(isRecorded ? [recordedRule(ink.faint)] : []),
      bars(y, rows, subject),
      ...(rows.some(isInterval) ? [intervals(y, ink.text)] : []),
      {
        mark: { type: 'text', align: 'left', dx: 8, fontSize: 10, color: ink.text },
        encoding: {
          x: { value: width },
          y,
          text: { field: 'said', type: 'nominal' },
        },
      },
    ],
  }
}

function recordedRule(color: string): JsonObject {
  return {
    transform: [{ filter: { field: 'column', equal: 'recording' } }],
    mark: { type: 'rule', strokeDash: [3, 3], color },
    encoding: { x: { field: 'value', type: 'quantitative' } },
  }
}

function bars(y: JsonObject, rows: readonly ChartRow[], subject: ChartSubject): JsonObject {
  const unit = String(rows[0]?.['unit'] ?? '')
  const isNothing = rows.every((row) => Number(row['value']) === 0 && !isInterval(row))
  return {
    mark: { type: 'bar', height: { band: 0.62 } },
    encoding: {
      x: {
        field: 'value',
        type: 'quantitative',
        axis: { title: unit, tickCount: 4, format: ',.3~f' },
        // Of nothing but zeros the axis would have its zero in the middle.
        scale: isNothing ? { domain: [0, 1] } : { zero: true },
      },
      y,
      color: { field: 'column', type: 'nominal', scale: columnScale(subject), legend: null },
      tooltip: [
        { field: 'column', type: 'nominal' },
        word('title', 'metric'),
        word('said', 'value'),
        { field: 'basis', type: 'nominal' },
      ],
    },
  }
}

function intervals(y: JsonObject, color: string): JsonObject {
  return {
    transform: [{ filter: 'isValid(datum.lo) && isValid(datum.hi) && datum.hi > datum.lo' }],
    mark: { type: 'rule', strokeWidth: 1.5, color },
    encoding: { x: { field: 'lo', type: 'quantitative' }, x2: { field: 'hi' }, y },
  }
}
