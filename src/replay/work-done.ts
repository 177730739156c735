import { pagesAsked, pagesOfRow, type Workload } from '../workload/types.ts'

/** How much of the work the demand's tasks have done: pages allocated, touched and read, as the workload asks for them. */
export class WorkDone {
  readonly #all: number
  readonly #orders: Uint8Array
  #done = 0
  #halfNs = Number.NaN

  constructor({ tasks, pages }: Pick<Workload, 'tasks' | 'pages'>) {
    this.#orders = pages.order
    let all = 0
    for (const task of tasks) all += pagesAsked(task, pages.order)
    this.#all = Math.max(1, all)
  }

  did(op: number, arg: number, ns: number): void {
    this.#done += pagesOfRow(op, arg, this.#orders)
    if (Number.isNaN(this.#halfNs) && this.#done * 2 >= this.#all) this.#halfNs = ns
  }

  /** When half of it was done; NaN = not yet. */
  get halfNs(): number {
    return this.#halfNs
  }

  get share(): number {
    return this.#done / this.#all
  }
}
