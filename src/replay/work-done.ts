import { pagesAsked, pagesOfRow, type Workload } from '../workload/types.ts'

/** How much of the work the demand's tasks have done: pages allocated, touched and read, as the workload asks for them. */
export class WorkDone {
  readonly #all: number
  readonly #orders: Uint8Array
  #done = 0

  constructor({ tasks, pages }: Pick<Workload, 'tasks' | 'pages'>) {
    this.#orders = pages.order
    let all = 0
    for (const task of tasks) all += pagesAsked(task, pages.order)
    this.#all = Math.max(1, all)
  }

  did(op: number, arg: number): void {
    this.#done += pagesOfRow(op, arg, this.#orders)
  }

  get share(): number {
    return this.#done / this.#all
  }
}
