import { type ArrayMemory, RowBuffer, type ValueKind } from '../model/rows.ts'
import { Shapes } from '../model/shapes.ts'
import { quoteName, quoteText } from './quote.ts'
import { allColumns, findTable, kindsOf, sqlTypeOf, tableOf } from './schema.ts'
import type { ColumnDefinition, TableDefinition } from './tables/definition.ts'

/**
 * Tables whose name is a view over two others, because DuckDB's cost of a value does not depend on what the value is:
 *
 *     swapouts (view) = swapouts_rows (shape, ts_ns, pfn, ...) JOIN swapouts_shapes (shape, trace_id, task_id, cpu, ...)
 *
 * A shape is one combination of the `shared` columns' values, trace and run included. Shapes are numbered over the whole
 * database; two may be alike. Rows that fit one of the `briefs` are in a table of that form, such as swapouts_brief, and can stand
 * for other rows too (`implied`). A row's values are fields of one STRUCT, `cells`: for every other column DuckDB estimates the number
 * of distinct values while rows come in, which is a quarter of what it costs to write a number.
 */
export interface PackedTable {
  readonly shapes: TableDefinition
  readonly rows: TableDefinition
  /** By the name of the form. */
  readonly briefs: ReadonlyMap<string, TableDefinition>
}

export const PACKED_SCHEMA = 'packed'
/** The column that a row's values are fields of. */
export const CELLS = 'cells'

/** Columns of every shape that are not among its values: trace and run are the owner's, `shape` is its number. */
const OWNERS = new Set(['shape', 'trace_id', 'run_id'])

export const SHAPE: ColumnDefinition = {
  name: 'shape',
  type: 'INTEGER',
  comment: 'Number of the combination of shared values.',
  filled: true,
}

/** The two tables behind a table's name; undefined for a plain table. */
function packedTable(table: TableDefinition): PackedTable | undefined {
  if (table.shared === undefined) return undefined
  const names = new Set(['trace_id', 'run_id', ...table.shared])
  const columns = allColumns(table)
  const part = (suffix: string, comment: string, own: readonly ColumnDefinition[]) =>
    ({
      name: `${table.name}_${suffix}`,
      schema: PACKED_SCHEMA,
      partOf: table.name,
      comment,
      scope: 'catalogue',
      columns: [SHAPE, ...own],
    }) as const
  const rowsPart = (suffix: string, comment: string, own: readonly ColumnDefinition[]) =>
    ({ ...part(suffix, comment, own), nested: true }) as const
  const others = columns.filter(({ name }) => !names.has(name))
  const briefs = Object.entries(table.briefs ?? {}).map(([form, { kept }]) => {
    const comment = `Rows of ${table.name} that need fewer values.`
    return [form, rowsPart(form, comment, kept)] as const
  })
  return {
    briefs: new Map(briefs),
    shapes: part(
      'shapes',
      `What rows of ${table.name} have in common.`,
      columns.filter(({ name }) => names.has(name)),
    ),
    rows: rowsPart('rows', `Rows of ${table.name} without what they have in common.`, others),
  }
}

/** Kinds of the columns that make up a shape, beside trace and run. */
export function shapeKinds({ shapes }: PackedTable): Readonly<Record<string, ValueKind>> {
  return kindsOf(shapes.columns.filter(({ name }) => !OWNERS.has(name)))
}

/** A buffer for a packed table whose rows come with the number of their shape; of `shared` shapes if another form has them too. */
export function shapedRows(
  name: string,
  memory?: ArrayMemory,
  shared?: Shapes,
): { rows: RowBuffer; shapes: Shapes } {
  const form = findPacked(name)
  if (form === undefined) throw new RangeError(`table ${name} is not packed`)
  const shapes = shared ?? new Shapes(form.packed.shapes.name, shapeKinds(form.packed))
  const kinds = kindsOf(form.rows.columns.slice(1))
  return { rows: new RowBuffer<string>(name, { shape: shapes, ...kinds }, memory), shapes }
}

