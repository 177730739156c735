import type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject } from './chart.ts'
import { columnsIn, rowsOf, SCHEMA } from './chart.ts'
import { amount, word } from './encodings.ts'
import { configOf, dataset, inkOf, PARTS, partScale, timeUnit, titleOf } from './theme.ts'

const MOST_TASKS = 12

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
  for (const row of rows) {
    const key = `${row['task_class']}\n${row['task']}`
    totals.set(key, (totals.get(key) ?? 0) + Number(row['ms']))
  }
  const order = [...totals.entries()].sort((a, b) => b[1] - a[1]).map(([key]) => key)
  if (order.length <= MOST_TASKS) return rows
  const kept = new Set(order.slice(0, MOST_TASKS - 1))
  const folded = new Map<string, number>()
  for (const key of order) {
    if (kept.has(key)) continue
    const of = key.slice(0, key.indexOf('\n'))
    folded.set(of, (folded.get(of) ?? 0) + 1)
  }
  const out = rows.filter((row) => kept.has(`${row['task_class']}\n${row['task']}`))
  const sums = new Map<string, { ms: number; stalls: number; row: ChartRow }>()
  for (const row of rows) {
    if (kept.has(`${row['task_class']}\n${row['task']}`)) continue
    const key = `${row['column']}\n${row['task_class']}\n${row['cause']}`
    const sum = sums.get(key) ?? { ms: 0, stalls: 0, row }
    sum.ms += Number(row['ms'])
    sum.stalls += Number(row['stalls'])
    sums.set(key, sum)
  }
  for (const { ms, stalls, row } of sums.values()) {
    const n = folded.get(String(row['task_class'])) ?? 0
    out.push({ ...row, task: `${n} more ${row['task_class']} tasks`, ms, stalls })
  }
  return out
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
  const tasks = new Map<string, { total: number; of: string }>()
  for (const row of kept) {
    const label = labelOf(row)
    const task = tasks.get(label) ?? { total: 0, of: String(row['task_class']) }
    task.total += Number(row['ms'])
    tasks.set(label, task)
  }
  const classes = ['application', 'worker', 'other']
  const order = [...tasks.entries()]
    .sort((a, b) => classes.indexOf(a[1].of) - classes.indexOf(b[1].of) || b[1].total - a[1].total)
    .map(([label]) => label)
  const { unit, perMs } = timeUnit(Math.max(...[...tasks.values()].map(({ total }) => total)))
  const labelled = kept.map((row) => ({
    ...row,
    label: labelOf(row),
    stalled: Number(row['ms']) * perMs,
  }))
  const panel = Math.max(150, (subject.width - 20 * (columns.length - 1)) / columns.length)
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
      width: panel,
      height: { step: 19 },
      layer: [
        {
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
              scale: partScale(subject, new Set(all.map((row) => row['cause']))),
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
        },
        {
          transform: [
            {
              aggregate: [{ op: 'sum', field: 'stalled', as: 'total' }],
              groupby: ['column', 'label'],
            },
          ],
          mark: {
            type: 'text',
            align: 'left',
            dx: 3,
            fontSize: 10,
            color: inkOf(subject.theme).faint,
          },
          encoding: {
            x: { field: 'total', type: 'quantitative' },
            text: { field: 'total', type: 'quantitative', format: ',.1f' },
          },
        },
      ],
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

function labelOf(row: ChartRow): string {
  return row['task_class'] === 'application'
    ? String(row['task'])
    : `${row['task']} [${row['task_class']}]`
}
