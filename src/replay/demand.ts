import { TASK_OPS, type WorkloadTask } from '../workload/types.ts'
import type { Kernel } from './kernel.ts'
import { FREE } from './pages.ts'
import { DIRECT_CONTEXT } from './scan.ts'
import type { Steps, StepsTo } from './steps.ts'
import { SLEEPING, type Thread } from './thread.ts'

const ALLOC = TASK_OPS.indexOf('alloc')
const TOUCH = TASK_OPS.indexOf('touch')
const SLEEP = TASK_OPS.indexOf('sleep')
const FILE = TASK_OPS.indexOf('file')
const FREE_PAGES = TASK_OPS.indexOf('free')
const EXIT = TASK_OPS.indexOf('exit')
const MARK = TASK_OPS.indexOf('mark')
const RECLAIM = TASK_OPS.indexOf('reclaim')
const REFERENCE = TASK_OPS.indexOf('reference')

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
 * A task's script on its own clock. `scale` stretches amounts, not time: at 0.8 a fifth of the allocations is left out, at 1.25 every
 * fourth is made twice.
 */
export class TaskScript {
  readonly #kernel: Kernel
  readonly #thread: Thread
  readonly #task: WorkloadTask
  readonly #home: number
  readonly #scale: number
  readonly #isOpenLoop: boolean
  /** Pages without an identity that it holds, newest last, and those with one. */
  readonly #own: number[] = []
  readonly #owned: number[] = []
  /** Allocations asked for and not yet made. */
  #owed = 0
  #clock = 0

  constructor(
    kernel: Kernel,
    thread: Thread,
    of: {
      readonly task: WorkloadTask
      /** Node of its memory. */
      readonly home: number
      readonly scale: number
      readonly isOpenLoop: boolean
    },
  ) {
    this.#kernel = kernel
    this.#thread = thread
    this.#task = of.task
    this.#home = of.home
    this.#scale = of.scale
    this.#isOpenLoop = of.isOpenLoop
  }

  *run(progress: TaskProgress): Steps {
    const { memcgHigh, scheduler, work } = this.#kernel
    const { op, cpuNs, arg } = this.#task
    const thread = this.#thread
    progress.rows = op.length
    progress.startNs = scheduler.now
    this.#clock = scheduler.now
    for (let row = 0; row < op.length; row++) {
      const ns = cpuNs[row] as number
      if (!scheduler.spend(thread, ns)) yield
      progress.ownNs += ns
      progress.cpuNs += ns / (scheduler.cpus[thread.cpu]?.speed ?? 1)
      this.#clock += ns
      const value = arg[row] as number
      const steps = this.#begin(op[row] as number, value, progress)
      if (steps !== undefined) yield* steps
      if (thread.chargedOverHigh > 0) yield* memcgHigh.handle(thread)
      if (scheduler.stopped) return
      progress.done = row + 1
      work.did(op[row] as number, value, scheduler.now)
    }
    progress.endNs = scheduler.now
  }

  /** What the row asks for, but for its CPU time; undefined where that takes none. */
  #begin(op: number, value: number, progress: TaskProgress): Steps | StepsTo<number> | undefined {
    const { direct, faults, fileReads, scheduler, zones } = this.#kernel
    const thread = this.#thread
    switch (op) {
      case ALLOC:
        return this.#allocate(value)
      case TOUCH:
      case REFERENCE:
        return faults.touch(thread, value)
      case SLEEP:
        progress.ownNs += value
        return this.#sleep(value)
      case FILE:
        return fileReads.read(thread, value)
      case FREE_PAGES:
        return this.#free(this.#own.splice(Math.max(0, this.#own.length - value)).reverse())
      case EXIT:
        return this.#exit()
      case RECLAIM: {
        const scan = direct.scanOf(thread, DIRECT_CONTEXT, true)
        return direct.directReclaim(thread, zones.nodeOf(this.#home), scan, thread.memcg, value)
      }
      case MARK:
        progress.marks.push({ phase: value, ns: scheduler.now })
    }
    return undefined
  }

  *#allocate(value: number): Steps {
    const { faults, pages, scheduler } = this.#kernel
    this.#owed += this.#scale
    while (this.#owed >= 1) {
      this.#owed -= 1
      const whole = value >= 0 ? pages.wholeOf(value) : -1
      const wanted = whole >= 0 && pages.state[whole] === FREE ? whole : -1
      const page = yield* faults.faultNew(this.#thread, wanted)
      if (scheduler.stopped) return
      if (page >= pages.identified) this.#own.push(page)
      else this.#owned.push(page)
    }
  }

  *#sleep(ns: number): Steps {
    const { scheduler } = this.#kernel
    this.#clock += ns
    // With recorded arrival a task behind its clock sleeps less, to catch up.
    if (this.#isOpenLoop && scheduler.now >= this.#clock) return
    const until = this.#isOpenLoop ? this.#clock : scheduler.now + ns
    // A recorded burst begins with the switch to it.
    this.#thread.holdsSwitch = this.#task.kind === 'background'
    scheduler.sleepUntil(this.#thread, until, SLEEPING)
    yield
  }

  *#exit(): Steps {
    yield* this.#free(this.#own.splice(0))
    for (const page of this.#owned.splice(0)) {
      yield* this.#free([page])
      yield* this.#free(this.#kernel.pages.tailsOf(page))
    }
  }

  *#free(held: readonly number[]): Steps {
    const { faults, pages } = this.#kernel
    for (const page of held)
      if (pages.state[page] !== FREE) yield* faults.freePage(this.#thread, page)
  }
}