/** The tables behind a buffer's table, and which of them takes its rows; undefined for a plain table. */
export function findPacked(
  name: string,
): { readonly packed: PackedTable; readonly rows: TableDefinition } | undefined {
  const formAt = name.lastIndexOf('_')
  const form = name.slice(formAt + 1)
  const owner = findTable(name.slice(0, formAt))
  const isBrief = owner?.briefs !== undefined && form in owner.briefs
  const packed = packedTable(isBrief ? owner : tableOf(name))
  const rows = isBrief ? packed?.briefs.get(form) : packed?.rows
  return packed === undefined || rows === undefined ? undefined : { packed, rows }
}

/** The table's name in SQL. */
export function qualifiedName({ schema, name }: TableDefinition): string {
  return schema === undefined ? quoteName(name) : `${schema}.${quoteName(name)}`
}

/** The statements that create one table, with its views and comments. */
export function createTable(table: TableDefinition): readonly string[] {
  const packed = packedTable(table)
  return packed === undefined
    ? [createPlain(table), ...comments(table, 'TABLE')]
    : [...partsOf(packed).flatMap(createPart), ...createView(table)]
}

/** The statements that create a table of values that others have in common. */
export function createPart(part: TableDefinition): readonly string[] {
  return [createPlain(part), comment(part)]
}

function createPlain(table: TableDefinition): string {
  const columns = allColumns(table).map(({ name, ...type }) => ({ name, type: sqlTypeOf(type) }))
  const list = table.nested === true ? `${CELLS} ${nestedType(columns)}` : columnList(columns)
  return `CREATE TABLE ${qualifiedName(table)} (${list})`
}

function columnList(columns: readonly { readonly name: string; readonly type: string }[]): string {
  return columns.map(({ name, type }) => `${quoteName(name)} ${type}`).join(', ')
}

/** The type of the column that keeps others as its fields. */
export function nestedType(
  columns: readonly { readonly name: string; readonly type: string }[],
): string {
  return `STRUCT(${columnList(columns)})`
}

/** The STRUCT of cells, each an SQL expression by name. */
export function nestedCells(cells: readonly (readonly [name: string, cell: string])[]): string {
  return `{${cells.map(([name, cell]) => `${quoteText(name)}: ${cell}`).join(', ')}}`
}

/** The rows of a table whose columns are nested, for FROM. */
export function nestedRows(name: string): string {
  return `(SELECT ${CELLS}.* FROM ${name})`
}

function partsOf({ shapes, rows, briefs }: PackedTable): readonly TableDefinition[] {
  return [shapes, rows, ...briefs.values()]
}

/** The tables that hold the rows of a table's view; none of a plain table. */
export function rowsParts(table: TableDefinition): readonly TableDefinition[] {
  const packed = packedTable(table)
  return packed === undefined ? [] : partsOf(packed).filter(({ nested }) => nested === true)
}

/** The statements that create the view of a packed table, anew if it is there. */
export function createView(table: TableDefinition): readonly string[] {
  const packed = packedTable(table)
  if (packed === undefined) return []
  const { shapes, rows, briefs } = packed
  const selects = [selectRows(table, rows, shapes, {})]
  for (const [form, brief] of briefs)
    selects.push(selectRows(table, brief, shapes, table.briefs?.[form]?.cells ?? {}))
  for (const { by, where, cells } of table.implied ?? []) {
    const other = findPacked(by)
    if (other === undefined) continue
    const all = selectRows(table, other.rows, other.packed.shapes, cells)
    selects.push(where === undefined ? all : `${all} WHERE ${where}`)
  }
  const view = `CREATE OR REPLACE VIEW ${table.name} AS ${selects.join(' UNION ALL ')}`
  return [view, ...comments(table, 'VIEW')]
}

