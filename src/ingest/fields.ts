import type {
  Column,
  EventBatch,
  EventFormat,
  FieldSpec,
  StringDictionary,
} from '../../parsers/batch.ts'

const TWO_32 = 4294967296
const NONE: Float64Array = new Float64Array(0)
const NO_WORDS: Uint32Array = new Uint32Array(0)

/** The column of a field under any of its names. */
export function findField(batch: EventBatch, names: readonly string[]): Column | undefined {
  return batch.columns[placeOf(batch.format, names)]
}

/** The description of a field under any of its names. */
export function findSpec(format: EventFormat, names: readonly string[]): FieldSpec | undefined {
  return format.fields[placeOf(format, names)]
}

/** Place of the first of the names among a format's fields; -1 = it has none of them. */
function placeOf({ fields }: EventFormat, names: readonly string[]): number {
  for (const name of names)
    for (let i = 0; i < fields.length; i++) if (fields[i]?.name === name) return i
  return -1
}

/** A number field under any of its names. `get` is NaN where the layout or the row lacks it; above 2^53 it is rounded. */
export class NumberField {
  readonly names: readonly string[]
  #values: Int32Array | Uint32Array | Float64Array = NONE
  #lo: Uint32Array = NO_WORDS
  #hi: Uint32Array = NO_WORDS
  #signed = false
  #wide = false
  #valid: Uint8Array | undefined
  #column: Column | undefined

  constructor(names: readonly string[]) {
    this.names = names
  }

  bind(batch: EventBatch): void {
    const column = findField(batch, this.names)
    this.#column = column
    this.#values = NONE
    this.#wide = false
    this.#valid = column?.valid
    if (column?.kind === 'i32' || column?.kind === 'u32' || column?.kind === 'f64')
      this.#values = column.values
    else if (column?.kind === 'i64' || column?.kind === 'u64') {
      this.#wide = true
      this.#signed = column.kind === 'i64'
      this.#lo = column.lo
      this.#hi = column.hi
    }
  }

  get there(): boolean {
    return this.#column !== undefined
  }

  get(row: number): number {
    if (this.#valid !== undefined && this.#valid[row] === 0) return Number.NaN
    if (!this.#wide) return this.#values[row] ?? Number.NaN
    const hi = this.#hi[row] ?? 0
    return (this.#signed ? hi | 0 : hi) * TWO_32 + (this.#lo[row] ?? 0)
  }
}

/** A 64-bit field read as two halves. */
export class WideField {
  readonly names: readonly string[]
  #values: Int32Array | Uint32Array | Float64Array = NONE
  #lo: Uint32Array = NO_WORDS
  #hi: Uint32Array = NO_WORDS
  #wide = false
  #there = false

  constructor(names: readonly string[]) {
    this.names = names
  }

  bind(batch: EventBatch): void {
    const column = findField(batch, this.names)
    this.#there = column !== undefined
    this.#wide = column?.kind === 'i64' || column?.kind === 'u64'
    this.#values = NONE
    if (column?.kind === 'i64' || column?.kind === 'u64') {
      this.#lo = column.lo
      this.#hi = column.hi
    } else if (column?.kind === 'i32' || column?.kind === 'u32' || column?.kind === 'f64')
      this.#values = column.values
    else this.#there = false
  }

  get there(): boolean {
    return this.#there
  }

  lo(row: number): number {
    return this.#wide ? (this.#lo[row] ?? 0) : (this.#values[row] ?? 0) >>> 0
  }

  hi(row: number): number {
    return this.#wide ? (this.#hi[row] ?? 0) : Math.floor((this.#values[row] ?? 0) / TWO_32) >>> 0
  }
}

/** A string field. `get` is '' where the layout lacks it. */
export class TextField {
  readonly names: readonly string[]
  #codes: Uint32Array = NO_WORDS
  #dictionary: StringDictionary | undefined

  constructor(names: readonly string[]) {
    this.names = names
  }

  bind(batch: EventBatch): void {
    const column = findField(batch, this.names)
    this.#dictionary = undefined
    if (column?.kind !== 'string') return
    this.#codes = column.codes
    this.#dictionary = column.dictionary
  }

  get there(): boolean {
    return this.#dictionary !== undefined
  }

  /** The dictionary's code; equal codes are equal strings while `dictionary` stays the same. */
  code(row: number): number {
    return this.#codes[row] ?? 0
  }

  get dictionary(): StringDictionary | undefined {
    return this.#dictionary
  }

  get(row: number): string {
    return this.#dictionary?.get(this.#codes[row] ?? 0) ?? ''
  }
}
