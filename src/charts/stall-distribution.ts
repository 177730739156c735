import type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, largest, rowsOf, SCHEMA } from './chart.ts'
import { columnScale, configOf, dataset, inkOf, plural, TASK_CLASSES, titleOf } from './theme.ts'

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

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const quantiles = rowsOf(rows, 'stall_quantiles')
  const curve = rowsOf(rows, 'stall_curve')
  const columns = columnsIn(quantiles, subject)
  const classes = TASK_CLASSES.filter((name) => quantiles.some((row) => row['task_class'] === name))
  const censored = quantiles.reduce((sum, row) => sum + Number(row['censored'] ?? 0), 0)
  const decades = decadesOf(quantiles)
  const leastPercent = 100 / Math.max(10, largest(quantiles, 'stalls') ?? 10)
  const color = { field: 'column', type: 'nominal', scale: columnScale(subject), legend: null }
  const panels = classes.flatMap((of): JsonObject[] => {
    const own = [{ filter: { field: 'task_class', equal: of } }]
    // A curve over a handful of stalls says nothing that the marks above it do not.
    const hasCurve = quantiles.some(
      (row) => row['task_class'] === of && Number(row['stalls']) >= FEWEST_FOR_CURVE,
    )
    const x = (field: string, titled: boolean): JsonObject => ({
      field,
      type: 'quantitative',
      scale: { type: 'log', domain: decades.extent, nice: false },
      axis: {
        title: titled ? 'length of a stall, ms (logarithmic)' : null,
        labels: titled,
        values: decades.ticks,
        tickCount: decades.ticks.length + 1,
        format: ',~g',
        grid: true,
      },
    })
    const y = {
      field: 'column',
      type: 'nominal',
      sort: [...columns],
      axis: { title: null, labelLimit: 200, ticks: false, domain: false, labelOverlap: false },
    }
    const tooltip = [
      { field: 'column', title: 'column', type: 'nominal' },
      { field: 'stalls', title: 'stalls', type: 'quantitative', format: ',' },
      { field: 'censored', title: 'censored', type: 'quantitative', format: ',' },
      { field: 'p50_ms', title: 'p50, ms', type: 'quantitative', format: '.3f' },
      { field: 'p99_ms', title: 'p99, ms', type: 'quantitative', format: '.3f' },
      { field: 'max_ms', title: 'max, ms', type: 'quantitative', format: '.3f' },
    ]
    const said = columns
      .map((column) => {
        const row = quantiles.find((q) => q['column'] === column && q['task_class'] === of)
        return `${column}: ${plural(Number(row?.['stalls'] ?? 0), 'stall')}`
      })
      .join(', ')
    const label = (
      field: string,
      dx: number,
      align: string,
      word: string,
      clear = 'true',
    ): JsonObject => ({
      transform: [
        { filter: clear },
        { calculate: `'${word} ' + format(datum.${field}, ',.3~r')`, as: `${field}_said` },
      ],
      mark: { type: 'text', align, dx, dy: -10, fontSize: 9.5, color: inkOf(subject.theme).faint },
      encoding: {
        x: x(field, !hasCurve),
        y,
        text: { field: `${field}_said`, type: 'nominal' },
      },
    })
    const ranges: JsonObject = {
      title: { text: `${of} tasks`, subtitle: said, fontSize: 12, subtitleFontSize: 10, offset: 6 },
      width: subject.width,
      height: { step: 34 },
      data: dataset('stall_quantiles'),
      transform: own,
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 2 },
          encoding: { x: x('p50_ms', !hasCurve), x2: { field: 'max_ms' }, y, color, tooltip },
        },
        {
          mark: { type: 'tick', opacity: 1, thickness: 3, height: 14, orient: 'vertical' },
          encoding: { x: x('p50_ms', !hasCurve), y, color, tooltip },
        },
        {
          mark: { type: 'tick', opacity: 1, thickness: 3, height: 14, orient: 'vertical' },
          encoding: { x: x('p99_ms', !hasCurve), y, color, tooltip },
        },
        {
          mark: { type: 'point', filled: true, size: 60, opacity: 1 },
          encoding: { x: x('max_ms', !hasCurve), y, color, tooltip },
        },
        label('p50_ms', -2, 'right', 'p50', 'datum.p99_ms > datum.p50_ms * 2.5'),
        label('p99_ms', -4, 'right', 'p99'),
        label('max_ms', 4, 'left', 'max'),
      ],
    }
    const lines: JsonObject = {
      width: subject.width,
      height: 110,
      data: dataset('stall_curve'),
      transform: own,
      mark: { type: 'line', interpolate: 'step-after', strokeWidth: 1.8, clip: true },
      encoding: {
        x: x('ms', true),
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
        color,
        tooltip: [
          { field: 'column', type: 'nominal' },
          { field: 'ms', title: 'longer than, ms', type: 'quantitative', format: '.3f' },
          { field: 'longer_percent', title: 'stalls, %', type: 'quantitative', format: '.1f' },
        ],
      },
    }
    return hasCurve ? [ranges, lines] : [ranges]
  })
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Length of stalls', [
      censored > 0
        ? `${plural(censored, 'stall')} censored: counted with the length that was seen`
        : 'no stall was censored',
    ]),
    datasets: { stall_quantiles: quantiles, stall_curve: curve },
    vconcat: panels,
    spacing: 14,
    resolve: { scale: { x: 'shared', color: 'shared' } },
    config: configOf(subject.theme),
  }
}