/** The SELECT that gives a table's columns from rows and their shapes; `cells` says how those follow that are in neither. */
function selectRows(
  table: TableDefinition,
  rows: TableDefinition,
  shapes: TableDefinition,
  cells: Readonly<Record<string, string>>,
): string {
  const kept = new Map(rows.columns.map((column) => [column.name, column]))
  const shared = new Set(shapes.columns.map(({ name }) => name))
  const cell = (column: ColumnDefinition): string => {
    const { name } = column
    const given = cells[name]
    if (given === undefined && shared.has(name)) return `s.${name}`
    const type = sqlTypeOf(column)
    const own = kept.get(name)
    if (given === undefined && own !== undefined && sqlTypeOf(own) === type) return `r.${name}`
    return `(${given ?? `r.${name}`})::${type} AS ${name}`
  }
  return `SELECT ${allColumns(table).map(cell).join(', ')}
    FROM ${nestedRows(qualifiedName(rows))} r JOIN ${qualifiedName(shapes)} s ON r.shape = s.shape`
}

function comment(table: TableDefinition, kind: 'TABLE' | 'VIEW' = 'TABLE'): string {
  return `COMMENT ON ${kind} ${qualifiedName(table)} IS ${quoteText(table.comment)}`
}

function comments(table: TableDefinition, kind: 'TABLE' | 'VIEW'): readonly string[] {
  const name = qualifiedName(table)
  return [
    comment(table, kind),
    ...allColumns(table).map(
      (column) =>
        `COMMENT ON COLUMN ${name}.${quoteName(column.name)} IS ${quoteText(column.comment)}`,
    ),
  ]
}

/** The statements that insert the rows of a SELECT, by column name, into a table of either kind. */
export function insertStatements(
  table: TableDefinition,
  select: { readonly columns: readonly string[]; readonly sql: string },
): readonly string[] {
  const packed = packedTable(table)
  if (packed === undefined) return [`INSERT INTO ${qualifiedName(table)} BY NAME ${select.sql}`]
  const { shapes, rows } = packed
  const present = new Set(select.columns)
  const own = (part: TableDefinition): readonly string[] =>
    part.columns.map(({ name }) => name).filter((name) => present.has(name))
  const equal = own(shapes).map((name) => `p.${name} IS NOT DISTINCT FROM s.${name}`)
  return [
    `CREATE OR REPLACE TEMP TABLE _packing AS ${select.sql}`,
    `CREATE OR REPLACE TEMP TABLE _packing_shapes AS
       SELECT ((SELECT coalesce(max(shape), 0) FROM ${qualifiedName(shapes)}) + row_number() OVER ())::INTEGER AS shape, *
       FROM (SELECT DISTINCT ${own(shapes).join(', ')} FROM temp._packing ORDER BY ALL)`,
    `INSERT INTO ${qualifiedName(shapes)} BY NAME FROM temp._packing_shapes`,
    `INSERT INTO ${qualifiedName(rows)}
       SELECT ${nestedCells([['shape', 's.shape'], ...own(rows).map((name) => [name, `p.${name}`] as const)])}
       FROM temp._packing p JOIN temp._packing_shapes s ON ${equal.join(' AND ')} ORDER BY p.rowid`,
    'DROP TABLE temp._packing',
    'DROP TABLE temp._packing_shapes',
  ]
}

/** The statements that delete the rows that fulfil a condition on trace_id and run_id. */
export function deleteStatements(table: TableDefinition, condition: string): readonly string[] {
  const packed = packedTable(table)
  if (packed === undefined) return [`DELETE FROM ${qualifiedName(table)} WHERE ${condition}`]
  const [shapes, ...rows] = partsOf(packed).map(qualifiedName)
  const own = `SELECT shape FROM ${shapes} WHERE ${condition}`
  return [
    ...rows.map((part) => `DELETE FROM ${part} WHERE ${CELLS}.shape IN (${own})`),
    `DELETE FROM ${shapes} WHERE ${condition}`,
  ]
}
