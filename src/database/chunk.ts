import type { DuckDBDataChunk as DataChunk, DuckDBType } from '@duckdb/node-api'
import type { Vector } from '@duckdb/node-bindings'
import { DuckDBDataChunk, DuckDBStructType, bindings as duckdb } from './duckdb.ts'
import type { StringPool } from './string-pool.ts'

/** Rows of a DuckDB chunk. */
export const CHUNK_ROWS = duckdb.vector_size()

const TWO_32 = 4294967296
const PER_TWO_32 = 1 / TWO_32

/**
 * One DuckDB chunk that is filled column by column from typed arrays and appended again and again. Every `set*` takes
 * `count` rows from `from` of the source and must be called once per column and chunk. Fields of a STRUCT count as columns.
 *
 * Filling goes through the bindings because the documented way (setColumnValues) boxes every value: 5-8 times slower.
 */
export class ChunkWriter {
  readonly chunk: DataChunk
  readonly #vectors: Vector[]
  readonly #halves = new Uint32Array(CHUNK_ROWS * 4)
  readonly #ints: Int32Array
  readonly #doubles: Float64Array
  readonly #booleans: Uint8Array
  readonly #validity = new Uint8Array(CHUNK_ROWS / 8)

  constructor(types: readonly DuckDBType[]) {
    this.chunk = DuckDBDataChunk.create(types)
    this.#ints = new Int32Array(this.#halves.buffer, 0, CHUNK_ROWS)
    this.#doubles = new Float64Array(this.#halves.buffer, 0, CHUNK_ROWS)
    this.#booleans = new Uint8Array(this.#halves.buffer, 0, CHUNK_ROWS)
    this.#vectors = types.flatMap((type, i) => {
      const vector = duckdb.data_chunk_get_vector(this.chunk.chunk, i)
      if (!(type instanceof DuckDBStructType)) return [vector]
      return type.entryTypes.map((_, field) => duckdb.struct_vector_get_child(vector, field))
    })
  }

  /** Empties the chunk for `count` (at most CHUNK_ROWS) new rows. */
  start(count: number): void {
    this.chunk.reset()
    duckdb.data_chunk_set_size(this.chunk.chunk, count)
  }

  setNulls(column: number, count: number): void {
    this.#validity.fill(0, 0, (count + 7) >> 3)
    this.#flushValidity(column, count)
  }

  /** One value in every row; a 64-bit or 32-bit integer column. */
  setConstant(column: number, value: number, width: 4 | 8, count: number): void {
    if (width === 4) this.#ints.fill(value, 0, count)
    else for (let i = 0; i < count; i++) this.#setHalves(i, value, 0, 0)
    this.#flush(column, count * width)
  }

  /** BIGINT from numbers, each increased by base; NaN = NULL. */
  setBigints(
    column: number,
    values: Float64Array,
    from: number,
    count: number,
    base: Halves,
  ): void {
    const nulls = writeBigints(this.#halves, values, from, count, base.lo, base.hi)
    this.#flush(column, count * 8)
    if (nulls > 0) this.#nullsFromNaN(column, values, from, count)
  }

  /** BIGINT 0, 1, 2, ... added to `first`. */
  setSequence(column: number, first: number, count: number): void {
    for (let i = 0; i < count; i++) this.#setHalves(i, first + i, 0, 0)
    this.#flush(column, count * 8)
  }

  /** BIGINT from 32-bit integers of any sign. */
  setWidened(
    column: number,
    values: Int32Array | Uint32Array | Float64Array,
    from: number,
    count: number,
    valid: Uint8Array | undefined,
  ): void {
    const halves = this.#halves
    if (values instanceof Int32Array) {
      for (let i = 0; i < count; i++) {
        const value = values[from + i] ?? 0
        halves[2 * i] = value
        halves[2 * i + 1] = value >> 31
      }
    } else if (values instanceof Uint32Array) {
      for (let i = 0; i < count; i++) {
        halves[2 * i] = values[from + i] ?? 0
        halves[2 * i + 1] = 0
      }
    } else for (let i = 0; i < count; i++) this.#setHalves(i, values[from + i] ?? 0, 0, 0)
    this.#flush(column, count * 8)
    this.setValidity(column, valid, from, count)
  }

  /** INTEGER or UINTEGER. */
  setIntegers(
    column: number,
    values: Int32Array | Uint32Array,
    from: number,
    count: number,
    valid?: Uint8Array,
  ): void {
    const { buffer, byteOffset } = values
    if (buffer instanceof ArrayBuffer)
      duckdb.copy_data_to_vector(this.#vector(column), 0, buffer, byteOffset + 4 * from, 4 * count)
    else {
      // The bindings do not take shared memory.
      const own = values instanceof Int32Array ? this.#ints : this.#halves
      own.set(values.subarray(from, from + count))
      this.#flush(column, count * 4)
    }
    this.setValidity(column, valid, from, count)
  }

  /** UINTEGER from what whole numbers are beyond a multiple of 2^32. */
  setLowHalves(column: number, values: Float64Array, from: number, count: number): void {
    writeIntegers(this.#ints, values, from, count)
    this.#flush(column, count * 4)
  }

  /** INTEGER from numbers; NaN = NULL. */
  setIntegersFromNumbers(column: number, values: Float64Array, from: number, count: number): void {
    const nulls = writeIntegers(this.#ints, values, from, count)
    this.#flush(column, count * 4)
    if (nulls > 0) this.#nullsFromNaN(column, values, from, count)
  }

  /** DOUBLE; NaN = NULL. */
  setDoubles(
    column: number,
    values: Float64Array,
    from: number,
    count: number,
    valid?: Uint8Array,
  ): void {
    let nulls = false
    for (let i = 0; i < count; i++) {
      const value = values[from + i] ?? Number.NaN
      if (Number.isNaN(value)) nulls = true
      this.#doubles[i] = value
    }
    this.#flush(column, count * 8)
    if (nulls) this.#nullsFromNaN(column, values, from, count)
    else this.setValidity(column, valid, from, count)
  }

  /** BOOLEAN from 0 and other numbers; NaN = NULL. */
  setBooleans(column: number, values: Float64Array, from: number, count: number): void {
    let nulls = false
    for (let i = 0; i < count; i++) {
      const value = values[from + i] ?? Number.NaN
      if (Number.isNaN(value)) nulls = true
      this.#booleans[i] = value === 0 ? 0 : 1
    }
    this.#flush(column, count)
    if (nulls) this.#nullsFromNaN(column, values, from, count)
  }

  /** BIGINT or UBIGINT from two halves. */
  setWide(
    column: number,
    lo: Uint32Array,
    hi: Uint32Array,
    from: number,
    count: number,
    valid: Uint8Array | undefined,
  ): void {
    const halves = this.#halves
    for (let i = 0; i < count; i++) {
      halves[2 * i] = lo[from + i] ?? 0
      halves[2 * i + 1] = hi[from + i] ?? 0
    }
    this.#flush(column, count * 8)
    this.setValidity(column, valid, from, count)
  }

  /** HUGEINT from two halves of 64 bits. */
  setHuge(
    column: number,
    lo: Uint32Array,
    hi: Uint32Array,
    from: number,
    count: number,
    options: { signed: boolean; valid: Uint8Array | undefined },
  ): void {
    const words = this.#halves
    for (let i = 0; i < count; i++) {
      const high = hi[from + i] ?? 0
      const sign = options.signed ? (high | 0) >> 31 : 0
      words[4 * i] = lo[from + i] ?? 0
      words[4 * i + 1] = high
      words[4 * i + 2] = sign
      words[4 * i + 3] = sign
    }
    this.#flush(column, count * 16)
    this.setValidity(column, options.valid, from, count)
  }

  /** HUGEINT from 32-bit integers of any sign. */
  setHugeWidened(
    column: number,
    values: Int32Array | Uint32Array | Float64Array,
    from: number,
    count: number,
    valid: Uint8Array | undefined,
  ): void {
    const words = this.#halves
    for (let i = 0; i < count; i++) {
      const value = values[from + i] ?? 0
      const hi = Math.floor(value * PER_TWO_32)
      const sign = value < 0 ? -1 : 0
      words[4 * i] = value - hi * TWO_32
      words[4 * i + 1] = hi
      words[4 * i + 2] = sign
      words[4 * i + 3] = sign
    }
    this.#flush(column, count * 16)
    this.setValidity(column, valid, from, count)
  }

  /**
   * VARCHAR: row i is string `index[codes[from + i]]` of the pool; a negative code or index is NULL.
   */
  setStrings(
    column: number,
    pool: StringPool,
    index: Int32Array,
    codes: Int32Array | Uint32Array,
    from: number,
    count: number,
    valid: Uint8Array | undefined,
  ): void {
    const { words } = pool
    const halves = this.#halves
    let nulls = false
    for (let i = 0; i < count; i++) {
      const code = codes[from + i] ?? -1
      const at = code < 0 ? -1 : (index[code] ?? -1)
      if (at < 0) {
        nulls = true
        halves[4 * i] = 0
        halves[4 * i + 1] = 0
        halves[4 * i + 2] = 0
        halves[4 * i + 3] = 0
        continue
      }
      halves[4 * i] = words[4 * at] ?? 0
      halves[4 * i + 1] = words[4 * at + 1] ?? 0
      halves[4 * i + 2] = words[4 * at + 2] ?? 0
      halves[4 * i + 3] = words[4 * at + 3] ?? 0
    }
    this.#flush(column, count * 16)
    if (!nulls) {
      this.setValidity(column, valid, from, count)
      return
    }
    this.#validity.fill(0, 0, (count + 7) >> 3)
    for (let i = 0; i < count; i++) {
      const code = codes[from + i] ?? -1
      const there = code >= 0 && (index[code] ?? -1) >= 0 && valid?.[from + i] !== 0
      if (there) this.#validity[i >> 3] = (this.#validity[i >> 3] ?? 0) | (1 << (i & 7))
    }
    this.#flushValidity(column, count)
  }

  /** INTEGER: row i is `numbers[codes[from + i]]`, and 0 where `valid` is 0. */
  setNumbers(
    column: number,
    numbers: Int32Array,
    codes: Uint32Array,
    from: number,
    count: number,
    valid: Uint8Array | undefined,
  ): void {
    const ints = this.#ints
    for (let i = 0; i < count; i++) ints[i] = numbers[codes[from + i] ?? 0] ?? 0
    if (valid !== undefined) for (let i = 0; i < count; i++) if (valid[from + i] === 0) ints[i] = 0
    this.#flush(column, count * 4)
  }

  /** ENUM of at most 256 values, one byte each: row i is `enumCodes[codes[from + i]]`; a negative code is NULL. */
  setEnums(
    column: number,
    enumCodes: readonly number[],
    codes: Int32Array,
    from: number,
    count: number,
  ): void {
    const bits = this.#validity
    bits.fill(0, 0, (count + 7) >> 3)
    let nulls = false
    for (let i = 0; i < count; i++) {
      const code = codes[from + i] ?? -1
      if (code < 0) {
        nulls = true
        this.#booleans[i] = 0
        continue
      }
      this.#booleans[i] = enumCodes[code] ?? 0
      bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7))
    }
    this.#flush(column, count)
    if (nulls) this.#flushValidity(column, count)
  }

  setBlobs(
    column: number,
    starts: Uint32Array,
    bytes: Uint8Array,
    from: number,
    count: number,
    valid: Uint8Array | undefined,
  ): void {
    const vector = this.#vector(column)
    for (let i = 0; i < count; i++) {
      const view = bytes.subarray(starts[from + i] ?? 0, starts[from + i + 1] ?? 0)
      duckdb.vector_assign_string_element_len(vector, i, view)
    }
    this.setValidity(column, valid, from, count)
  }

  /** LIST of BIGINT or UBIGINT; `wide` elements have their upper halves in `hi`, others are sign-extended if `signed`. */
  setLists(
    column: number,
    starts: Uint32Array,
    lo: Uint32Array,
    hi: Uint32Array,
    from: number,
    count: number,
    options: { wide: boolean; signed: boolean; valid: Uint8Array | undefined },
  ): void {
    const vector = this.#vector(column)
    const first = starts[from] ?? 0
    const total = (starts[from + count] ?? first) - first
    const halves = this.#halves
    for (let i = 0; i < count; i++) {
      const start = starts[from + i] ?? 0
      halves[4 * i] = start - first
      halves[4 * i + 1] = 0
      halves[4 * i + 2] = (starts[from + i + 1] ?? start) - start
      halves[4 * i + 3] = 0
    }
    this.#flush(column, count * 16)
    duckdb.list_vector_reserve(vector, total)
    duckdb.list_vector_set_size(vector, total)
    const elements = new Uint32Array(total * 2)
    for (let i = 0; i < total; i++) {
      const low = lo[first + i] ?? 0
      elements[2 * i] = low
      elements[2 * i + 1] = options.wide
        ? (hi[first + i] ?? 0)
        : options.signed
          ? (low | 0) >> 31
          : 0
    }
    if (total > 0) {
      const child = duckdb.list_vector_get_child(vector)
      duckdb.copy_data_to_vector(child, 0, elements.buffer, 0, elements.byteLength)
    }
    this.setValidity(column, options.valid, from, count)
  }

  /** Marks rows with `valid` 0 as NULL; no array = all valid. */
  setValidity(column: number, valid: Uint8Array | undefined, from: number, count: number): void {
    if (valid === undefined) return
    const bits = this.#validity
    bits.fill(0, 0, (count + 7) >> 3)
    let nulls = false
    for (let i = 0; i < count; i++) {
      if (valid[from + i] === 0) nulls = true
      else bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7))
    }
    if (nulls) this.#flushValidity(column, count)
  }

  #nullsFromNaN(column: number, values: Float64Array, from: number, count: number): void {
    writeValidity(this.#validity, values, from, count)
    this.#flushValidity(column, count)
  }

  #setHalves(row: number, value: number, baseLo: number, baseHi: number): void {
    const hi = Math.floor(value * PER_TWO_32)
    const lo = value - hi * TWO_32 + baseLo
    this.#halves[2 * row] = lo
    this.#halves[2 * row + 1] = hi + baseHi + (lo >= TWO_32 ? 1 : 0)
  }

  #vector(column: number): Vector {
    const vector = this.#vectors[column]
    if (vector === undefined) throw new RangeError(`chunk has no column ${column}`)
    return vector
  }

  #flush(column: number, bytes: number): void {
    const { buffer } = this.#halves
    duckdb.copy_data_to_vector(this.#vector(column), 0, buffer, 0, bytes)
  }

  #flushValidity(column: number, count: number): void {
    const vector = this.#vector(column)
    duckdb.vector_ensure_validity_writable(vector)
    const bytes = Math.ceil(count / 64) * 8
    duckdb.copy_data_to_vector_validity(vector, 0, this.#validity.buffer, 0, bytes)
  }
}

