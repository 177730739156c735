import type { Chart, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, rowsOf, SCHEMA, timeExtent } from './chart.ts'
import { amount, only } from './encodings.ts'
import { configOf, dataset, titleOf } from './theme.ts'

export const swapRates: Chart = {
  name: 'swap-rates',
  summary: 'Swap-outs and swap-ins per second over time',
  reads: {
    swap_activity: ['column', 'start_s', 'end_s', 'direction', 'pages_per_s', 'signed_per_s'],
    columns: ['column', 'start_s', 'end_s'],
  },
  main: 'swap_activity',
  needs: 'no swap-outs or swap-ins: record mm_vmscan_write_folio or the swap probes',
  reading: 'Above the line: pages written to swap. Below it: pages read back.',
  spec: toSpec,
}

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const rates = rowsOf(rows, 'swap_activity')
  const columns = columnsIn(rates, subject)
  const views = columns.map((_, index) => `rates_${index}`)
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Swap-outs and swap-ins', []),
    datasets: { swap_activity: rates },
    params: [
      { name: 'zoom', select: { type: 'interval', encodings: ['x'] }, bind: 'scales', views },
    ],
    vconcat: columns.map(
      (column, index): JsonObject => ({
        name: `rates_${index}`,
        title: { text: column, fontSize: 12, offset: 6 },
        width: subject.width,
        height: 90,
        data: dataset('swap_activity'),
        transform: only(column),
        mark: { type: 'rect' },
        encoding: encodingOf(rows, subject, { isLast: index === columns.length - 1 }),
      }),
    ),
    spacing: 12,
    resolve: {
      scale: { x: 'shared', y: 'shared', color: 'shared' },
      legend: { color: 'shared' },
    },
    config: configOf(subject.theme),
  }
}

function encodingOf(
  rows: ChartRows,
  subject: ChartSubject,
  { isLast }: { readonly isLast: boolean },
): JsonObject {
  const { start, end } = timeExtent(rows)
  const range = subject.theme === 'light' ? ['#0072b2', '#d55e00'] : ['#56b4e9', '#f08a3c']
  return {
    x: {
      field: 'start_s',
      type: 'quantitative',
      scale: { domain: [start, end], nice: false },
      axis: {
        title: isLast ? "time since the recording's start, s" : null,
        labels: isLast,
      },
    },
    x2: { field: 'end_s' },
    y: {
      field: 'signed_per_s',
      type: 'quantitative',
      axis: {
        title: ['in ←  pages/s  → out'],
        tickCount: 5,
        labelExpr: "format(abs(datum.value), '~s')",
      },
    },
    y2: { datum: 0 },
    color: {
      field: 'direction',
      type: 'nominal',
      scale: { domain: ['swap-out', 'swap-in'], range },
      legend: { title: null },
    },
    tooltip: [
      amount('start_s', 'from, s', '.3f'),
      amount('end_s', 'to, s', '.3f'),
      { field: 'direction', type: 'nominal' },
      amount('pages_per_s', 'pages/s', ',.0f'),
    ],
  }
}
