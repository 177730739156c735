import type { Chart, ChartRow, ChartRows, ChartSubject, Json, JsonObject } from './chart.ts'
import { largest, rowsOf, SCHEMA, timeExtent } from './chart.ts'
import { amount, only, panelTitle, word } from './encodings.ts'
import { classScale, configOf, dataset, inkOf, titleOf } from './theme.ts'

const MEMORY_HEIGHT = 120
const ACTIVITY_HEIGHT = 46
const LABEL_GAP = 11
/** Free memory far above the watermarks is cut off, unless it stays there: what policies change happens near them. */
const MOST_HIGHS = 5

export const timeline: Chart = {
  name: 'timeline',
  summary: 'Free memory against the watermarks, kswapd and stalls on one time axis',
  reads: {
    free_samples: ['column', 'time_s', 'free_mib', 'zones'],
    free_bounds: ['column', 'start_s', 'end_s', 'lo_mib', 'hi_mib', 'proof'],
    watermarks: ['column', 'name', 'mib', 'basis'],
    kswapd_activity: ['column', 'start_s', 'end_s', 'busy_percent'],
    stall_activity: ['column', 'start_s', 'end_s', 'task_class', 'stalled_tasks'],
    columns: ['column', 'description', 'start_s', 'end_s'],
    gaps: ['column', 'start_s', 'end_s', 'cpu', 'events'],
  },
  main: 'columns',
  needs: 'no complete recording or run is selected',
  reading:
    'Line: sampled free memory; a recording counts all zones, a run those that reclaim works on: compare how they move, not how high ' +
    'they are. Band: without samples, what kswapd and direct reclaim prove (asleep: at least low; ' +
    'awake: between min and high; a task in direct reclaim: possibly below min), with the largest watermark boost the kernel may ' +
    'have added. Dashes: watermarks without boost. Grey: events lost.',
  spec: toSpec,
}

type Time = ReturnType<typeof timeExtent>

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const known = new Set(rowsOf(rows, 'columns').map((row) => row['column']))
  const columns = subject.columns.filter((column) => known.has(column))
  const top = memoryTop(rows)
  const time = timeExtent(rows)
  const views: string[] = []
  const panels: Json[] = []
  columns.forEach((column, index) => {
    panels.push(memoryPanel(rows, subject, column, `memory_${index}`, { top, time }))
    panels.push(kswapdPanel(subject, column, `kswapd_${index}`, time))
    panels.push(
      stallPanel(rows, subject, column, `stalls_${index}`, time, index === columns.length - 1),
    )
    views.push(`memory_${index}`, `kswapd_${index}`, `stalls_${index}`)
  })
  const beyond = (largest(rowsOf(rows, 'free_samples'), 'free_mib') ?? 0) > top
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Free memory, kswapd and stalls', [
      ...(beyond ? [`free memory above ${top.toFixed(0)} MiB is cut off`] : []),
    ]),
    datasets: {
      free_samples: rowsOf(rows, 'free_samples'),
      free_bounds: clipped(rowsOf(rows, 'free_bounds'), top),
      watermarks: rowsOf(rows, 'watermarks'),
      kswapd_activity: rowsOf(rows, 'kswapd_activity'),
      stall_activity: rowsOf(rows, 'stall_activity'),
      gaps: rowsOf(rows, 'gaps'),
    },
    params: [
      { name: 'zoom', select: { type: 'interval', encodings: ['x'] }, bind: 'scales', views },
    ],
    vconcat: panels,
    spacing: 8,
    resolve: { scale: { x: 'shared', color: 'shared' }, legend: { color: 'shared' } },
    config: configOf(subject.theme),
  }
}

/** A line along the upper edge would be half hidden. */
const HEADROOM = 1.05

function memoryTop(rows: ChartRows): number {
  const high = largest(rowsOf(rows, 'watermarks'), 'mib') ?? 0
  const free = largest(rowsOf(rows, 'free_samples'), 'free_mib') ?? 0
  if (high === 0) return Math.max(free * HEADROOM, 1)
  const proved = largest(rowsOf(rows, 'free_bounds'), 'hi_mib') ?? 0
  const top = Math.max(free * HEADROOM, proved * HEADROOM, high * 1.4)
  const isNear = (row: ChartRow) => Number(row['free_mib']) <= high * MOST_HIGHS
  const near = new Set(
    rowsOf(rows, 'free_samples')
      .filter(isNear)
      .map(({ column }) => column),
  )
  const staysFar = rowsOf(rows, 'free_samples').some(({ column }) => !near.has(column))
  return staysFar ? top : Math.min(top, high * MOST_HIGHS)
}

