import {
  TASK_OPS,
  type TaskOp,
  type Workload,
  type WorkloadTask,
} from '../../../src/workload/types.ts'
import type { SlowOptions, SlowResult } from './case.ts'
import { owed, payForHigh } from './charges.ts'
import type { Program, Thread } from './clock.ts'
import { directReclaim } from './direct-reclaim.ts'
import { faultNew, touch } from './faults.ts'
import { Machine } from './machine.ts'
import { CLUSTER } from './shrink.ts'

/**
 * The machine once more, slow and obvious: objects, arrays, linear searches, policies written out by hand. It takes what a small case needs:
 * one node, anonymous memory only, the classic lists with swappiness 200, a CPU for every thread, a pool that takes a page for every so many
 * stored ones. Costs are input: drawn from the same samplers in the same order of time.
 */
export function runSlowly(workload: Workload, options: SlowOptions): SlowResult {
  const machine = new Machine(workload, options)
  const { clock, frames, kswapd, log, marks } = machine
  let running = workload.tasks.length
  for (const task of workload.tasks) {
    const { comm: name, hasMemory } = task
    const cpus = task.cpus.length === 0 ? machine.cpus : task.cpus
    const thread = clock.add({ name, cpus, hasMemory }, function* (self) {
      yield* runTask(machine, self, task)
      if (--running === 0) clock.stopped = true
    })
    thread.at = task.startNs
  }
  if (frames.counted <= marks.low) kswapd.wake()
  clock.run()
  const { swapouts, swapins, spans, kswapdSpans } = log
  return { swapouts, swapins, spans, kswapdSpans, endNs: clock.now, ties: clock.ties }
}

function* runTask(machine: Machine, thread: Thread, task: WorkloadTask): Program {
  for (let row = 0; row < task.op.length; row++) {
    yield { spend: task.cpuNs[row] ?? 0 }
    yield* runOp(machine, thread, TASK_OPS[task.op[row] ?? 0], task.arg[row] ?? 0)
    if (owed(machine, thread) > 0) yield* payForHigh(machine, thread)
  }
}

function* runOp(machine: Machine, thread: Thread, op: TaskOp | undefined, arg: number): Program {
  const folio = machine.folios[arg]
  if (op === 'alloc') yield* faultNew(machine, thread, folio?.state === 'free' ? folio : undefined)
  else if (op === 'touch' || op === 'reference') yield* touch(machine, thread, arg)
  else if (op === 'reclaim') {
    const of = { mayWrite: true, group: machine.groupOf(thread), target: Math.max(arg, CLUSTER) }
    yield* directReclaim(machine, thread, of)
  } else if (op === 'sleep') yield { sleepUntil: machine.clock.now + arg }
  else throw new Error(`a case has no ${op} ${arg}`)
}
