import { TASK_OPS, type WorkloadTask } from '../workload/types.ts'
import type { Kernel } from './kernel.ts'
import { FREE } from './pages.ts'
import { DIRECT_CONTEXT } from './scan.ts'
import type { Steps } from './steps.ts'
import { SLEEPING, type Thread } from './thread.ts'

const ALLOC = TASK_OPS.indexOf('alloc')
const TOUCH = TASK_OPS.indexOf('touch')
const SLEEP = TASK_OPS.indexOf('sleep')
const FILE = TASK_OPS.indexOf('file')
const FREE_PAGES = TASK_OPS.indexOf('free')
const EXIT = TASK_OPS.indexOf('exit')
const MARK = TASK_OPS.indexOf('mark')
const RECLAIM = TASK_OPS.indexOf('reclaim')

/** How far a task got, and when. */
export interface TaskProgress {
  readonly taskId: number
  readonly kind: WorkloadTask['kind']
  rows: number
  done: number
  startNs: number
  endNs: number
  /** Times of its marks by phase number. */
  readonly marks: { readonly phase: number; readonly ns: number }[]
  /** Own clock consumed: CPU time and voluntary sleep, ns. */
  ownNs: number
  /** CPU time of it, on the CPUs it ran on. */
  cpuNs: number
}

/**
 * Runs a task's script on its own clock. `scale` stretches amounts, not time: at 0.8 a fifth of the allocations is left out, at 1.25 every
 * fourth is made twice.
 */
export function* runTask(
  thread: Thread,
  kernel: Kernel,
  task: WorkloadTask,
  home: number,
  progress: TaskProgress,
  scale: number,
  openLoop: boolean,
): Steps {
  const { scheduler, pages } = kernel
  const { op, cpuNs, arg } = task
  const rows = op.length
  /** Pages without an identity that it holds, newest last. */
  const own: number[] = []
  const owned: number[] = []
  let owed = 0
  progress.rows = rows
  progress.startNs = scheduler.now
  let clock = scheduler.now
  for (let row = 0; row < rows; row++) {
    const ns = cpuNs[row] as number
    const value = arg[row] as number
    if (!scheduler.spend(thread, ns)) yield
    progress.ownNs += ns
    progress.cpuNs += ns / (scheduler.cpus[thread.cpu]?.speed ?? 1)
    clock += ns
    switch (op[row]) {
      case ALLOC: {
        owed += scale
        while (owed >= 1) {
          owed -= 1
          const whole = value >= 0 ? pages.wholeOf(value) : -1
          const wanted = whole >= 0 && pages.state[whole] === FREE ? whole : -1
          const page = yield* kernel.faults.faultNew(thread, wanted)
          if (scheduler.stopped) return
          if (page >= pages.identified) own.push(page)
          else owned.push(page)
        }
        break
      }
      case TOUCH:
        yield* kernel.faults.touch(thread, value)
        break
      case SLEEP:
        progress.ownNs += value
        clock += value
        // With recorded arrival a task behind its clock sleeps less, to catch up.
        if (openLoop && scheduler.now >= clock) break
        scheduler.sleepUntil(thread, openLoop ? clock : scheduler.now + value, SLEEPING)
        yield
        break
      case FILE:
        yield* kernel.faults.readFile(thread, value)
        break
      case FREE_PAGES:
        for (let freed = 0; freed < value; freed++) {
          const page = own.pop()
          if (page === undefined) break
          yield* kernel.faults.freePage(thread, page)
        }
        break
      case EXIT:
        for (const page of own.splice(0)) yield* kernel.faults.freePage(thread, page)
        for (const page of owned.splice(0)) {
          if (pages.state[page] !== FREE) yield* kernel.faults.freePage(thread, page)
          for (const tail of pages.tailsOf(page))
            if (pages.state[tail] !== FREE) yield* kernel.faults.freePage(thread, tail)
        }
        break
      case RECLAIM: {
        // Lists are the node's: a cgroup of its own has none here.
        const scan = kernel.direct.scanOf(thread, DIRECT_CONTEXT, true)
        const node = kernel.zones.nodeOf(home)
        yield* kernel.direct.directReclaim(thread, node, scan, 'memcg', value)
        break
      }
      case MARK:
        progress.marks.push({ phase: value, ns: scheduler.now })
        break
    }
    if (scheduler.stopped) return
    progress.done = row + 1
    kernel.work.did(op[row] as number, value)
  }
  progress.endNs = scheduler.now
}
