import type { ColumnArrays, ColumnRows, ShapeList } from '../model/rows.ts'
import type { RowOwner } from './append.ts'
import type { Halves } from './chunk.ts'
import type { RenamedField } from './raw.ts'
import type { TableDefinition } from './schema.ts'
import type { SentBatch } from './sent-batches.ts'

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
  | {
      readonly call: 'appendRaw'
      readonly batches: readonly SentBatch[]
      /** The memory of the batches, which comes back with the answer. */
      readonly buffers: ArrayBuffer[]
    }
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

export type WriterAnswer =
  | { readonly answer: 'done'; readonly renamed?: readonly RenamedField[] }
  | { readonly answer: 'appended'; readonly table: string; readonly set: number }
  | { readonly answer: 'appendedRaw'; readonly buffers: ArrayBuffer[] }
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
