import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'
import type { Killer } from '../processes.ts'

/** Names of lmkd's kill reasons: enum kill_reasons, system/memory/lmkd/statslog.h. */
const LMKD_REASONS = [
  'pressure after kill',
  'not responding',
  'low swap and thrashing',
  'low memory and swap',
  'low memory and thrashing',
  'direct reclaim and thrashing',
  'low memory and swap utilization',
  'low file cache after thrashing',
  'low memory',
  'direct reclaim stuck',
] as const

const SIGKILL = 9

interface Victim {
  readonly pid: number
  readonly ts: number
  readonly cpu: number
  readonly by: Killer
  /** Behind the marker's name. */
  readonly reason?: string
}

function addKill(context: IngestContext, { pid, ts, cpu, by, reason }: Victim): void {
  if (!(pid > 0) || !context.processes.addKill(pid, { ts, by })) return
  const rows = context.tables.buffers.markers
  const row = rows.add()
  rows.number(row, 'ts_ns', ts)
  rows.number(row, 'end_ns', ts)
  rows.number(row, 'task_id', context.tasks.at(pid, cpu).id)
  rows.text(row, 'name', `${by} kill${reason === undefined ? '' : `: ${reason}`}`)
}

function addScore(context: IngestContext, pid: number, ts: number, score: number): void {
  if (Number.isNaN(pid) || Number.isNaN(score)) return
  context.processes.setScore(pid, score)
  const rows = context.tables.buffers.samples
  const row = rows.add()
  rows.number(row, 'ts_ns', ts)
  rows.text(row, 'name', `process.${pid}.oom_score_adj`)
  rows.number(row, 'value', score)
}

/** include/trace/events/oom.h: mark_victim {pid}, from 6.8 also comm, sizes, oom_score_adj; Android's lowmemory_kill {comm, pid, ...} before 4.12. */
export function kill(context: IngestContext, by: Killer): EventHandler {
  const pid = new NumberField(['pid'])
  const score = new NumberField(['oom_score_adj'])
  return handle([pid, score], (row, cpu) => {
    const ts = context.clock.now
    addKill(context, { pid: pid.get(row), ts, cpu, by })
    addScore(context, pid.get(row), ts, score.get(row))
  })
}

/**
 * include/trace/events/signal.h: signal_generate {sig, errno, code, comm, pid, group, result}, told in the sender's context. perf records no
 * marks: there it is what tells of lmkd's kills.
 */
export function signal(context: IngestContext): EventHandler {
  const number = new NumberField(['sig'])
  const pid = new NumberField(['pid'])
  return handle([number, pid], (row, cpu, task) => {
    if (number.get(row) === SIGKILL && task.comm.startsWith('lmkd'))
      addKill(context, { pid: pid.get(row), ts: context.clock.now, cpu, by: 'lmkd' })
  })
}

/** include/trace/events/oom.h: oom_score_adj_update {pid, comm, oom_score_adj}. */
export function oomScore(context: IngestContext): EventHandler {
  const pid = new NumberField(['pid'])
  const score = new NumberField(['oom_score_adj'])
  return handle([pid, score], (row) =>
    addScore(context, pid.get(row), context.clock.now, score.get(row)),
  )
}

/** lmkd's slice or instant `lmk,pid,reason,oom_score_adj,...` (Android 12 and later). */
export function lmkdMark(context: IngestContext, name: string, ts: number, cpu: number): void {
  const [, pid, reason, score] = /^lmk,(\d+),(-?\d+),(-?\d+)/.exec(name) ?? []
  if (pid === undefined) return
  const known = LMKD_REASONS[Number(reason)]
  addKill(context, {
    pid: Number(pid),
    ts,
    cpu,
    by: 'lmkd',
    ...(known === undefined ? {} : { reason: known }),
  })
  addScore(context, Number(pid), ts, Number(score))
}

/** lmkd's counter `kill_one_process` (before Android 12): the victim's pid, then 0. */
export function lmkdCounter(
  context: IngestContext,
  counter: { name: string; value: number; ts: number; cpu: number },
): void {
  if (counter.name === 'kill_one_process')
    addKill(context, { pid: counter.value, ts: counter.ts, cpu: counter.cpu, by: 'lmkd' })
}

/**
 * include/trace/events/cgroup.h: cgroup_attach_task {dst_root, dst_path, pid, comm}. With several hierarchies (cgroup v1) the unified one,
 * root 0, is a task's group where it is in that; else the one it was last moved in.
 */
export function cgroupAttach(context: IngestContext): EventHandler {
  const pid = new NumberField(['pid'])
  const hierarchy = new NumberField(['dst_root', 'root'])
  const path = new TextField(['dst_path', 'cname'])
  return handle([pid, hierarchy, path], (row, cpu) => {
    const task = context.tasks.at(pid.get(row), cpu)
    const unified = hierarchy.get(row) === 0
    if (path.get(row) === '' || (task.cgroupUnified && !unified)) return
    task.cgroup = path.get(row)
    task.cgroupUnified = unified
  })
}