/** "At least low" has no upper end: the band runs to the top of the panel. */
function clipped(bounds: readonly ChartRow[], top: number): readonly ChartRow[] {
  return bounds.map((row) => {
    const hi = row['hi_mib']
    return { ...row, hi_mib: typeof hi === 'number' ? Math.min(hi, top) : top }
  })
}

function timeAxis({ start, end }: Time, shown: boolean): JsonObject {
  return {
    type: 'quantitative',
    scale: { domain: [start, end], nice: false },
    axis: shown
      ? { title: "time since the recording's start, s", grid: true }
      : { title: null, labels: false, ticks: false, grid: true },
  }
}

function memoryPanel(
  rows: ChartRows,
  subject: ChartSubject,
  column: string,
  name: string,
  extent: { readonly top: number; readonly time: Time },
): Json {
  const ink = inkOf(subject.theme)
  const described = rowsOf(rows, 'columns').find((row) => row['column'] === column)
  const sample = rowsOf(rows, 'free_samples').find((row) => row['column'] === column)
  const x = timeAxis(extent.time, false)
  const scale = { domain: [0, extent.top], nice: false, clamp: false }
  const y = { type: 'quantitative', scale, axis: { title: 'free, MiB', tickCount: 4 } }
  const basis =
    sample === undefined
      ? '; no samples of free memory, so the band is what kswapd and direct reclaim prove'
      : `; free memory of ${String(sample['zones'])}`
  const subtitle = `${String(described?.['description'] ?? '')}${basis}`
  const ownEnd = Number(described?.['end_s'] ?? extent.time.end)
  const marks = spread(
    rowsOf(rows, 'watermarks').filter((row) => row['column'] === column),
    extent.top,
  )
  return {
    width: subject.width,
    height: MEMORY_HEIGHT,
    title: { ...panelTitle(column, subtitle), limit: subject.width },
    layer: [
      {
        name,
        ...(sample === undefined
          ? provedMemory(column, x, y, ink.band)
          : sampledMemory(column, x, y, ink.line)),
      },
      watermarkRules(column, scale, ink.alarm),
      ...(rowsOf(rows, 'gaps').some((row) => row['column'] === column)
        ? [gapMarks(column, ink.faint)]
        : []),
      ...(ownEnd < extent.time.end * 0.995 ? endMarks(ownEnd, ink.faint) : []),
      ...marks.map((mark): Json => watermarkLabel(mark, subject, scale)),
    ],
  }
}

function sampledMemory(column: string, x: JsonObject, y: JsonObject, color: string): JsonObject {
  return {
    data: dataset('free_samples'),
    transform: only(column),
    mark: { type: 'line', interpolate: 'step-after', strokeWidth: 1.5, color, clip: true },
    encoding: {
      x: { field: 'time_s', ...x },
      y: { field: 'free_mib', ...y },
      tooltip: [amount('time_s', 'time, s', '.4f'), amount('free_mib', 'free, MiB', '.2f')],
    },
  }
}

function provedMemory(column: string, x: JsonObject, y: JsonObject, color: string): JsonObject {
  return {
    data: dataset('free_bounds'),
    transform: only(column),
    mark: { type: 'rect', color, clip: true },
    encoding: {
      x: { field: 'start_s', ...x },
      x2: { field: 'end_s' },
      y: { field: 'lo_mib', ...y },
      y2: { field: 'hi_mib' },
      tooltip: [
        amount('start_s', 'from, s', '.4f'),
        amount('end_s', 'to, s', '.4f'),
        word('proof', 'proved by'),
      ],
    },
  }
}

function watermarkRules(column: string, scale: JsonObject, color: string): JsonObject {
  return {
    data: dataset('watermarks'),
    transform: only(column),
    mark: { type: 'rule', strokeDash: [5, 3], color, clip: true },
    encoding: {
      y: { field: 'mib', type: 'quantitative', scale },
      tooltip: [
        word('name', 'watermark'),
        amount('mib', 'MiB', '.2f'),
        { field: 'basis', type: 'nominal' },
      ],
    },
  }
}

function watermarkLabel(
  { name, mib, dy }: Label,
  subject: ChartSubject,
  scale: JsonObject,
): JsonObject {
  return {
    data: { values: [{ y: mib }] },
    mark: {
      type: 'text',
      clip: false,
      text: name,
      align: 'left',
      dx: 4,
      dy,
      fontSize: 10,
      color: inkOf(subject.theme).alarm,
    },
    encoding: { x: { value: subject.width }, y: { field: 'y', type: 'quantitative', scale } },
  }
}

