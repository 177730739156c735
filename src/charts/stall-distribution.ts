import { plural } from '../model/counted.ts'
import type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, largest, rowsOf, SCHEMA } from './chart.ts'
import { amount, panelTitle, word } from './encodings.ts'
import { columnScale, configOf, dataset, inkOf, TASK_CLASSES, titleOf } from './theme.ts'

export const stallDistribution: Chart = {
  name: 'stall-distribution',
  summary: 'Length of stalls: share of stalls longer than a given time, with p50, p99 and max',
  reads: {
    stall_curve: ['column', 'task_class', 'ms', 'longer_percent'],
    stall_quantiles: ['column', 'task_class', 'stalls', 'censored', 'p50_ms', 'p99_ms', 'max_ms'],
  },
  main: 'stall_quantiles',
  needs: 'no task stalled, or the recording has no vmscan direct reclaim events',
  reading:
    'Left end of a bar: half of the stalls are longer. Tick: one in a hundred is longer. Dot: the longest. ' +
    'Censored stalls (cut by a loss or an end of the recording) count with the length that was seen.',
  spec: toSpec,
}

const FEWEST_FOR_CURVE = 5

/** Whole decades around all lengths, so that labels at either end have room. */
function decadesOf(quantiles: readonly ChartRow[]): {
  readonly extent: readonly [number, number]
  readonly ticks: readonly number[]
} {
  const lengths = quantiles
    .flatMap((row) => [Number(row['p50_ms']), Number(row['max_ms'])])
    .filter((ms) => ms > 0)
  const from = Math.floor(Math.log10(Math.min(1, ...lengths) * 0.4))
  const to = Math.ceil(Math.log10(Math.max(1, ...lengths) * 2))
  const ticks: number[] = []
  for (let power = from; power <= to; power++) ticks.push(Number(`1e${power}`))
  return { extent: [Number(`1e${from}`), Number(`1e${to}`)], ticks }
}

interface Lengths {
  readonly quantiles: readonly ChartRow[]
  readonly columns: readonly string[]
  readonly decades: ReturnType<typeof decadesOf>
  readonly color: JsonObject
}

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const quantiles = rowsOf(rows, 'stall_quantiles')
  const curve = rowsOf(rows, 'stall_curve')
  const columns = columnsIn(quantiles, subject)
  const classes = TASK_CLASSES.filter((name) => quantiles.some((row) => row['task_class'] === name))
  const censored = quantiles.reduce((sum, row) => sum + Number(row['censored'] ?? 0), 0)
  const color = { field: 'column', type: 'nominal', scale: columnScale(subject), legend: null }
  const lengths = { quantiles, columns, decades: decadesOf(quantiles), color }
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Length of stalls', [
      censored > 0
        ? `${plural(censored, 'stall')} censored: counted with the length that was seen`
        : 'no stall was censored',
    ]),
    datasets: { stall_quantiles: quantiles, stall_curve: curve },
    vconcat: classes.flatMap((taskClass) => toPanels(lengths, taskClass, subject)),
    spacing: 14,
    resolve: { scale: { x: 'shared', color: 'shared' } },
    config: configOf(subject.theme),
  }
}

function toPanels(lengths: Lengths, taskClass: string, subject: ChartSubject): JsonObject[] {
  // A curve over a handful of stalls says nothing that the marks above it do not.
  const hasCurve = lengths.quantiles.some(
    (row) => row['task_class'] === taskClass && Number(row['stalls']) >= FEWEST_FOR_CURVE,
  )
  const ranges = rangesPanel(lengths, taskClass, subject, hasCurve ? 'bare' : 'titled')
  return hasCurve ? [ranges, curvePanel(lengths, taskClass, subject)] : [ranges]
}

function lengthAxis({ decades }: Lengths, field: string, axis: 'bare' | 'titled'): JsonObject {
  const isTitled = axis === 'titled'
  return {
    field,
    type: 'quantitative',
    scale: { type: 'log', domain: decades.extent, nice: false },
    axis: {
      title: isTitled ? 'length of a stall, ms (logarithmic)' : null,
      labels: isTitled,
      values: decades.ticks,
      tickCount: decades.ticks.length + 1,
      format: ',~g',
      grid: true,
    },
  }
}

