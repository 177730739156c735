/**
 * Rows on their way to a table, by column. The one currency between whoever makes rows (ingest, replay's recorder) and the
 * database, so that neither knows the other.
 */

/** NaN = NULL. Integers are exact below 2^53. */
export interface NumberRows {
  readonly kind: 'number'
  values: Float64Array
}
/** 32 bits, signed or not as the column is. Never NULL: whoever adds a row sets it. */
export interface IntRows {
  readonly kind: 'int'
  values: Int32Array
}
/** hi * 2^32 + lo; NULL where `valid` is 0. */
export interface WideRows {
  readonly kind: 'wide'
  lo: Uint32Array
  hi: Uint32Array
  valid: Uint8Array
}
/** Index into `strings`; -1 = NULL. */
export interface TextRows {
  readonly kind: 'text'
  codes: Int32Array
  readonly strings: string[]
}
/** Combinations of the values that rows have in common, by number; `rows` begins with combination `first`. */
export interface ShapeList {
  readonly first: number
  readonly length: number
  readonly rows: Pick<TableRows, 'columns'>
}
/** Number of a combination of `shapes`; stands for the columns of `shapes`. */
export interface ShapeRows {
  readonly kind: 'shape'
  codes: Int32Array
  readonly shapes: ShapeList
}
export type ValueKind = 'number' | 'int' | 'wide' | 'text'
export type ColumnRows = NumberRows | IntRows | WideRows | TextRows | ShapeRows

/** Rows of a table, as an appender reads them. */
export interface TableRows {
  readonly table: string
  readonly columns: Readonly<Record<string, ColumnRows>>
  readonly length: number
}

const FIRST_CAPACITY = 256

/** The arrays of a column on their way to another thread. */
export type ColumnArrays =
  | { readonly kind: 'number'; readonly values: Float64Array }
  | { readonly kind: 'int'; readonly values: Int32Array }
  | {
      readonly kind: 'wide'
      readonly lo: Uint32Array
      readonly hi: Uint32Array
      readonly valid: Uint8Array
    }
  | { readonly kind: 'text'; readonly codes: Int32Array }
  | { readonly kind: 'shape'; readonly codes: Int32Array }

/** A growable table of rows in columns. The owner adds rows, hands the buffer to an appender, then calls `clear`. */
export class RowBuffer<Name extends string = string> {
  readonly table: string
  readonly columns: Readonly<Record<Name, ColumnRows>>
  length = 0
  readonly #list: ColumnRows[]
  readonly #codes = new Map<TextRows, Map<string, number>>()
  #capacity = FIRST_CAPACITY

  constructor(table: string, kinds: Readonly<Record<Name, ValueKind | ShapeList>>) {
    this.table = table
    const columns = {} as Record<Name, ColumnRows>
    for (const name of Object.keys(kinds) as Name[]) columns[name] = newColumn(kinds[name])
    this.columns = columns
    this.#list = Object.values(columns)
  }

