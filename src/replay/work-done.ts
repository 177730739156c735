import { pagesAsked, pagesOfRow, type WorkloadTask } from '../workload/types.ts'

/** How much of the work the demand's tasks have done: pages allocated, touched and read, as the workload asks for them. */
export class WorkDone {
  readonly #all: number
  #done = 0

  constructor(tasks: readonly WorkloadTask[]) {
    let all = 0
    for (const task of tasks) all += pagesAsked(task)
    this.#all = Math.max(1, all)
  }

  did(op: number, arg: number): void {
    this.#done += pagesOfRow(op, arg)
  }

  get share(): number {
    return this.#done / this.#all
  }
}
