import type { SentError } from './sent-error.ts'
import type { Descriptions, OpenedTrace, SentWindow, TraceEnd } from './sent-windows.ts'

/** What the reading thread opens, and the memory it shares with the thread that started it. */
export interface ReadingSetting {
  /** An open file, which stays its owner's. */
  readonly file: { readonly name: string; readonly descriptor: number; readonly size: number }
  readonly format: string | undefined
  readonly slabs: readonly SharedArrayBuffer[]
  readonly symbol: SharedArrayBuffer
}

export type ReadingCall =
  /** Fills a slab with the next windows. */
  | { readonly call: 'fill'; readonly slab: number }
  /** Answered in the memory for symbols. */
  | { readonly call: 'symbol'; readonly hi: number; readonly lo: number }

/** The next windows, in order; the last parcel has the end of the trace or the error that ended it. */
export interface Parcel {
  readonly answer: 'filled'
  readonly slab: number
  /** In place of the slab's, which was too small. */
  readonly memory: SharedArrayBuffer | undefined
  readonly windows: readonly SentWindow[]
  readonly descriptions: Descriptions
  readonly end: TraceEnd | undefined
  readonly failure: SentError | undefined
}

export type ReadingAnswer =
  | { readonly answer: 'opened'; readonly opened: OpenedTrace }
  | { readonly answer: 'failed'; readonly failure: SentError }
  | Parcel

/** Longest name of a function that is told; the kernel's have 512 bytes at most (KSYM_NAME_LEN). */
const MOST_SYMBOL_UNITS = 4096

/** One name on its way to a thread that waits for it. */
export class SymbolCell {
  readonly memory: SharedArrayBuffer
  /** [0] 1 = told; [1] length of the name, -1 = none. */
  readonly #state: Int32Array
  readonly #units: Uint16Array

  constructor(memory = new SharedArrayBuffer(8 + 2 * MOST_SYMBOL_UNITS)) {
    this.memory = memory
    this.#state = new Int32Array(memory, 0, 2)
    this.#units = new Uint16Array(memory, 8)
  }

  tell(name: string | undefined): void {
    const length = Math.min(name?.length ?? -1, MOST_SYMBOL_UNITS)
    for (let i = 0; i < length; i++) this.#units[i] = name?.charCodeAt(i) ?? 0
    this.#state[1] = length
    Atomics.store(this.#state, 0, 1)
    Atomics.notify(this.#state, 0)
  }

  clear(): void {
    Atomics.store(this.#state, 0, 0)
  }

  /** Blocks until the name is told; false when it is not within the time. */
  wait(milliseconds: number): boolean {
    return Atomics.wait(this.#state, 0, 0, milliseconds) !== 'timed-out'
  }

  get name(): string | undefined {
    const length = this.#state[1] ?? -1
    return length < 0 ? undefined : String.fromCharCode(...this.#units.slice(0, length))
  }
}
