import type { StolenTime } from '../workload/types.ts'

/** CPU time that a hypervisor takes from the machine, page by page that reclaim writes: kernel threads and tasks that reclaim for themselves. */
export class Stolen {
  readonly #kernel: Strikes
  readonly #direct: Strikes

  constructor(kernel: StolenTime | undefined, direct: StolenTime | undefined) {
    this.#kernel = new Strikes(kernel)
    this.#direct = direct === undefined ? this.#kernel : new Strikes(direct)
  }

  /** One more page is written: what its thread loses meanwhile, ns. */
  nextPage(isDirect: boolean): number {
    return (isDirect ? this.#direct : this.#kernel).nextPage()
  }
}

class Strikes {
  readonly #time: StolenTime | undefined
  #pages = 0
  #next = 0

  constructor(time: StolenTime | undefined) {
    this.#time = time !== undefined && time.pages > 0 && time.ns.length > 0 ? time : undefined
  }

  nextPage(): number {
    const time = this.#time
    if (time === undefined) return 0
    this.#pages++
    let lost = 0
    while (this.#next < time.ns.length && (time.atPage[this.#next] as number) <= this.#pages) {
      lost += time.ns[this.#next] as number
      this.#next++
    }
    if (this.#pages >= time.pages) {
      this.#pages = 0
      this.#next = 0
    }
    return lost
  }
}