const TOOLTIP = [
  word('column', 'column'),
  amount('stalls', 'stalls', ','),
  amount('censored', 'censored', ','),
  amount('p50_ms', 'p50, ms', '.3f'),
  amount('p99_ms', 'p99, ms', '.3f'),
  amount('max_ms', 'max, ms', '.3f'),
]

function rowOfEach(columns: readonly string[]): JsonObject {
  return {
    field: 'column',
    type: 'nominal',
    sort: [...columns],
    axis: { title: null, labelLimit: 200, ticks: false, domain: false, labelOverlap: false },
  }
}

/** A bar from median to maximum for each column. */
function rangesPanel(
  lengths: Lengths,
  taskClass: string,
  subject: ChartSubject,
  axis: 'bare' | 'titled',
): JsonObject {
  const { color, columns } = lengths
  const x = (field: string): JsonObject => lengthAxis(lengths, field, axis)
  const y = rowOfEach(columns)
  const tooltip = TOOLTIP
  const tick = { type: 'tick', opacity: 1, thickness: 3, height: 14, orient: 'vertical' }
  const label = (
    field: string,
    mark: { readonly dx: number; readonly align: string },
    text: string,
    clear = 'true',
  ): JsonObject => ({
    transform: [
      { filter: clear },
      { calculate: `'${text} ' + format(datum.${field}, ',.3~r')`, as: `${field}_said` },
    ],
    mark: {
      type: 'text',
      align: mark.align,
      dx: mark.dx,
      dy: -10,
      fontSize: 9.5,
      color: inkOf(subject.theme).faint,
    },
    encoding: { x: x(field), y, text: { field: `${field}_said`, type: 'nominal' } },
  })
  return {
    title: panelTitle(`${taskClass} tasks`, sayStalls(lengths, taskClass)),
    width: subject.width,
    height: { step: 34 },
    data: dataset('stall_quantiles'),
    transform: ofClass(taskClass),
    layer: [
      {
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { x: x('p50_ms'), x2: { field: 'max_ms' }, y, color, tooltip },
      },
      { mark: tick, encoding: { x: x('p50_ms'), y, color, tooltip } },
      { mark: tick, encoding: { x: x('p99_ms'), y, color, tooltip } },
      {
        mark: { type: 'point', filled: true, size: 60, opacity: 1 },
        encoding: { x: x('max_ms'), y, color, tooltip },
      },
      label('p50_ms', { dx: -2, align: 'right' }, 'p50', 'datum.p99_ms > datum.p50_ms * 2.5'),
      label('p99_ms', { dx: -4, align: 'right' }, 'p99'),
      label('max_ms', { dx: 4, align: 'left' }, 'max'),
    ],
  }
}

/** Share of the stalls that are longer than a given time. */
function curvePanel(lengths: Lengths, taskClass: string, subject: ChartSubject): JsonObject {
  const leastPercent = 100 / Math.max(10, largest(lengths.quantiles, 'stalls') ?? 10)
  return {
    width: subject.width,
    height: 110,
    data: dataset('stall_curve'),
    transform: ofClass(taskClass),
    mark: { type: 'line', interpolate: 'step-after', strokeWidth: 1.8, clip: true },
    encoding: {
      x: lengthAxis(lengths, 'ms', 'titled'),
      y: {
        field: 'longer_percent',
        type: 'quantitative',
        axis: {
          title: ['stalls longer', 'than this, %'],
          tickCount: 6,
          values: [100, 10, 1, 0.1, 0.01].filter((percent) => percent >= leastPercent),
          format: '~g',
        },
        scale: { type: 'log', domain: [leastPercent, 100], nice: false, clamp: true },
      },
      color: lengths.color,
      tooltip: [
        { field: 'column', type: 'nominal' },
        amount('ms', 'longer than, ms', '.3f'),
        amount('longer_percent', 'stalls, %', '.1f'),
      ],
    },
  }
}

function ofClass(taskClass: string): JsonObject[] {
  return [{ filter: { field: 'task_class', equal: taskClass } }]
}

function sayStalls({ columns, quantiles }: Lengths, taskClass: string): string {
  return columns
    .map((column) => {
      const row = quantiles.find((q) => q['column'] === column && q['task_class'] === taskClass)
      return `${column}: ${plural(Number(row?.['stalls'] ?? 0), 'stall')}`
    })
    .join(', ')
}
