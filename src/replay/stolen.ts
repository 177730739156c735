import type { StolenTime } from '../workload/types.ts'

/** What struck while so much of the work was done and no page was written struck nobody who reclaims. */
const REACH = 1 / 32

/** CPU time that a hypervisor takes from the machine: from kernel threads and from tasks that reclaim for themselves, at times of its own. */
export class Stolen {
  readonly #kernel: Strikes
  readonly #direct: Strikes

  constructor(kernel: StolenTime | undefined, direct: StolenTime | undefined) {
    this.#kernel = new Strikes(kernel)
    this.#direct = direct === undefined ? this.#kernel : new Strikes(direct)
  }

  /** One more page is written when so large a share of the work is done: what its thread loses meanwhile, ns. */
  nextPage(isDirect: boolean, workShare: number): number {
    return (isDirect ? this.#direct : this.#kernel).nextPage(workShare)
  }
}

/** Each strikes once, as many pages after the one before as recorded: while all reclaim, many fall on one moment of the work. What is overdue strikes sooner. */
class Strikes {
  readonly #time: StolenTime | undefined
  #next = 0
  /** Written since it struck last. */
  #pages = 0

  constructor(time: StolenTime | undefined) {
    this.#time = time
  }

  nextPage(workShare: number): number {
    return this.#time === undefined ? 0 : this.#strike(this.#time, workShare)
  }

  #strike({ atWork, pages, ns }: StolenTime, workShare: number): number {
    this.#pages++
    while (this.#next < ns.length && (atWork[this.#next] as number) < workShare - REACH)
      this.#next++
    if (this.#next === ns.length) return 0
    const overdue = (workShare - (atWork[this.#next] as number)) / REACH
    if (overdue < 0 || this.#pages < (pages[this.#next] as number) * (1 - overdue)) return 0
    this.#pages = 0
    return ns[this.#next++] as number
  }
}
