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
  #page = 0
  #next = 0
  /** 1 towards the recording's end, -1 back from there: a run that writes more pages meets the machine as it was last. */
  #step: 1 | -1 = 1

  constructor(time: StolenTime | undefined) {
    this.#time = time !== undefined && time.pages > 0 && time.ns.length > 0 ? time : undefined
  }

  nextPage(): number {
    const time = this.#time
    if (time === undefined) return 0
    this.#page += this.#step
    let lost = 0
    while (this.#isDue(time)) {
      lost += time.ns[this.#next] as number
      this.#next += this.#step
    }
    if (this.#page >= time.pages) this.#turn(-1, time.ns.length - 1)
    else if (this.#page <= 0) this.#turn(1, 0)
    return lost
  }

  #isDue({ atPage, ns }: StolenTime): boolean {
    if (this.#next < 0 || this.#next >= ns.length) return false
    const at = atPage[this.#next] as number
    return this.#step > 0 ? at <= this.#page : at > this.#page
  }

  #turn(step: 1 | -1, next: number): void {
    this.#step = step
    this.#next = next
  }
}
