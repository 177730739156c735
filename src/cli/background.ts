import type { Background } from '../config/replay.ts'
import { TASK_OPS, type Workload, type WorkloadTask } from '../workload/types.ts'

const SLEEP = TASK_OPS.indexOf('sleep')
/** A busy and an idle stretch together: a scheduler tick's order of magnitude. */
const PERIOD_NS = 10_000_000
/** Runs longer than this end without load; ten minutes of virtual time. */
const PERIODS = 60_000

/** The workload with another load outside the demand: none, or a share of each CPU's time. */
export function withBackground(workload: Workload, background: Background): Workload {
  if (background === 'recorded') return workload
  const demand = workload.tasks.filter(({ kind }) => kind !== 'background')
  if (background === 'none' || background === 0) return { ...workload, tasks: demand }
  const first = workload.tasks.reduce((most, { taskId }) => Math.max(most, taskId), 0) + 1
  const loads = workload.machine.cpus.map(({ id }, index) =>
    makeLoad(first + index, id, {
      share: background,
      // Not in step: loads of different CPUs have nothing to do with each other.
      startNs: Math.round((PERIOD_NS * index) / workload.machine.cpus.length),
    }),
  )
  return { ...workload, tasks: [...demand, ...loads] }
}

function makeLoad(
  taskId: number,
  cpu: number,
  { share, startNs }: { readonly share: number; readonly startNs: number },
): WorkloadTask {
  const busyNs = Math.round(PERIOD_NS * share)
  return {
    taskId,
    tid: taskId,
    comm: `load/${cpu}`,
    kind: 'background',
    cpus: [cpu],
    hasMemory: false,
    op: new Uint8Array(PERIODS).fill(SLEEP),
    cpuNs: new Float64Array(PERIODS).fill(busyNs),
    arg: new Float64Array(PERIODS).fill(PERIOD_NS - busyNs),
    startNs,
  }
}
