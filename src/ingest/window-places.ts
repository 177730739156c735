import type { EventWindow } from '../../parsers/batch.ts'
import type { Following } from './follow-kernel.ts'

/** Where the kernel finds the arrays of a window. */
interface Places {
  batch: number
  row: number
  ts: number
  cpu: number
  tid: number
}

const BYTES = { ts: 8, row: 4, cpu: 4, tid: 4, batch: 2 } as const
const ROW_BYTES = 22

/** Where windows lie in the kernel's memory: in the reader's own arrays, or in copies. */
export class WindowPlaces {
  readonly #following: Following
  readonly #places: Places = { batch: 0, row: 0, ts: 0, cpu: 0, tid: 0 }
  #copy = 0
  #capacity = 0

  constructor(following: Following) {
    this.#following = following
  }

  of(window: EventWindow): Places {
    const places = this.#places
    if (this.#following.holds(window.ts)) {
      places.batch = window.batch.byteOffset
      places.row = window.row.byteOffset
      places.ts = window.ts.byteOffset
      places.cpu = window.cpu.byteOffset
      places.tid = window.tid.byteOffset
    } else this.#copyWindow(window)
    return places
  }

  #copyWindow({ length, batch, row, ts, cpu, tid }: EventWindow): void {
    this.#reserve(length)
    const following = this.#following
    const places = this.#places
    const { buffer } = following.memory
    following.floats(places.ts, length).set(ts.subarray(0, length))
    new Uint32Array(buffer, places.row, length).set(row.subarray(0, length))
    following.integers(places.cpu, length).set(cpu.subarray(0, length))
    following.integers(places.tid, length).set(tid.subarray(0, length))
    new Uint16Array(buffer, places.batch, length).set(batch.subarray(0, length))
  }

  #reserve(length: number): void {
    if (length <= this.#capacity) return
    const { memory } = this.#following
    if (this.#capacity > 0) memory.release(this.#copy, this.#capacity * ROW_BYTES)
    this.#capacity = length
    this.#copy = memory.allocate(length * ROW_BYTES)
    let place = this.#copy
    for (const name of ['ts', 'row', 'cpu', 'tid', 'batch'] as const) {
      this.#places[name] = place
      place += BYTES[name] * length
    }
  }
}
