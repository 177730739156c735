/** A cell. `bigint` keeps integers that a double would round. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value }

/** What a number counts; decides how it is shown to people, never its stored value. */
export type Unit = 'ns' | 'bytes' | 'pages' | 'count' | 'share' | 'per_s' | 'ns_ts'

export type CellType =
  | 'boolean'
  | 'integer'
  | 'unsigned'
  | 'huge'
  | 'number'
  | 'text'
  | 'bytes'
  | 'json'

export interface ResultColumn {
  readonly name: string
  readonly type: CellType
  readonly unit?: Unit
}

/** A finished table. */
export interface Result {
  readonly columns: readonly ResultColumn[]
  readonly rows: readonly (readonly Value[])[]
}

/** A table that arrives in pieces, so that its size does not matter. */
export interface ResultStream {
  readonly columns: readonly ResultColumn[]
  readonly pieces:
    | AsyncIterable<readonly (readonly Value[])[]>
    | Iterable<readonly (readonly Value[])[]>
}

/** A result that is already in memory, as a stream of one piece. */
export function toStream(result: Result): ResultStream {
  return { columns: result.columns, pieces: [result.rows] }
}

/** Builds a result from row objects; every column must be named, so that no figure appears by accident. */
export function toResult(
  columns: readonly ResultColumn[],
  rows: readonly Readonly<Record<string, Value | undefined>>[],
): Result {
  return { columns, rows: rows.map((row) => columns.map(({ name }) => row[name] ?? null)) }
}
