import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'
import type { Task } from '../task.ts'
import { lmkdCounter, lmkdMark } from './kills.ts'

const BEGIN = 66
const END = 69
const COUNTER = 67
const MOST_OPEN_SLICES = 1 << 16

function addSample(context: IngestContext, ts: number, name: string, value: number): void {
  const rows = context.tables.buffers.samples
  const row = rows.add()
  rows.number(row, 'ts_ns', ts)
  rows.text(row, 'name', name)
  rows.number(row, 'value', value)
}

function addMarker(
  context: IngestContext,
  marker: { start: number; end: number; task: Task | undefined; name: string },
): void {
  const rows = context.tables.buffers.markers
  const row = rows.add()
  rows.number(row, 'ts_ns', marker.start)
  rows.number(row, 'end_ns', marker.end)
  rows.number(row, 'task_id', marker.task?.id ?? Number.NaN)
  rows.text(row, 'name', marker.name)
}

/** pstrace:sample (parsers/perfetto): counters of /proc and of processes. */
export function sample(context: IngestContext): EventHandler {
  const name = new TextField(['name'])
  const value = new NumberField(['value'])
  return handle([name, value], (row) => {
    const counter = name.get(row)
    addSample(context, context.clock.now, counter, value.get(row))
    if (counter.endsWith('.oom_score_adj'))
      context.processes.setScore(Number(counter.split('.')[1]), value.get(row))
  })
}

/** pstrace:slice (parsers/perfetto): track events; slices nest within their track. */
export function slice(context: IngestContext): EventHandler {
  const phase = new NumberField(['phase'])
  const track = new NumberField(['track'])
  const name = new TextField(['name'])
  const value = new NumberField(['value'])
  const open = new Map<number, { name: string; ts: number }[]>()
  let depth = 0
  return handle([phase, track, name, value], (row, cpu, task) => {
    const ts = context.clock.now
    const kind = phase.get(row)
    if (kind === COUNTER) {
      addSample(context, ts, name.get(row), value.get(row))
      lmkdCounter(context, { name: name.get(row), value: value.get(row), ts, cpu })
      return
    }
    if (kind !== END) lmkdMark(context, name.get(row), ts, cpu)
    const who = Number.isNaN(task.tid) ? undefined : task
    const stack = open.get(track.get(row)) ?? []
    if (kind === BEGIN) {
      if (depth >= MOST_OPEN_SLICES) return
      depth++
      stack.push({ name: name.get(row), ts })
      open.set(track.get(row), stack)
    } else if (kind === END) {
      const begun = stack.pop()
      if (begun === undefined) return
      depth--
      addMarker(context, { start: begun.ts, end: ts, task: who, name: begun.name })
    } else addMarker(context, { start: ts, end: ts, task: who, name: name.get(row) })
  })
}
