import type { ColumnArrays, ColumnRows, RowBuffer, ShapeList, TableRows } from '../model/rows.ts'

// Rows of tables on their way to the writing thread.

export interface SentRows {
  readonly table: string
  readonly length: number
  /** Number of the set of arrays, which both threads share; the arrays come with its first use. */
  readonly set: number
  readonly columns: readonly { readonly name: string; readonly arrays: ColumnArrays }[] | undefined
  /** Strings that were not sent before, by text column. */
  readonly strings: Readonly<Record<string, readonly string[]>>
  /** Shapes that were not sent before, where the rows have some. */
  readonly shapes: SentShapes | undefined
}

interface SentShapes {
  readonly first: number
  readonly length: number
  readonly columns: readonly {
    readonly name: string
    readonly arrays: ColumnArrays
    readonly strings: readonly string[]
  }[]
}

/** Gives away the arrays of row buffers, which both threads share, and gives them others. */
export class RowSender {
  /** Sets of arrays by number, and the number of the set that begins with an array. */
  readonly #sets: (readonly ColumnArrays[])[] = []
  readonly #numbers = new WeakMap<ArrayBufferView, number>()
  readonly #spare = new Map<string, (readonly ColumnArrays[])[]>()
  /** How many strings of a text column were sent, by table, then column. */
  readonly #stringsSent = new Map<string, Map<string, number>>()
  readonly #shapesSent = new Map<
    string,
    { length: number; readonly strings: Map<string, number> }
  >()

  /** Takes all rows and leaves the buffer empty. */
  take(rows: RowBuffer): SentRows {
    const { length, table } = rows
    const strings = this.#newStrings(rows)
    const shapes = this.#newShapes(rows)
    const given = rows.exchange(this.#spare.get(table)?.pop())
    // The first column's array stands for its set: columns exchange their arrays together.
    const [first] = given
    const key = first === undefined ? undefined : bytesOf(first)
    const known = key === undefined ? undefined : this.#numbers.get(key)
    if (known !== undefined)
      return { table, length, set: known, columns: undefined, strings, shapes }
    const set = this.#sets.length
    this.#sets.push(given)
    if (key !== undefined) this.#numbers.set(key, set)
    const names = Object.keys(rows.columns)
    const columns = given.map((arrays, i) => ({ name: names[i] ?? '', arrays }))
    return { table, length, set, columns, strings, shapes }
  }

  /** The other thread is done with the arrays of the set. */
  giveBack(table: string, set: number): void {
    const arrays = this.#sets[set]
    const [first] = arrays ?? []
    if (arrays === undefined || first === undefined) return
    const spare = this.#spare.get(table)
    if (spare === undefined) this.#spare.set(table, [arrays])
    else spare.push(arrays)
  }

  #newStrings({ table, columns }: RowBuffer): SentRows['strings'] {
    const sent = this.#stringsSent.get(table) ?? new Map<string, number>()
    this.#stringsSent.set(table, sent)
    const strings: Record<string, readonly string[]> = {}
    for (const [name, column] of Object.entries(columns)) {
      const from = sent.get(name) ?? 0
      if (column.kind !== 'text' || column.strings.length === from) continue
      strings[name] = column.strings.slice(from)
      sent.set(name, column.strings.length)
    }
    return strings
  }

  #newShapes({ table, columns }: RowBuffer): SentShapes | undefined {
    const { shape } = columns
    if (shape?.kind !== 'shape') return undefined
    let sent = this.#shapesSent.get(table)
    if (sent === undefined) {
      sent = { length: 0, strings: new Map() }
      this.#shapesSent.set(table, sent)
    }
    const first = sent.length
    if (first === shape.shapes.length) return undefined
    sent.length = shape.shapes.length
    return copyShapes(shape.shapes, first, sent.strings)
  }
}

function bytesOf(arrays: ColumnArrays): ArrayBufferView {
  if (arrays.kind === 'number' || arrays.kind === 'int') return arrays.values
  return arrays.kind === 'wide' ? arrays.lo : arrays.codes
}

/** Copies the shapes from number `first` on; of their texts those from `sent[column]` on, which is brought up to date. */
function copyShapes(list: ShapeList, first: number, sent: Map<string, number>): SentShapes {
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

/** Turns sent rows back into rows. */
export class RowReceiver {
  readonly #tables = new Map<string, Record<string, ColumnRows>>()
  readonly #sets = new Map<number, NonNullable<SentRows['columns']>>()

  receive(sent: SentRows): TableRows {
    const columns = this.#tables.get(sent.table) ?? {}
    this.#tables.set(sent.table, columns)
    const set = sent.columns ?? this.#sets.get(sent.set) ?? []
    this.#sets.set(sent.set, set)
    for (const { name, arrays } of set) {
      const column = columns[name]
      if (arrays.kind === 'shape') {
        const shapes = column?.kind === 'shape' ? column.shapes : new ReceivedShapes()
        if (sent.shapes !== undefined && shapes instanceof ReceivedShapes) shapes.take(sent.shapes)
        columns[name] = { kind: 'shape', codes: arrays.codes, shapes }
      } else if (arrays.kind === 'text') {
        const strings = column?.kind === 'text' ? column.strings : []
        strings.push(...(sent.strings[name] ?? []))
        if (column?.kind === 'text') column.codes = arrays.codes
        else columns[name] = { kind: 'text', codes: arrays.codes, strings }
      } else columns[name] = { ...arrays }
    }
    return { table: sent.table, length: sent.length, columns }
  }
}

/** Shapes as they arrive in the writing thread. */
class ReceivedShapes implements ShapeList {
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
