import type { Column, EventBatch, EventFormat, FieldSpec } from '../batch.ts'
import type { ByteDictionary } from '../string-dictionary.ts'

const FIRST_ROWS = 64

export type TextKind = 'i64' | 'u64' | 'string'

/** One growing column; a number is two halves, a text a code. */
export class TextColumn {
  readonly field: FieldSpec
  readonly kind: TextKind
  lo = new Uint32Array(0)
  hi = new Uint32Array(0)
  /** Allocated when a row first lacks the field. */
  valid: Uint8Array | undefined
  /** The row that was set last: what a line does not set is missing. */
  lastRow = -1

  constructor(name: string, kind: TextKind) {
    this.kind = kind
    this.field = {
      name,
      type: kind === 'string' ? 'text' : 'number',
      offset: -1,
      size: -1,
      signed: kind === 'i64',
      kind,
    }
  }
}

/** Rows of one event with one set of fields. */
export class TextBatch {
  readonly format: EventFormat
  readonly columns: readonly TextColumn[]
  /** Index among the window's batches; -1 while it has no rows. */
  windowIndex = -1
  length = 0
  capacity = 0
  /** Set when every column has a value in the next row, and none was ever missing. */
  isRowFull = false
  /** A column has missing rows. */
  hasMissing = false
  ts = new Float64Array(0)
  cpu = new Int32Array(0)
  tid = new Int32Array(0)
  flags = new Uint16Array(0)

  constructor(system: string, name: string, columns: readonly TextColumn[]) {
    this.columns = columns
    this.format = {
      system,
      name,
      id: -1,
      fields: columns.map(({ field }) => field),
      printFmt: '',
    }
  }

  grow(): void {
    this.capacity = Math.max(FIRST_ROWS, this.capacity * 2)
    this.ts = copied(this.ts, new Float64Array(this.capacity))
    this.cpu = copied(this.cpu, new Int32Array(this.capacity))
    this.tid = copied(this.tid, new Int32Array(this.capacity))
    this.flags = copied(this.flags, new Uint16Array(this.capacity))
    for (const column of this.columns) {
      column.lo = copied(column.lo, new Uint32Array(this.capacity))
      if (column.kind !== 'string') column.hi = copied(column.hi, new Uint32Array(this.capacity))
      if (column.valid !== undefined)
        column.valid = copied(column.valid, new Uint8Array(this.capacity))
    }
  }

  /** To be called when the row's columns are set; those that were not become missing. */
  completeRow(): void {
    const row = this.length++
    if (this.isRowFull) {
      this.isRowFull = false
      return
    }
    for (const column of this.columns) {
      if (column.lastRow === row) {
        if (column.valid !== undefined) column.valid[row] = 1
        continue
      }
      this.hasMissing = true
      if (column.valid === undefined) column.valid = new Uint8Array(this.capacity).fill(1, 0, row)
      column.valid[row] = 0
      column.lo[row] = 0
      if (column.kind !== 'string') column.hi[row] = 0
    }
  }

  rest(): void {
    this.length = 0
    this.windowIndex = -1
    for (const column of this.columns) column.lastRow = -1
  }

  /** Gives its memory back; only when it has no rows. */
  release(): void {
    this.capacity = 0
    this.hasMissing = false
    this.ts = new Float64Array(0)
    this.cpu = new Int32Array(0)
    this.tid = new Int32Array(0)
    this.flags = new Uint16Array(0)
    for (const column of this.columns) {
      column.lo = new Uint32Array(0)
      column.hi = new Uint32Array(0)
      column.valid = undefined
    }
  }

  toBatch(dictionary: ByteDictionary): EventBatch {
    return {
      format: this.format,
      length: this.length,
      ts: this.ts,
      cpu: this.cpu,
      tid: this.tid,
      flags: this.flags,
      columns: this.columns.map((column) => toColumn(column, dictionary)),
      instance: 0,
    }
  }
}

function toColumn(column: TextColumn, dictionary: ByteDictionary): Column {
  const { field, lo, hi, valid } = column
  const validity = valid === undefined ? {} : { valid }
  return column.kind === 'string'
    ? { kind: 'string', field, codes: lo, dictionary, ...validity }
    : { kind: column.kind, field, lo, hi, ...validity }
}

function copied<A extends Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array>(
  from: A,
  to: A,
): A {
  to.set(from)
  return to
}
