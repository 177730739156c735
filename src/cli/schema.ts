import type { Command } from 'commander'
import { type Result, toResult } from '../analysis/result.ts'
import { describeViewColumn } from '../analysis/view-columns.ts'
import { readView, VIEW_NAMES } from '../analysis/views.ts'
import { allColumns, findTable, TABLES } from '../database/schema.ts'
import { unknownName } from '../model/names.ts'
import { addDatabase, addExamples, addOutput, type OutputOptions } from './options.ts'
import { printLine, printResult, printText, toFormat } from './output.ts'
import { toSettings } from './settings.ts'

interface SchemaOptions extends OutputOptions {
  readonly db?: string
  readonly sql?: boolean
}

export function register(command: Command): void {
  command
    .argument('[name]', 'a table or view')
    .description(
      'List tables and views, or the columns of one with their meaning. Needs no database; raw event tables ' +
        '(raw."system:event") differ per trace: `pstrace query` with DESCRIBE shows theirs.',
    )
    .option('--sql', "print a view's definition")
  addOutput(addDatabase(command))
  addExamples(
    command,
    `
pstrace schema
pstrace schema swapouts
pstrace schema stalls --sql
pstrace query 'DESCRIBE raw."vmscan:mm_vmscan_write_folio"'`,
  )
  command.action(async (name: string | undefined, options: SchemaOptions) => {
    const settings = toSettings(options)
    if (name === undefined) {
      await printResult(listAll(), options, settings)
      return
    }
    const view = VIEW_NAMES.find((known) => known === name)
    const table = findTable(name)
    if (view === undefined && table === undefined)
      throw unknownName('table or view', name, [
        ...TABLES.map((known) => known.name),
        ...VIEW_NAMES,
      ])
    if (options.sql === true && view !== undefined) {
      await printLine(readView(view).sql)
      return
    }
    if (toFormat(options) === 'table' && options.output === undefined) {
      await printText(view === undefined ? (table?.comment ?? '') : readView(view).comment)
      await printLine('')
    }
    await printResult(await listColumns(name), options, settings)
  })
}

function listAll(): Result {
  const rows = [
    ...TABLES.map(({ name, comment }) => ({ name, kind: 'table', comment })),
    ...VIEW_NAMES.map((name) => ({ name, kind: 'view', comment: readView(name).comment })),
  ]
  const columns = ['name', 'kind', 'comment'].map((name) => ({ name, type: 'text' as const }))
  return toResult(columns, rows)
}

async function listColumns(name: string): Promise<Result> {
  const table = findTable(name)
  const columns = ['column', 'type', 'comment'].map((column) => ({
    name: column,
    type: 'text' as const,
  }))
  if (table !== undefined)
    return toResult(
      columns,
      allColumns(table).map((column) => ({
        column: column.name,
        type: column.type,
        comment: column.comment,
      })),
    )
  return toResult(columns, await describeView(name))
}

/** Views have no column comments of their own: a column that is a table's means what it means there. */
async function describeView(
  name: string,
): Promise<{ column: string; type: string; comment: string }[]> {
  const { Database } = await import('../database/database.ts')
  const { readRows } = await import('../analysis/query.ts')
  const { selectEverything } = await import('../analysis/selection.ts')
  const { createViews } = await import('../analysis/views.ts')
  const database = await Database.open(':memory:', { mode: 'write' })
  try {
    await createViews(database.connection, await selectEverything(database.connection))
    const rows = await readRows<{ column_name: string; column_type: string }>(
      database.connection,
      `DESCRIBE ${name}`,
    )
    const comments = new Map<string, string>()
    for (const table of TABLES)
      for (const column of allColumns(table))
        if (!comments.has(column.name)) comments.set(column.name, column.comment)
    return rows.map((row) => ({
      column: row.column_name,
      type: row.column_type,
      comment: describeViewColumn(row.column_name) ?? comments.get(row.column_name) ?? '',
    }))
  } finally {
    database.close()
  }
}
