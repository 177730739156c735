import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'
import type { Task } from '../tasks.ts'

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
  return handle([name, value], (row, ts) => {
    addSample(context, ts, name.get(row), value.get(row))
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
  return handle([phase, track, name, value], (row, ts, _cpu, task) => {
    const kind = phase.get(row)
    if (kind === COUNTER) {
      addSample(context, ts, name.get(row), value.get(row))
      return
    }
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

/** include/trace/events/oom.h: mark_victim {pid}; drivers/staging/android lowmemory_kill {comm, pid, ...}. */
export function oomKill(context: IngestContext): EventHandler {
  const tid = new NumberField(['pid'])
  return handle([tid], (row, ts, cpu) => {
    const task = context.tasks.at(tid.get(row), ts, cpu)
    addMarker(context, { start: ts, end: ts, task, name: 'oom kill' })
  })
}

/** include/trace/events/oom.h: oom_score_adj_update {pid, comm, oom_score_adj}. */
export function oomScore(context: IngestContext): EventHandler {
  const pid = new NumberField(['pid'])
  const score = new NumberField(['oom_score_adj'])
  return handle([pid, score], (row, ts) => {
    addSample(context, ts, `process.${pid.get(row)}.oom_score_adj`, score.get(row))
  })
}

/** include/trace/events/cgroup.h: cgroup_attach_task {dst_path, pid, comm}. */
export function cgroupAttach(context: IngestContext): EventHandler {
  const pid = new NumberField(['pid'])
  const path = new TextField(['dst_path', 'cname'])
  return handle([pid, path], (row, ts, cpu) => {
    const task = context.tasks.at(pid.get(row), ts, cpu)
    if (path.get(row) !== '') task.cgroup = path.get(row)
  })
}
