import type { Chart, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, largest, rowsOf, SCHEMA, timeExtent } from './chart.ts'
import { configOf, dataset, inkOf, plural, titleOf } from './theme.ts'

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
  const ink = inkOf(subject.theme)
  const columns = columnsIn(depth, subject)
  const { start, end } = timeExtent(rows)
  const panels: JsonObject[] = []
  const views: string[] = []
  const last = columns[columns.length - 1]
  for (const column of columns) {
    const nodes = [
      ...new Set(depth.filter((row) => row['column'] === column).map((row) => Number(row['node']))),
    ].sort((a, b) => a - b)
    for (const node of nodes) {
      const own = [
        { filter: { field: 'column', equal: column } },
        { filter: { field: 'node', equal: node } },
      ]
      const name = `depth_${panels.length}`
      views.push(name)
      const x = {
        field: 'start_s',
        type: 'quantitative',
        scale: { domain: [start, end], nice: false },
        axis: {
          title:
            column === last && node === nodes[nodes.length - 1]
              ? "time since the recording's start, s"
              : null,
        },
      }
      const tooltip = [
        { field: 'start_s', title: 'from, s', type: 'quantitative', format: '.3f' },
        { field: 'end_s', title: 'to, s', type: 'quantitative', format: '.3f' },
        { field: 'depth_mean', title: 'mean depth, pages', type: 'quantitative', format: '.1f' },
        { field: 'depth_max', title: 'deepest, pages', type: 'quantitative', format: ',' },
      ]
      const bar = (field: string, color: string): JsonObject => ({
        transform: own,
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
          tooltip,
        },
      })
      const limits = bounds.filter((row) => row['column'] === column && row['node'] === node)
      const bound = largest(limits, 'bound')
      const capacity = largest(limits, 'capacity')
      const deepest = largest(
        depth.filter((row) => row['column'] === column && row['node'] === node),
        'depth_max',
      )
      // A bound far above the queue would flatten it; the title says it all the same.
      const boundShown = bound !== undefined && deepest !== undefined && deepest * 3 > bound
      panels.push({
        title: {
          text: `${column}, node ${node}`,
          subtitle: sayBound(bound, capacity),
          fontSize: 12,
          subtitleFontSize: 10,
          offset: 6,
        },
        width: subject.width,
        height: 100,
        data: dataset('queue_depth'),
        layer: [
          { name, ...bar('depth_max', ink.band) },
          bar('depth_mean', ink.line),
          ...(boundShown
            ? [
                {
                  data: dataset('queue_bounds'),
                  transform: own,
                  mark: { type: 'rule', color: ink.alarm, strokeDash: [5, 3] },
                  encoding: { y: { field: 'bound', type: 'quantitative' } },
                },
                {
                  data: dataset('queue_bounds'),
                  transform: own,
                  mark: {
                    type: 'text',
                    clip: false,
                    align: 'left',
                    dx: 4,
                    fontSize: 10,
                    color: ink.alarm,
                  },
                  encoding: {
                    x: { value: subject.width },
                    y: { field: 'bound', type: 'quantitative' },
                    text: { field: 'bound', type: 'quantitative', format: ',' },
                  },
                },
              ]
            : []),
        ],
      })
    }
  }
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Pages waiting in the queue', [
      'strong colour: mean in the interval; faint: deepest moment; dashes: how much the policy lets wait',
    ]),
    datasets: { queue_depth: depth, queue_bounds: bounds },
    params: [
      { name: 'zoom', select: { type: 'interval', encodings: ['x'] }, bind: 'scales', views },
    ],
    vconcat: panels,
    spacing: 14,
    resolve: { scale: { x: 'shared' } },
    config: configOf(subject.theme),
  }
}

function sayBound(bound: number | undefined, capacity: number | undefined): string {
  if (bound === undefined) return 'how much may wait is not known'
  const most = `at most ${plural(bound, 'page')}`
  if (capacity === undefined || capacity === bound) return most
  return `${most} (by its tunables; the queue could hold ${capacity.toLocaleString('en-US')})`
}
