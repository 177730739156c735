/** Swapped-out pages a machine holds at most; one more makes an owner give one up. */
export const MAX_SWAPPED = 100_000

export interface SwappedPage {
  /** Index of its swap device. */
  readonly device: number
  readonly offset: number
  /** Truth row of its swap-out. */
  row: number
  /** Pages swapped out before it. */
  readonly before: number
}

/** Pages that are swapped out, at most MAX_SWAPPED and one, in room made once. */
export class SwappedPages {
  readonly #device = new Uint8Array(MAX_SWAPPED + 1)
  readonly #offset = new Uint32Array(MAX_SWAPPED + 1)
  readonly #row = new Int32Array(MAX_SWAPPED + 1)
  readonly #before = new Float64Array(MAX_SWAPPED + 1)
  length = 0

  push({ device, offset, row, before }: SwappedPage): void {
    const at = this.length++
    this.#device[at] = device
    this.#offset[at] = offset
    this.#row[at] = row
    this.#before[at] = before
  }

  /** Takes out one page; the last takes its place. */
  take(at: number): SwappedPage {
    const page = {
      device: this.#device[at] ?? 0,
      offset: this.#offset[at] ?? 0,
      row: this.#row[at] ?? -1,
      before: this.#before[at] ?? 0,
    }
    const last = --this.length
    this.#device[at] = this.#device[last] ?? 0
    this.#offset[at] = this.#offset[last] ?? 0
    this.#row[at] = this.#row[last] ?? -1
    this.#before[at] = this.#before[last] ?? 0
    return page
  }
}

/** A device's slots: those given back are used again, the last one first. */
export class Slots {
  readonly #free = new Uint32Array(MAX_SWAPPED + 1)
  #freed = 0
  #next = 1

  take(): number {
    return this.#freed > 0 ? (this.#free[--this.#freed] ?? 0) : this.#next++
  }

  /** The first of so many in a row, at a multiple of their number as in a cluster. */
  takeRow(count: number): number {
    if (count === 1) return this.take()
    const first = Math.ceil(this.#next / count) * count
    while (this.#next < first) this.giveBack(this.#next++)
    this.#next += count
    return first
  }

  giveBack(offset: number): void {
    this.#free[this.#freed++] = offset
  }
}
