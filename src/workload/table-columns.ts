/** Columns by name: numbers with NaN for NULL, texts with undefined. */
export interface TableColumns {
  readonly length: number
  readonly columns: Readonly<Record<string, Float64Array | (string | undefined)[]>>
}

/** What the extraction needs of a database. */
export interface WorkloadTables {
  queryColumns(sql: string): Promise<TableColumns>
}

/** The only row of a result; undefined = there is none. */
export async function one(
  tables: WorkloadTables,
  sql: string,
): Promise<
  { text: (column: string) => string | undefined; number: (column: string) => number } | undefined
> {
  const rows = await tables.queryColumns(sql)
  if (rows.length === 0) return undefined
  return {
    text: (column) => texts(rows, column)[0],
    number: (column) => {
      const values = rows.columns[column]
      return values instanceof Float64Array
        ? (values[0] ?? Number.NaN)
        : Number(values?.[0] ?? Number.NaN)
    },
  }
}

/** NaN = NULL. */
export function floats(rows: TableColumns, column: string): Float64Array {
  const values = rows.columns[column]
  return values instanceof Float64Array ? values : Float64Array.from(values ?? [], Number)
}

/** undefined = NULL. */
export function texts(rows: TableColumns, column: string): readonly (string | undefined)[] {
  const values = rows.columns[column]
  return values instanceof Float64Array ? Array.from(values, String) : (values ?? [])
}
