import type { Column, EventBatch, EventFormat, StringDictionary } from '../../parsers/batch.ts'
import type { ColumnArrays, ColumnRows, ShapeList } from '../model/rows.ts'
import type { RowOwner } from './append.ts'
import type { Halves } from './chunk.ts'
import type { RenamedField } from './raw.ts'
import type { TableDefinition } from './schema.ts'

/** What the writing thread opens. */
export interface WriterSetting {
  readonly path: string
  readonly memoryLimit: string | undefined
}

/** A call of `RowWriter` on its way to the writing thread; answered in order. */
export type WriterCall =
  | { readonly call: 'run'; readonly sql: string }
  | { readonly call: 'createTemporary' | 'dropTemporary'; readonly definition: TableDefinition }
  | { readonly call: 'append'; readonly rows: SentRows; readonly owner: RowOwner }
  | { readonly call: 'beginRaw'; readonly traceId: number; readonly base: Halves }
  | { readonly call: 'appendRaw'; readonly batch: SentBatch; readonly seq: Float64Array }
  | { readonly call: 'endRaw' | 'flush' | 'rollback' | 'close' }

export interface SentRows {
  readonly table: string
  readonly length: number
  readonly names: readonly string[]
  /** Number of the set of arrays, which both threads share; the arrays come with its first use. */
  readonly set: number
  readonly arrays: readonly ColumnArrays[] | undefined
  /** Strings of each text column that were not sent before; none for other columns. */
  readonly strings: readonly (readonly string[])[]
  /** Shapes that were not sent before, where the rows have some. */
  readonly shapes: SentShapes | undefined
}

export interface SentShapes {
  readonly first: number
  readonly length: number
  readonly columns: readonly {
    readonly name: string
    readonly arrays: ColumnArrays
    readonly strings: readonly string[]
  }[]
}

export interface SentBatch {
  /** Number of the format; its description comes with its first batch. */
  readonly id: number
  readonly format: EventFormat | undefined
  readonly length: number
  readonly instance: number
  readonly ts: Float64Array
  readonly cpu: Int32Array
  readonly tid: Int32Array
  readonly columns: readonly SentColumn[]
}

export interface SentColumn {
  readonly column: Exclude<Column, { kind: 'string' }> | SentStrings
}

export interface SentStrings {
  readonly kind: 'string'
  readonly valid: Uint8Array | undefined
  readonly codes: Uint32Array
  /** Strings that follow those sent before; with `restart`, a new dictionary's first. */
  readonly strings: readonly string[]
  readonly restart: boolean
}

export type WriterAnswer =
  | { readonly answer: 'done'; readonly renamed?: readonly RenamedField[] }
  | { readonly answer: 'appended'; readonly table: string; readonly set: number }
  | { readonly answer: 'failed'; readonly message: string; readonly code: string | undefined }

/** Copies the shapes from number `first` on; of their texts those from `sent[column]` on, which is brought up to date. */
export function copyShapes(list: ShapeList, first: number, sent: Map<string, number>): SentShapes {
  const [from, to] = [first - list.first, list.length - list.first]
  const columns: SentShapes['columns'][number][] = []
  for (const [name, column] of Object.entries(list.rows.columns)) {
    if (column.kind === 'number') {
      const values = column.values.slice(from, to)
      columns.push({ name, arrays: { kind: 'number', values }, strings: [] })
    } else if (column.kind === 'text') {
      const strings = column.strings.slice(sent.get(name) ?? 0)
      sent.set(name, column.strings.length)
      columns.push({ name, arrays: { kind: 'text', codes: column.codes.slice(from, to) }, strings })
    }
  }
  return { first, length: list.length, columns }
}

/** Shapes as they arrive in the writing thread. */
export class ReceivedShapes implements ShapeList {
  first = 0
  length = 0
  readonly rows = { columns: {} as Record<string, ColumnRows> }

  take(sent: SentShapes): void {
    this.first = sent.first
    this.length = sent.length
    const { columns } = this.rows
    for (const { name, arrays, strings } of sent.columns) {
      if (arrays.kind === 'number') columns[name] = { kind: 'number', values: arrays.values }
      if (arrays.kind !== 'text') continue
      const known = columns[name]
      const all = known?.kind === 'text' ? known.strings : []
      all.push(...strings)
      columns[name] = { kind: 'text', codes: arrays.codes, strings: all }
    }
  }
}

/** What of a dictionary the writing thread has, by place of the column. */
export class SentDictionaries {
  readonly #sent = new Map<string, { dictionary: StringDictionary; length: number }>()

