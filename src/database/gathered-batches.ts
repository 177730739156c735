import type { Column, EventBatch, EventFormat, StringDictionary } from '../../parsers/batch.ts'
import type { RawBatch } from './writer.ts'

/** Rows of one event that travel together: four chunks of DuckDB's. */
const GATHERED_ROWS = 8192

export type Numbers = Float64Array | Int32Array | Uint32Array | Uint8Array

/** The numbers that a batch's rows consist of; undefined if a row can have any number of them, or lack some. */
export function numbersOf({ batch, seq }: RawBatch): readonly Numbers[] | undefined {
  const arrays: Numbers[] = [batch.ts, batch.cpu, batch.tid, seq]
  for (const column of batch.columns) {
    if (column.valid !== undefined) return undefined
    switch (column.kind) {
      case 'i32':
      case 'u32':
      case 'f64':
        arrays.push(column.values)
        break
      case 'i64':
      case 'u64':
        arrays.push(column.lo, column.hi)
        break
      case 'string':
        arrays.push(column.codes)
        break
      default:
        return undefined
    }
  }
  return arrays
}

/** Rows of one event and instance, gathered from many windows into one buffer. */
export class GatheredBatch {
  readonly format: EventFormat
  readonly buffer: ArrayBuffer
  length = 0
  readonly #batch: EventBatch
  readonly #arrays: readonly Numbers[]
  readonly #dictionaries: readonly (StringDictionary | undefined)[]

  /** `newBuffer` may give a buffer that was used before. */
  constructor(
    batch: EventBatch,
    numbers: readonly Numbers[],
    newBuffer: (bytes: number) => ArrayBuffer,
  ) {
    this.format = batch.format
    this.#batch = batch
    this.#dictionaries = batch.columns.map(dictionaryOf)
    // Widths are multiples of 4 and rows many: every array begins where one of doubles may.
    const width = numbers.reduce((sum, { BYTES_PER_ELEMENT }) => sum + BYTES_PER_ELEMENT, 0)
    this.buffer = newBuffer(width * GATHERED_ROWS)
    let at = 0
    this.#arrays = numbers.map((array) => {
      const Gathered = array.constructor as new (
        buffer: ArrayBuffer,
        at: number,
        length: number,
      ) => Numbers
      const own = new Gathered(this.buffer, at, GATHERED_ROWS)
      at += own.byteLength
      return own
    })
  }

  get isFull(): boolean {
    return this.length === GATHERED_ROWS
  }

  /** True when rows of the batch can follow: same kinds of numbers, same strings. */
  takes({ columns }: EventBatch, numbers: readonly Numbers[]): boolean {
    return (
      numbers.every((array, i) => array.constructor === this.#arrays[i]?.constructor) &&
      columns.every((column, i) => dictionaryOf(column) === this.#dictionaries[i])
    )
  }

  /** Adds rows from `from` on, as many as there is room for; returns how many. */
  add(numbers: readonly Numbers[], from: number, length: number): number {
    const count = Math.min(length - from, GATHERED_ROWS - this.length)
    for (let i = 0; i < numbers.length; i++)
      this.#arrays[i]?.set((numbers[i] as Numbers).subarray(from, from + count), this.length)
    this.length += count
    return count
  }

  /** Its rows as a batch; the arrays lie in `buffer`. */
  toBatch(): RawBatch {
    let next = 4
    const columns = this.#batch.columns.map((column): Column => {
      if (column.kind === 'i64' || column.kind === 'u64') {
        const [lo, hi] = [this.#arrays[next++], this.#arrays[next++]]
        return { ...column, lo: lo as Uint32Array, hi: hi as Uint32Array }
      }
      const own = this.#arrays[next++]
      if (column.kind === 'string') return { ...column, codes: own as Uint32Array }
      return { ...column, values: own } as Column
    })
    const [ts, cpu, tid, seq] = this.#arrays as [Float64Array, Int32Array, Int32Array, Float64Array]
    const { length } = this
    return { batch: { ...this.#batch, length, ts, cpu, tid, columns }, seq }
  }
}

function dictionaryOf(column: Column): StringDictionary | undefined {
  return column.kind === 'string' ? column.dictionary : undefined
}
