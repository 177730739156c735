import { plural } from '../model/counted.ts'
import type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, largest, rowsOf, SCHEMA, timeExtent } from './chart.ts'
import { amount, only, panelTitle } from './encodings.ts'
import { configOf, dataset, inkOf, titleOf } from './theme.ts'

export const queueDepth: Chart = {
  name: 'queue-depth',
  summary: 'Pages waiting for compression over time, with the bound of the queue',
  reads: {
    queue_depth: ['column', 'node', 'start_s', 'end_s', 'depth_mean', 'depth_max'],
    queue_bounds: ['column', 'node', 'bound', 'capacity'],
    columns: ['column', 'start_s', 'end_s'],
  },
  main: 'queue_depth',
  needs: 'no policy with a queue is selected: replay one, or select its run',
  reading:
    'A page counts from its hand-over to the start of its store. Strong colour: mean depth in the interval. Faint colour: deepest moment. Dashes: how much the policy lets wait in its queue; the page in the hands of whoever finds it full stands above.',
  spec: toSpec,
}

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const depth = rowsOf(rows, 'queue_depth')
  const bounds = rowsOf(rows, 'queue_bounds')
  const queues = columnsIn(depth, subject).flatMap((column) =>
    nodesOf(depth, column).map((node) => ({ column, node })),
  )
  const views = queues.map((_, index) => `depth_${index}`)
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Pages waiting in the queue', [
      'strong colour: mean in the interval; faint: deepest moment; dashes: how much the policy lets wait',
    ]),
    datasets: { queue_depth: depth, queue_bounds: bounds },
    params: [
      { name: 'zoom', select: { type: 'interval', encodings: ['x'] }, bind: 'scales', views },
    ],
    vconcat: queues.map((queue, index) =>
      toPanel(rows, subject, queue, {
        name: `depth_${index}`,
        isLast: index === queues.length - 1,
      }),
    ),
    spacing: 14,
    resolve: { scale: { x: 'shared' } },
    config: configOf(subject.theme),
  }
}

interface Queue {
  readonly column: string
  readonly node: number
}

function nodesOf(depth: readonly ChartRow[], column: string): number[] {
  const nodes = depth.filter((row) => row['column'] === column).map((row) => Number(row['node']))
  return [...new Set(nodes)].sort((a, b) => a - b)
}

function toPanel(
  rows: ChartRows,
  subject: ChartSubject,
  queue: Queue,
  { name, isLast }: { readonly name: string; readonly isLast: boolean },
): JsonObject {
  const { column, node } = queue
  const ink = inkOf(subject.theme)
  const isOwn = (row: ChartRow): boolean => row['column'] === column && row['node'] === node
  const limits = rowsOf(rows, 'queue_bounds').filter(isOwn)
  const bound = largest(limits, 'bound')
  const deepest = largest(rowsOf(rows, 'queue_depth').filter(isOwn), 'depth_max')
  // A bound far above the queue would flatten it; the title says it all the same.
  const isBoundShown = bound !== undefined && deepest !== undefined && deepest * 3 > bound
  const { start, end } = timeExtent(rows)
  const x = {
    field: 'start_s',
    type: 'quantitative',
    scale: { domain: [start, end], nice: false },
    axis: { title: isLast ? "time since the recording's start, s" : null },
  }
  return {
    title: panelTitle(`${column}, node ${node}`, sayBound(bound, largest(limits, 'capacity'))),
    width: subject.width,
    height: 100,
    data: dataset('queue_depth'),
    layer: [
      { name, ...depthBar(queue, x, 'depth_max', ink.band) },
      depthBar(queue, x, 'depth_mean', ink.line),
      ...(isBoundShown ? boundMarks(queue, subject) : []),
    ],
  }
}

function ofQueue({ column, node }: Queue): JsonObject[] {
  return [...only(column), { filter: { field: 'node', equal: node } }]
}

function depthBar(queue: Queue, x: JsonObject, field: string, color: string): JsonObject {
  return {
    transform: ofQueue(queue),
    mark: { type: 'rect', color },
    encoding: {
      x,
      x2: { field: 'end_s' },
      y: {
        field,
        type: 'quantitative',
        axis: { title: 'waiting, pages', tickCount: 4 },
        scale: { zero: true },
      },
      y2: { datum: 0 },
      tooltip: [
        amount('start_s', 'from, s', '.3f'),
        amount('end_s', 'to, s', '.3f'),
        amount('depth_mean', 'mean depth, pages', '.1f'),
        amount('depth_max', 'deepest, pages', ','),
      ],
    },
  }
}

/** A line at the bound, with its number beside the panel. */
function boundMarks(queue: Queue, subject: ChartSubject): JsonObject[] {
  const color = inkOf(subject.theme).alarm
  const own = { data: dataset('queue_bounds'), transform: ofQueue(queue) }
  return [
    {
      ...own,
      mark: { type: 'rule', color, strokeDash: [5, 3] },
      encoding: { y: { field: 'bound', type: 'quantitative' } },
    },
    {
      ...own,
      mark: { type: 'text', clip: false, align: 'left', dx: 4, fontSize: 10, color },
      encoding: {
        x: { value: subject.width },
        y: { field: 'bound', type: 'quantitative' },
        text: { field: 'bound', type: 'quantitative', format: ',' },
      },
    },
  ]
}

function sayBound(bound: number | undefined, capacity: number | undefined): string {
  if (bound === undefined) return 'how much may wait is not known'
  const most = `at most ${plural(bound, 'page')}`
  if (capacity === undefined || capacity === bound) return most
  return `${most} (by its tunables; the queue could hold ${capacity.toLocaleString('en-US')})`
}