  next(place: string, dictionary: StringDictionary): { strings: string[]; restart: boolean } {
    let sent = this.#sent.get(place)
    const restart = sent === undefined || sent.dictionary !== dictionary
    if (sent === undefined || restart) {
      sent = { dictionary, length: 0 }
      this.#sent.set(place, sent)
    }
    const strings: string[] = []
    for (; sent.length < dictionary.length; sent.length++) strings.push(dictionary.get(sent.length))
    return { strings, restart }
  }
}

/** Copies what is borrowed of a batch; the copies may be transferred. */
export function copyColumn(
  column: Column,
  length: number,
  place: string,
  dictionaries: SentDictionaries,
): SentColumn {
  const valid = column.valid?.slice(0, length)
  const own = valid === undefined ? {} : { valid }
  const { field } = column
  switch (column.kind) {
    case 'i32':
    case 'u32':
    case 'f64':
      return {
        column: { kind: column.kind, field, values: column.values.slice(0, length), ...own },
      }
    case 'i64':
    case 'u64': {
      const { kind } = column
      const [lo, hi] = [column.lo.slice(0, length), column.hi.slice(0, length)]
      return { column: { kind, field, lo, hi, ...own } }
    }
    case 'bytes': {
      const starts = column.starts.slice(0, length + 1)
      const bytes = column.bytes.slice(0, starts[length] ?? 0)
      return { column: { kind: 'bytes', field, starts, bytes, ...own } }
    }
    case 'list': {
      const starts = column.starts.slice(0, length + 1)
      const [lo, hi] = [column.lo.slice(0, starts[length]), column.hi.slice(0, starts[length])]
      return { column: { kind: 'list', field, starts, lo, hi, ...own } }
    }
    case 'string': {
      const codes = column.codes.slice(0, length)
      const { strings, restart } = dictionaries.next(place, column.dictionary)
      return { column: { kind: 'string', valid, codes, strings, restart } }
    }
  }
}

/** The buffers of a batch's columns, to be moved instead of copied again. */
export function buffersOf(batch: SentBatch): ArrayBufferLike[] {
  const buffers = [batch.ts.buffer, batch.cpu.buffer, batch.tid.buffer]
  for (const { column } of batch.columns) {
    if (column.valid !== undefined) buffers.push(column.valid.buffer)
    if ('values' in column) buffers.push(column.values.buffer)
    else if (column.kind === 'string') buffers.push(column.codes.buffer)
    else if (column.kind === 'bytes') buffers.push(column.starts.buffer, column.bytes.buffer)
    else {
      buffers.push(column.lo.buffer, column.hi.buffer)
      if (column.kind === 'list') buffers.push(column.starts.buffer)
    }
  }
  return buffers
}

/** A dictionary that is filled from the other side. */
export class ReceivedDictionary implements StringDictionary {
  readonly #strings: string[] = []

  get length(): number {
    return this.#strings.length
  }

  get(code: number): string {
    return this.#strings[code] ?? ''
  }

  add(strings: readonly string[]): void {
    for (const text of strings) this.#strings.push(text)
  }
}

/** Turns sent batches back into batches whose formats and dictionaries keep their identity. */
export class BatchReceiver {
  readonly #formats: EventFormat[] = []
  readonly #dictionaries = new Map<string, ReceivedDictionary>()

  receive(sent: SentBatch): EventBatch {
    if (sent.format !== undefined) this.#formats[sent.id] = sent.format
    const format = this.#formats[sent.id]
    if (format === undefined) throw new RangeError(`no format ${sent.id}`)
    const { length, instance, ts, cpu, tid } = sent
    const columns = sent.columns.map(({ column }, i): Column => {
      const field = format.fields[i]
      if (column.kind !== 'string' || field === undefined) return column as Column
      const dictionary = this.#dictionaryOf(`${sent.id}/${instance}/${i}`, column)
      const { codes, valid } = column
      const base = { kind: 'string', field, codes, dictionary } as const
      return valid === undefined ? base : { ...base, valid }
    })
    return { format, length, instance, ts, cpu, tid, flags: NO_FLAGS, columns }
  }

  #dictionaryOf(place: string, column: SentStrings): ReceivedDictionary {
    let dictionary = this.#dictionaries.get(place)
    if (dictionary === undefined || column.restart) {
      dictionary = new ReceivedDictionary()
      this.#dictionaries.set(place, dictionary)
    }
    dictionary.add(column.strings)
    return dictionary
  }
}

const NO_FLAGS = new Uint16Array(0)
