/**
 * The columnar output that every reader in `parsers` has in common.
 *
 * A reader yields `EventWindow`s. A window holds some consecutive events of the trace's total order (ts, cpu, sequence in
 * that cpu's buffer), split by event format into `EventBatch`es, and the order in which its rows interleave. Everything in a
 * window is borrowed: it is overwritten by the reader's next `read`.
 */

/** Most rows in one window, and so in one batch. */
export const WINDOW_ROWS = 65_536

/** What a field's bytes mean. `u64` and `i64` are two 32-bit halves, so that no value is rounded. */
export type ColumnKind = 'i32' | 'u32' | 'i64' | 'u64' | 'f64' | 'string' | 'bytes' | 'list'

/** One field of an event as the trace's own format description gives it. */
export interface FieldSpec {
  /** The kernel's spelling. */
  readonly name: string
  /** The C type as printed in the format file, or the text form's class (`number`, `text`). */
  readonly type: string
  /** Byte offset from the record's start (common_type); -1 in formats that have none (text, Perfetto). */
  readonly offset: number
  /** Size in bytes; 0 for `type name[]`; -1 where the format has none. */
  readonly size: number
  readonly signed: boolean
  readonly kind: ColumnKind
  /** Element kind of a `list`. */
  readonly element?: 'i32' | 'u32' | 'i64' | 'u64'
}

/** One event format. Identity (===) holds within a reader: a later batch of the same event has the same object. */
export interface EventFormat {
  /** Tracepoint group, e.g. `vmscan`; '' when the source (plain text) does not name it. */
  readonly system: string
  readonly name: string
  /** The id in this file; -1 where the format has none. */
  readonly id: number
  /** Own fields, in the file's order; the four common fields are not among them. */
  readonly fields: readonly FieldSpec[]
  /** The `print fmt:` line, '' if there is none. */
  readonly printFmt: string
}

/** Strings by code; codes are never reused or moved while the reader lives. */
export interface StringDictionary {
  readonly length: number
  get(code: number): string
}

/** Row `r` of a column is missing when `valid` exists and `valid[r]` is 0 (text without that key, older layout). */
interface ColumnBase {
  readonly field: FieldSpec
  readonly valid?: Uint8Array
}
export interface NumberColumn extends ColumnBase {
  readonly kind: 'i32' | 'u32' | 'f64'
  readonly values: Int32Array | Uint32Array | Float64Array
}
/** value = hi * 2^32 + lo; for `i64` hi is read as signed. */
export interface WideColumn extends ColumnBase {
  readonly kind: 'i64' | 'u64'
  readonly lo: Uint32Array
  readonly hi: Uint32Array
}
export interface StringColumn extends ColumnBase {
  readonly kind: 'string'
  readonly codes: Uint32Array
  readonly dictionary: StringDictionary
}
/** Row r is bytes[starts[r] .. starts[r + 1]). */
export interface BytesColumn extends ColumnBase {
  readonly kind: 'bytes'
  readonly starts: Uint32Array
  readonly bytes: Uint8Array
}
/** Row r holds elements starts[r] .. starts[r + 1] of lo (and hi for 64-bit elements). */
export interface ListColumn extends ColumnBase {
  readonly kind: 'list'
  readonly starts: Uint32Array
  readonly lo: Uint32Array
  readonly hi: Uint32Array
}
export type Column = NumberColumn | WideColumn | StringColumn | BytesColumn | ListColumn

/**
 * Rows of one event format. Arrays may be longer than `length`; only the first `length` entries are rows. Those that the caller does
 * not want (`TraceReader.wantOnly`) are empty.
 */
export interface EventBatch {
  readonly format: EventFormat
  readonly length: number
  /** Nanoseconds since the reader's `baseNs`; exact integers below 2^53. */
  readonly ts: Float64Array
  readonly cpu: Int32Array
  /** The kernel's pid = thread id (common_pid). */
  readonly tid: Int32Array
  /** common_flags and common_preempt_count where the format has them, else zeros. */
  readonly flags: Uint16Array
  /** In `format.fields` order. Where a later batch has the same list, its rows are in the same arrays. */
  readonly columns: readonly Column[]
  /** Index of the buffer instance (0 = top) the rows came from. */
  readonly instance: number
  /**
   * No field is decoded: the window's `row` is where the event's record begins in the reader's memory. Only where
   * `TraceReader.wantRecords` asked for it.
   */
  readonly isUndecoded?: true
}

/**
 * Some consecutive events. Event k of the window is row `row[k]` of `batches[batch[k]]`; its rank in the trace's total order is
 * `firstSeq + k`.
 */
export interface EventWindow {
  readonly firstSeq: number
  readonly length: number
  readonly batches: readonly EventBatch[]
  readonly batch: Uint16Array
  readonly row: Uint32Array
  /** The same as in the batches, by event: what is read of every event lies side by side. */
  readonly ts: Float64Array
  readonly cpu: Int32Array
  readonly tid: Int32Array
}

/** Column of a batch by the kernel's field name; `undefined` when this layout lacks it. */
export function findColumn(batch: EventBatch, name: string): Column | undefined {
  const { fields } = batch.format
  for (let i = 0; i < fields.length; i++) if (fields[i]?.name === name) return batch.columns[i]
  return undefined
}
