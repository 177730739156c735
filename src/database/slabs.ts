import type { Numbers } from './gathered-batches.ts'

/** Columns of a window of events fill one or two. */
const SLAB_BYTES = 1 << 20

/** Copies of many arrays in few buffers, which move to another thread and come back to be filled again. */
export class Slabs {
  readonly #spare: ArrayBuffer[] = []
  #filled: ArrayBuffer[] = []
  /** Bytes used of the last one of `#filled`. */
  #used = 0

  /** The first `length` numbers. */
  copy<Of extends Numbers>(from: Of, length: number): Of {
    const bytes = length * from.BYTES_PER_ELEMENT
    const [slab, at] = this.#room(bytes)
    // Every array begins where one of doubles may.
    this.#used = at + ((bytes + 7) & ~7)
    const Copy = from.constructor as new (buffer: ArrayBuffer, at: number, length: number) => Of
    const to = new Copy(slab, at, length)
    to.set(from.length === length ? from : from.subarray(0, length))
    return to
  }

  /** The buffers that hold the copies made since the last call, to be moved. */
  take(): ArrayBuffer[] {
    const taken = this.#filled
    this.#filled = []
    this.#used = 0
    return taken
  }

  /** False if the buffer is none of the common size, which are filled again. */
  giveBack(slab: ArrayBuffer): boolean {
    if (slab.byteLength !== SLAB_BYTES) return false
    this.#spare.push(slab)
    return true
  }

  #room(bytes: number): [ArrayBuffer, number] {
    const last = this.#filled.at(-1)
    if (last !== undefined && this.#used + bytes <= last.byteLength) return [last, this.#used]
    const fits = bytes <= SLAB_BYTES
    const slab =
      (fits ? this.#spare.pop() : undefined) ?? new ArrayBuffer(fits ? SLAB_BYTES : bytes)
    this.#filled.push(slab)
    return [slab, 0]
  }
}