  /** Adds a row of NULLs and returns its index. */
  add(): number {
    if (this.length === this.#capacity) this.#grow()
    return this.length++
  }

  /** Adds rows of NULLs and returns the index of the first. */
  extend(count: number): number {
    while (this.length + count > this.#capacity) this.#grow()
    this.length += count
    return this.length - count
  }

  number(row: number, name: Name, value: number): void {
    const column = this.columns[name]
    if (column.kind === 'number' || column.kind === 'int') column.values[row] = value
  }

  wide(row: number, name: Name, lo: number, hi: number): void {
    const column = this.columns[name]
    if (column.kind !== 'wide') return
    column.lo[row] = lo
    column.hi[row] = hi
    column.valid[row] = 1
  }

  text(row: number, name: Name, value: string | undefined): void {
    const column = this.columns[name]
    if (column.kind === 'text')
      column.codes[row] = value === undefined ? -1 : this.#code(column, value)
  }

  /** Code of a string in a text column, for owners of many rows that write `codes` themselves. */
  code(name: Name, value: string): number {
    const column = this.columns[name]
    return column.kind === 'text' ? this.#code(column, value) : -1
  }

  /**
   * Gives the arrays with the rows away and goes on, empty, with `spare` (arrays given away earlier) or new ones, which
   * another thread can share.
   */
  exchange(spare: readonly ColumnArrays[] | undefined): readonly ColumnArrays[] {
    const fits = spare !== undefined && capacityOf(spare) >= this.#capacity
    if (fits) this.#capacity = capacityOf(spare)
    const given = this.#list.map((column, i) =>
      exchangeArrays(column, fits ? spare[i] : undefined, this.#capacity),
    )
    this.length = 0
    return given
  }

  /** Forgets the rows; dictionaries stay. */
  clear(): void {
    for (const column of this.#list) reset(column, 0, this.length)
    this.length = 0
  }

  #code(column: TextRows, value: string): number {
    let codes = this.#codes.get(column)
    if (codes === undefined) {
      codes = new Map()
      this.#codes.set(column, codes)
    }
    let code = codes.get(value)
    if (code === undefined) {
      code = column.strings.length
      column.strings.push(value)
      codes.set(value, code)
    }
    return code
  }

  #grow(): void {
    const from = this.#capacity
    this.#capacity *= 2
    for (const column of this.#list) {
      if (column.kind === 'number')
        column.values = grown(column.values, new Float64Array(this.#capacity))
      else if (column.kind === 'int')
        column.values = grown(column.values, new Int32Array(this.#capacity))
      else if (column.kind !== 'wide')
        column.codes = grown(column.codes, new Int32Array(this.#capacity))
      else {
        column.lo = grown(column.lo, new Uint32Array(this.#capacity))
        column.hi = grown(column.hi, new Uint32Array(this.#capacity))
        column.valid = grown(column.valid, new Uint8Array(this.#capacity))
      }
      reset(column, from, this.#capacity)
    }
  }
}

function newColumn(kind: ValueKind | ShapeList): ColumnRows {
  if (typeof kind !== 'string')
    return { kind: 'shape', codes: new Int32Array(FIRST_CAPACITY).fill(-1), shapes: kind }
  if (kind === 'number') return { kind, values: new Float64Array(FIRST_CAPACITY).fill(Number.NaN) }
  if (kind === 'int') return { kind, values: new Int32Array(FIRST_CAPACITY) }
  if (kind === 'text') return { kind, codes: new Int32Array(FIRST_CAPACITY).fill(-1), strings: [] }
  return {
    kind,
    lo: new Uint32Array(FIRST_CAPACITY),
    hi: new Uint32Array(FIRST_CAPACITY),
    valid: new Uint8Array(FIRST_CAPACITY),
  }
}

function capacityOf(arrays: readonly ColumnArrays[]): number {
  const [first] = arrays
  if (first === undefined) return 0
  if (first.kind === 'number' || first.kind === 'int') return first.values.length
  return first.kind === 'wide' ? first.lo.length : first.codes.length
}

function exchangeArrays(
  column: ColumnRows,
  spare: ColumnArrays | undefined,
  capacity: number,
): ColumnArrays {
  const shared = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes * capacity)
  if (column.kind === 'number') {
    const { values } = column
    column.values = spare?.kind === 'number' ? spare.values : new Float64Array(shared(8))
    column.values.fill(Number.NaN)
    return { kind: 'number', values }
  }
  if (column.kind === 'int') {
    const { values } = column
    column.values = spare?.kind === 'int' ? spare.values : new Int32Array(shared(4))
    return { kind: 'int', values }
  }
  if (column.kind !== 'wide') {
    const { kind, codes } = column
    column.codes = spare?.kind === kind ? spare.codes : new Int32Array(shared(4))
    column.codes.fill(-1)
    return { kind, codes }
  }
  const { lo, hi, valid } = column
  column.lo = spare?.kind === 'wide' ? spare.lo : new Uint32Array(shared(4))
  column.hi = spare?.kind === 'wide' ? spare.hi : new Uint32Array(shared(4))
  column.valid = spare?.kind === 'wide' ? spare.valid : new Uint8Array(shared(1))
  column.valid.fill(0)
  return { kind: 'wide', lo, hi, valid }
}

function reset(column: ColumnRows, from: number, to: number): void {
  if (column.kind === 'int') return
  if (column.kind === 'number') column.values.fill(Number.NaN, from, to)
  else if (column.kind !== 'wide') column.codes.fill(-1, from, to)
  else column.valid.fill(0, from, to)
}

function grown<A extends Float64Array | Int32Array | Uint32Array | Uint8Array>(from: A, to: A): A {
  to.set(from)
  return to
}