// Loops over values stand alone: inside of the setters V8 gives up their optimized code again and again.

/** Returns how many are NaN. */
function writeBigints(
  halves: Uint32Array,
  values: Float64Array,
  from: number,
  count: number,
  baseLo: number,
  baseHi: number,
): number {
  let nulls = 0
  for (let i = 0; i < count; i++) {
    const value = values[from + i] ?? 0
    if (Number.isNaN(value)) nulls++
    const hi = Math.floor(value * PER_TWO_32)
    const lo = value - hi * TWO_32 + baseLo
    halves[2 * i] = lo
    halves[2 * i + 1] = hi + baseHi + (lo >= TWO_32 ? 1 : 0)
  }
  return nulls
}

/** Returns how many are NaN. */
function writeIntegers(
  ints: Int32Array,
  values: Float64Array,
  from: number,
  count: number,
): number {
  let nulls = 0
  for (let i = 0; i < count; i++) {
    const value = values[from + i] ?? 0
    if (Number.isNaN(value)) nulls++
    ints[i] = value
  }
  return nulls
}

/** One bit per value: 0 where it is NaN. */
function writeValidity(bits: Uint8Array, values: Float64Array, from: number, count: number): void {
  for (let first = 0; first < count; first += 8) {
    const end = Math.min(8, count - first)
    let mask = 0
    for (let bit = 0; bit < end; bit++)
      if (!Number.isNaN(values[from + first + bit] ?? 0)) mask |= 1 << bit
    bits[first >> 3] = mask
  }
}

/** A 64-bit number as two unsigned halves. */
export interface Halves {
  readonly lo: number
  readonly hi: number
}

export const ZERO: Halves = { lo: 0, hi: 0 }

/** As two's complement of 64 bits. */
export function toHalves(value: bigint): Halves {
  const bits = BigInt.asUintN(64, value)
  return { lo: Number(bits & 0xffffffffn), hi: Number(bits >> 32n) }
}
