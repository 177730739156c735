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
/** Rows that are made NULL at a time. */
const ROWS_CLEARED = 256

/** Where the arrays of columns lie. Other threads can share it; what it gives may hold anything. */
export interface ArrayMemory {
  floats(length: number): Float64Array
  integers(length: number): Int32Array
  words(length: number): Uint32Array
  bytes(length: number): Uint8Array
  free(array: ArrayBufferView): void
}

/** Every array by itself. */
const SEPARATE_ARRAYS: ArrayMemory = {
  floats: (length) => new Float64Array(new SharedArrayBuffer(8 * length)),
  integers: (length) => new Int32Array(new SharedArrayBuffer(4 * length)),
  words: (length) => new Uint32Array(new SharedArrayBuffer(4 * length)),
  bytes: (length) => new Uint8Array(new SharedArrayBuffer(length)),
  free: () => {},
}

/** The arrays of a column, which another thread can share. */
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
  /** May be set, up to `capacity`, by whoever has set all columns of the rows that are new. */
  length = 0
  readonly #memory: ArrayMemory
  readonly #list: ColumnRows[]
  readonly #codes = new Map<TextRows, Map<string, number>>()
  #capacity = FIRST_CAPACITY
  /** Rows from `length` up to here are NULLs. */
  #cleared = 0

  constructor(
    table: string,
    kinds: Readonly<Record<Name, ValueKind | ShapeList>>,
    memory: ArrayMemory = SEPARATE_ARRAYS,
  ) {
    this.table = table
    this.#memory = memory
    const columns = {} as Record<Name, ColumnRows>
    for (const name of Object.keys(kinds) as Name[]) columns[name] = newColumn(kinds[name], memory)
    this.columns = columns
    this.#list = Object.values(columns)
  }

  /** Rows that there is room for. */
  get capacity(): number {
    return this.#capacity
  }

  /** Adds a row of NULLs and returns its index. */
  add(): number {
    if (this.length === this.#capacity) this.grow()
    if (this.length >= this.#cleared) this.#clearAhead()
    return this.length++
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

  /** Gives the arrays with the rows away and goes on, empty, with `spare` (arrays given away earlier) or new ones. */
  exchange(spare: readonly ColumnArrays[] | undefined): readonly ColumnArrays[] {
    const fits = spare !== undefined && capacityOf(spare) >= this.#capacity
    if (fits) this.#capacity = capacityOf(spare)
    else for (const view of spare?.flatMap(viewsOf) ?? []) this.#memory.free(view)
    const given = this.#list.map(arraysOf)
    for (const [i, column] of this.#list.entries())
      Object.assign(column, fits ? spare[i] : newArrays(column.kind, this.#capacity, this.#memory))
    this.clear()
    return given
  }

  /** Forgets the rows; dictionaries stay. */
  clear(): void {
    this.length = 0
    this.#cleared = 0
  }

  /** Makes room for as many rows again. */
  grow(): void {
    this.#capacity *= 2
    for (const column of this.#list) {
      const former = viewsOf(column)
      Object.assign(column, newArrays(column.kind, this.#capacity, this.#memory))
      for (const [i, view] of viewsOf(column).entries()) {
        const from = former[i] as Uint8Array
        view.set(from)
        this.#memory.free(from)
      }
    }
    this.#cleared = this.length
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

  #clearAhead(): void {
    const to = Math.min(this.#capacity, this.length + ROWS_CLEARED)
    for (const column of this.#list) {
      if (column.kind === 'number') column.values.fill(Number.NaN, this.length, to)
      else if (column.kind === 'wide') column.valid.fill(0, this.length, to)
      else if (column.kind !== 'int') column.codes.fill(-1, this.length, to)
    }
    this.#cleared = to
  }
}

function newColumn(kind: ValueKind | ShapeList, memory: ArrayMemory): ColumnRows {
  if (typeof kind !== 'string')
    return { kind: 'shape', codes: memory.integers(FIRST_CAPACITY), shapes: kind }
  if (kind === 'text') return { kind, codes: memory.integers(FIRST_CAPACITY), strings: [] }
  return newArrays(kind, FIRST_CAPACITY, memory) as NumberRows | IntRows | WideRows
}

function newArrays(kind: ColumnRows['kind'], length: number, memory: ArrayMemory): ColumnArrays {
  if (kind === 'number') return { kind, values: memory.floats(length) }
  if (kind === 'int') return { kind, values: memory.integers(length) }
  if (kind !== 'wide') return { kind, codes: memory.integers(length) }
  return { kind, lo: memory.words(length), hi: memory.words(length), valid: memory.bytes(length) }
}

function arraysOf(column: ColumnRows): ColumnArrays {
  switch (column.kind) {
    case 'number':
      return { kind: 'number', values: column.values }
    case 'int':
      return { kind: 'int', values: column.values }
    case 'wide':
      return { kind: 'wide', lo: column.lo, hi: column.hi, valid: column.valid }
    default:
      return { kind: column.kind, codes: column.codes }
  }
}

/** Its arrays in the order of their names in ColumnArrays. */
function viewsOf(arrays: ColumnArrays): (Float64Array | Int32Array | Uint32Array | Uint8Array)[] {
  if (arrays.kind === 'wide') return [arrays.lo, arrays.hi, arrays.valid]
  return [arrays.kind === 'number' || arrays.kind === 'int' ? arrays.values : arrays.codes]
}

function capacityOf([first]: readonly ColumnArrays[]): number {
  return first === undefined ? 0 : (viewsOf(first)[0]?.length ?? 0)
}