/** Where the recording is blind. */
function gapMarks(column: string, color: string): Json {
  return {
    data: dataset('gaps'),
    transform: only(column),
    mark: { type: 'rect', color, opacity: 0.35, stroke: color, strokeWidth: 0.5 },
    encoding: {
      x: { field: 'start_s', type: 'quantitative' },
      x2: { field: 'end_s' },
      tooltip: [
        amount('start_s', 'events lost from, s', '.4f'),
        amount('end_s', 'to, s', '.4f'),
        { field: 'cpu', title: 'CPU', type: 'quantitative' },
        amount('events', 'lost events', ','),
      ],
    },
  }
}

/** Where a column that needs less time than the longest one is done. */
function endMarks(end: number, color: string): readonly Json[] {
  const x = { field: 'end', type: 'quantitative' }
  const data = { values: [{ end }] }
  return [
    { data, mark: { type: 'rule', color }, encoding: { x } },
    {
      data,
      mark: {
        type: 'text',
        text: `done at ${end.toPrecision(4)} s`,
        align: 'right',
        baseline: 'top',
        dx: -4,
        dy: 2,
        fontSize: 10,
        color,
      },
      encoding: { x, y: { value: 0 } },
    },
  ]
}

/** Name of a watermark beside its line, moved by `dy` pixels. */
interface Label {
  readonly name: string
  readonly mib: number
  readonly dy: number
}

/** Labels of close watermarks move apart until none covers another. */
function spread(rows: readonly ChartRow[], top: number): readonly Label[] {
  const sorted = rows
    .map((row) => ({ name: String(row['name']), mib: Number(row['mib']) }))
    .sort((a, b) => a.mib - b.mib)
  let floor = Number.POSITIVE_INFINITY
  return sorted.map(({ name, mib }) => {
    const at = MEMORY_HEIGHT * (1 - mib / top)
    const placed = Math.min(at, floor - LABEL_GAP)
    floor = placed
    return { name, mib, dy: placed - at }
  })
}

function kswapdPanel(subject: ChartSubject, column: string, name: string, time: Time): Json {
  return {
    name,
    width: subject.width,
    height: ACTIVITY_HEIGHT,
    data: dataset('kswapd_activity'),
    transform: only(column),
    mark: { type: 'rect', color: inkOf(subject.theme).line },
    encoding: {
      x: { field: 'start_s', ...timeAxis(time, false) },
      x2: { field: 'end_s' },
      y: {
        field: 'busy_percent',
        type: 'quantitative',
        scale: { domain: [0, 100] },
        axis: { title: ['kswapd', 'awake, %'], tickCount: 4, values: [0, 50, 100] },
      },
      y2: { datum: 0 },
      tooltip: [
        amount('start_s', 'from, s', '.3f'),
        amount('end_s', 'to, s', '.3f'),
        amount('busy_percent', 'kswapd awake, %', '.1f'),
      ],
    },
  }
}

function stallPanel(
  rows: ChartRows,
  subject: ChartSubject,
  column: string,
  name: string,
  time: Time,
  last: boolean,
): Json {
  const all = rowsOf(rows, 'stall_activity')
  const present = new Set(all.map((row) => row['task_class']))
  const top = stackedTop(all)
  return {
    name,
    width: subject.width,
    height: ACTIVITY_HEIGHT,
    data: dataset('stall_activity'),
    transform: [
      ...(only(column) as readonly Json[]),
      {
        stack: 'stalled_tasks',
        groupby: ['start_s'],
        sort: [{ field: 'task_class', order: 'ascending' }],
        as: ['from_tasks', 'to_tasks'],
      },
    ],
    mark: { type: 'rect' },
    encoding: {
      x: { field: 'start_s', ...timeAxis(time, last) },
      x2: { field: 'end_s' },
      y: {
        field: 'from_tasks',
        type: 'quantitative',
        scale: { domain: [0, top] },
        axis: { title: ['tasks', 'stalled'], tickCount: 3 },
      },
      y2: { field: 'to_tasks' },
      color: {
        field: 'task_class',
        type: 'nominal',
        scale: classScale(subject, present),
        legend: { title: 'stalled tasks' },
      },
      tooltip: [
        amount('start_s', 'from, s', '.3f'),
        word('task_class', 'tasks'),
        amount('stalled_tasks', 'stalled (mean)', '.2f'),
      ],
    },
  }
}

function stackedTop(rows: readonly ChartRow[]): number {
  const sums = new Map<string, number>()
  let top = 1
  for (const row of rows) {
    const key = `${row['column']} ${row['start_s']}`
    const sum = (sums.get(key) ?? 0) + Number(row['stalled_tasks'])
    sums.set(key, sum)
    if (sum > top) top = sum
  }
  return top
}
