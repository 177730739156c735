import type { Cell, Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, rowsOf, SCHEMA } from './chart.ts'
import { amount, word } from './encodings.ts'
import {
  configOf,
  dataset,
  inkOf,
  PARTS,
  partScale,
  TASK_CLASSES,
  timeUnit,
  titleOf,
} from './theme.ts'

const MOST_TASKS = 12
/** Of one column's bars, px: six columns and their labels fit on a page. */
const MIN_WIDTH = 100

export const stallsByTask: Chart = {
  name: 'stalls-by-task',
  summary: 'Stall time by task, split by cause; applications, workers and others apart',
  reads: { stalls_by_task: ['column', 'task_class', 'task', 'cause', 'ms', 'stalls'] },
  main: 'stalls_by_task',
  needs: 'no task stalled, or the recording has no vmscan direct reclaim events',
  reading:
    'One bar per task, cut by what the time went into. A cause the recording cannot show is drawn as "unknown".',
  spec: toSpec,
}

/** The longest stalls keep their own bar; the rest of each class is one bar that says how many it holds. */
function withoutTail(rows: readonly ChartRow[]): readonly ChartRow[] {
  const totals = new Map<string, number>()
  for (const row of rows)
    totals.set(taskOf(row), (totals.get(taskOf(row)) ?? 0) + Number(row['ms']))
  if (totals.size <= MOST_TASKS) return rows
  const order = [...totals.entries()].sort((a, b) => b[1] - a[1]).map(([task]) => task)
  const kept = new Set(order.slice(0, MOST_TASKS - 1))
  const tail = rows.filter((row) => !kept.has(taskOf(row)))
  return [...rows.filter((row) => kept.has(taskOf(row))), ...folded(tail)]
}

/** One row for each column, class and cause. */
function folded(tail: readonly ChartRow[]): readonly ChartRow[] {
  const tasks = new Map<string, Set<Cell | undefined>>()
  const sums = new Map<string, { ms: number; stalls: number; row: ChartRow }>()
  for (const row of tail) {
    const taskClass = String(row['task_class'])
    const ofClass = tasks.get(taskClass) ?? new Set()
    tasks.set(taskClass, ofClass.add(row['task']))
    const key = `${row['column']}\n${taskClass}\n${row['cause']}`
    const sum = sums.get(key) ?? { ms: 0, stalls: 0, row }
    sum.ms += Number(row['ms'])
    sum.stalls += Number(row['stalls'])
    sums.set(key, sum)
  }
  return [...sums.values()].map(({ ms, stalls, row }) => {
    const count = tasks.get(String(row['task_class']))?.size ?? 0
    return { ...row, task: `${count} more ${row['task_class']} tasks`, ms, stalls }
  })
}

function toSpec(rows: ChartRows, subject: ChartSubject): JsonObject {
  const all = rowsOf(rows, 'stalls_by_task')
  const kept = withoutTail(all).map(
    (row): ChartRow => ({
      ...row,
      cause_rank: (PARTS as readonly string[]).indexOf(String(row['cause'])),
    }),
  )
  const columns = columnsIn(kept, subject)
  const { order, longestMs } = orderedTasks(kept)
  const { unit, perMs } = timeUnit(longestMs)
  const labelled = kept.map((row) => ({
    ...row,
    label: labelOf(row),
    stalled: Number(row['ms']) * perMs,
  }))
  const causes = partScale(subject, new Set(all.map((row) => row['cause'])))
  return {
    $schema: SCHEMA,
    title: titleOf(subject, 'Stall time by task and cause', []),
    datasets: { stalls_by_task: labelled },
    data: dataset('stalls_by_task'),
    facet: {
      column: { field: 'column', type: 'nominal', sort: [...columns], title: null },
    },
    spacing: 20,
    spec: {
      width: Math.max(MIN_WIDTH, (subject.width - 20 * (columns.length - 1)) / columns.length),
      height: { step: 19 },
      layer: [causeBars(causes, unit), totals(inkOf(subject.theme).faint)],
      encoding: {
        y: {
          field: 'label',
          type: 'nominal',
          sort: order,
          axis: { title: null, labelLimit: 230, ticks: false, domain: false, labelOverlap: false },
        },
      },
    },
    config: configOf(subject.theme),
  }
}

/** Labels class by class, the longest stalled first. */
function orderedTasks(rows: readonly ChartRow[]): {
  readonly order: readonly string[]
  readonly longestMs: number
} {
  const tasks = new Map<string, { total: number; rank: number }>()
  for (const row of rows) {
    const label = labelOf(row)
    const rank = (TASK_CLASSES as readonly string[]).indexOf(String(row['task_class']))
    const task = tasks.get(label) ?? { total: 0, rank }
    task.total += Number(row['ms'])
    tasks.set(label, task)
  }
  const order = [...tasks.entries()]
    .sort(([, a], [, b]) => a.rank - b.rank || b.total - a.total)
    .map(([label]) => label)
  return { order, longestMs: Math.max(...[...tasks.values()].map(({ total }) => total)) }
}

function causeBars(causes: JsonObject, unit: string): JsonObject {
  return {
    mark: { type: 'bar', height: { band: 0.78 } },
    encoding: {
      x: {
        field: 'stalled',
        type: 'quantitative',
        stack: 'zero',
        axis: { title: `stalled, ${unit}`, tickCount: 4 },
      },
      color: {
        field: 'cause',
        type: 'nominal',
        scale: causes,
        legend: { title: 'time in', columns: 10 },
      },
      order: { field: 'cause_rank', type: 'quantitative' },
      tooltip: [
        word('column', 'column'),
        word('task', 'task'),
        word('task_class', 'class'),
        word('cause', 'time in'),
        amount('ms', 'ms', '.3f'),
        amount('stalls', 'stalls', ','),
      ],
    },
  }
}

/** A task's stalls in all, at the end of its bar. */
function totals(color: string): JsonObject {
  return {
    transform: [
      {
        aggregate: [{ op: 'sum', field: 'stalled', as: 'total' }],
        groupby: ['column', 'label'],
      },
    ],
    mark: { type: 'text', align: 'left', dx: 3, fontSize: 10, color },
    encoding: {
      x: { field: 'total', type: 'quantitative' },
      text: { field: 'total', type: 'quantitative', format: ',.1f' },
    },
  }
}

/** A task of the same name may be in another class. */
function taskOf(row: ChartRow): string {
  return `${row['task_class']}\n${row['task']}`
}

function labelOf(row: ChartRow): string {
  return row['task_class'] === 'application'
    ? String(row['task'])
    : `${row['task']} [${row['task_class']}]`
}
