import type { TaskProgress } from './demand.ts'
import type { Thread } from './thread.ts'

interface Task {
  readonly thread: Thread
  readonly progress: TaskProgress
  done: number
  /** Least work of its row, ns, that a look has found to be left. */
  leastLeft: number
}

/** Whether the tasks whose demand it is get anywhere: through their rows, or through the CPU time of one. */
export class DemandProgress {
  readonly #tasks: Task[] = []

  add(thread: Thread, progress: TaskProgress): void {
    this.#tasks.push({ thread, progress, done: 0, leastLeft: Number.POSITIVE_INFINITY })
  }

  /** Since the last call. */
  isFurther(): boolean {
    let isFurther = false
    for (const task of this.#tasks) {
      const { thread, progress } = task
      const left = thread.work > 0 ? thread.work : Number.POSITIVE_INFINITY
      const isNextRow = progress.done !== task.done
      if (isNextRow || left < task.leastLeft) {
        isFurther = true
        task.leastLeft = left
        task.done = progress.done
      }
    }
    return isFurther
  }
}
