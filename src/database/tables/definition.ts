/** How a table of the database is described: its columns, what its rows belong to, and the forms in which rows are kept. */

export type SqlType =
  | 'INTEGER'
  | 'UINTEGER'
  | 'BIGINT'
  | 'UBIGINT'
  | 'DOUBLE'
  | 'BOOLEAN'
  | 'VARCHAR'
  | 'JSON'

export interface ColumnDefinition {
  readonly name: string
  readonly type: SqlType
  readonly comment: string
  /** A moment on the trace's clock (not a duration): appended relative to the trace's base. */
  readonly moment?: true
  /** Never NULL; of an INTEGER or UINTEGER. */
  readonly filled?: true
  /**
   * All values there are, of a VARCHAR that tables store as ENUM: written to millions of rows, strings cost more than all
   * numbers together. Alphabetical, so that ENUM and text sort alike.
   */
  readonly values?: readonly string[]
}

/** What is kept of a row in brief, and how each other column follows from it: SQL over the row `r` and its shape `s`. */
interface BriefForm {
  readonly kept: readonly ColumnDefinition[]
  readonly cells: Readonly<Record<string, string>>
}

/** A row for each row `r` of a brief form (`by`: TABLE_FORM), with shape `s`, that fulfils the condition if there is one. */
interface ImpliedRows {
  readonly by: string
  readonly where?: string
  readonly cells: Readonly<Record<string, string>>
}

export interface TableDefinition {
  readonly name: string
  /** Schema of the database; default main. */
  readonly schema?: string
  /** The table that this one is a part of (packed.ts). */
  readonly partOf?: string
  readonly comment: string
  /** All of a row's values are fields of one STRUCT column (packed.ts). */
  readonly nested?: true
  /** What the rows belong to: nothing, a trace, or a trace and (NULL for the recording) a run. */
  readonly scope: 'catalogue' | 'trace' | 'run'
  /** Columns with few values together: each combination is kept once, and the rows hold its number (packed.ts). */
  readonly shared?: readonly string[]
  /** How rows can be kept with fewer and narrower values, by the form's name: a buffer whose table is NAME_FORM holds such rows. */
  readonly briefs?: Readonly<Record<string, BriefForm>>
  /** Rows that rows in brief of this table, or of others above it, stand for as well. */
  readonly implied?: readonly ImpliedRows[]
  /** In table order, without the leading trace_id and run_id of `scope`. */
  readonly columns: readonly ColumnDefinition[]
}

const MOMENTS = new Set([
  'ts_ns',
  'start_ns',
  'end_ns',
  'submit_ns',
  'stored_ns',
  'freed_ns',
  'first_ns',
  'last_ns',
  'issue_ns',
  'complete_ns',
  'killed_ns',
])

/** A column whose name says whether it holds moments. */
export function column(name: string, type: SqlType, comment: string): ColumnDefinition {
  return MOMENTS.has(name) ? { name, type, comment, moment: true } : { name, type, comment }
}

/** A value of 32 bits in every row. */
export function filled(
  name: string,
  type: 'INTEGER' | 'UINTEGER',
  comment: string,
): ColumnDefinition {
  return { name, type, comment, filled: true }
}

/** Text of which all values are known. */
export function choice(name: string, values: readonly string[], comment: string): ColumnDefinition {
  return { name, type: 'VARCHAR', comment, values: values.toSorted() }
}
