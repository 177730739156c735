import type { StolenTime } from '../workload/types.ts'

/** CPU time that a hypervisor takes from the machine, page by page that reclaim writes. */
export class Stolen {
  readonly #time: StolenTime | undefined
  #pages = 0
  #next = 0

  constructor(time: StolenTime | undefined) {
    this.#time = time !== undefined && time.pages > 0 && time.ns.length > 0 ? time : undefined
  }

  /** One more page is written: what its thread loses meanwhile, ns. */
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
