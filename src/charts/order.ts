import type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, largest, rowsOf, SCHEMA } from './chart.ts'
import { amount, only, panelTitle } from './encodings.ts'
import { configOf, dataset, inkOf, titleOf } from './theme.ts'

export const order: Chart = {
  name: 'order',
  summary:
    'Order of submission against order of completion; pages stored out of turn stand off the line',
  reads: {
    order_bins: [
      'column',
      'submit_from',
      'submit_to',
      'displacement_from',
      'displacement_to',
      'pages',
    ],
    order_paths: ['column', 'path', 'pages', 'overtaken'],
  },
  main: 'order_bins',
  needs:
    'kswapd swapped nothing out, or when its pages were submitted and stored is not known: record the swap-out probes, or replay',
  reading:
    'On the line a page was stored in its turn. Above it, pages submitted later were stored first (it was overtaken); ' +
    'below it, the page overtook others. What never met the queue (bypass: direct reclaim, zero and same-filled pages) is counted above each panel, not drawn.',
  spec: toSpec,
}

const PATHS = ['unknown', 'inline', 'queued', 'displaced', 'bypass']

/** Displacements up to this one are drawn to scale, larger ones logarithmically. */
const LINEAR = 4

function ticksTo(most: number): readonly number[] {
  const up: number[] = []
  let tick = LINEAR
  while (tick < most) {
    up.push(tick)
    tick *= 8
  }
  up.push(tick)
  // On a long axis the smallest ticks would print over the zero.
  const shown = up.length > 3 ? up.slice(1) : up
  return [...shown.map((value) => -value).reverse(), 0, ...shown]
}

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const bins = rowsOf(rows, 'order_bins')
  const paths = rowsOf(rows, 'order_paths')
  const columns = columnsIn([...bins, ...paths], subject)
  const ticks = ticksTo(
    Math.max(
      4,
      largest(bins, 'displacement_to') ?? 0,
      ...bins.map((row) => -Number(row['displacement_from'])),
    ),
  )
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Completion order against submission order', [
      'dotted line: stored in turn; above it: overtaken (logarithmic beyond 4 pages); kswapd of each node is a lane',
    ]),
    datasets: { order_bins: bins },
    vconcat: columns.map((column, index) => ({
      title: panelTitle(column, sayPaths(paths.filter((row) => row['column'] === column))),
      width: subject.width,
      height: 130,
      layer: [
        cells(column, ticks, subject, index === columns.length - 1 ? SUBMISSION : null),
        inTurn(subject),
      ],
    })),
    spacing: 14,
    resolve: { scale: { color: 'shared', x: 'shared', y: 'shared' } },
    config: configOf(subject.theme),
  }
}

const SUBMISSION = 'rank at submission (pages of the lane)'

function sayPaths(paths: readonly ChartRow[]): string {
  const said = paths
    .toSorted((a, b) => PATHS.indexOf(String(a['path'])) - PATHS.indexOf(String(b['path'])))
    .map((row) => `${row['path']} ${Number(row['pages']).toLocaleString('en-US')}`)
    .join(', ')
  const overtaken = paths.reduce((sum, row) => sum + Number(row['overtaken'] ?? 0), 0)
  return `pages: ${said || 'not known'}; pages overtaken: ${overtaken.toLocaleString('en-US')}`
}

/** How many pages of a stretch of submissions got how far from their turn. */
function cells(
  column: string,
  ticks: readonly number[],
  subject: ChartSubject,
  title: string | null,
): JsonObject {
  const reach = ticks[ticks.length - 1] ?? 4
  return {
    data: dataset('order_bins'),
    transform: only(column),
    mark: { type: 'rect' },
    encoding: {
      x: {
        field: 'submit_from',
        type: 'quantitative',
        axis: { title, tickCount: 8 },
        scale: { nice: false },
      },
      x2: { field: 'submit_to' },
      y: {
        field: 'displacement_from',
        type: 'quantitative',
        axis: {
          title: ['completion rank', '− submission rank'],
          values: ticks,
          // Vega drops every other value where there are more than tickCount.
          tickCount: ticks.length + 1,
          labelExpr: "datum.value === 0 ? '0' : format(datum.value, '+,d')",
          labelOverlap: false,
        },
        scale: { type: 'symlog', constant: LINEAR, domain: [-reach, reach], nice: false },
      },
      y2: { field: 'displacement_to' },
      color: {
        field: 'pages',
        type: 'quantitative',
        scale: {
          type: 'log',
          range: subject.theme === 'light' ? ['#9ecae1', '#08306b'] : ['#1f5f86', '#d6f0ff'],
          interpolate: 'lab',
        },
        legend: { title: 'pages per cell', orient: 'top', gradientLength: 160, tickCount: 3 },
      },
      tooltip: [
        amount('submit_from', 'submitted from rank', ','),
        amount('submit_to', 'to rank', ','),
        amount('displacement_from', 'displaced from', ','),
        amount('displacement_to', 'to', ','),
        amount('pages', 'pages', ','),
      ],
    },
  }
}

/** The line of pages that were stored in their turn. */
function inTurn({ theme }: ChartSubject): JsonObject {
  return {
    data: { values: [{ zero: 0 }] },
    mark: { type: 'rule', color: inkOf(theme).faint, strokeDash: [2, 2] },
    encoding: { y: { field: 'zero', type: 'quantitative' } },
  }
}
