import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteText } from '../database/quote.ts'
import { PstraceError } from '../model/error.ts'
import { isSelfContained, parseWorkloadJson, toWorkloadJson, type WorkloadColumns } from './json.ts'
import { PAGE_COLUMNS } from './json-pages.ts'
import type { Workload } from './types.ts'

/** A folder on disk; the caller decides about overwriting. */
export interface WorkloadFolder {
  readonly path: string
  has(name: string): boolean
  readText(name: string): string
}

interface WritableFolder extends WorkloadFolder {
  writeText(name: string, text: string): void
  /** Also where there is none. */
  remove(name: string): void
}

const WORKLOAD_FILES = [
  'workload.json',
  'pages.parquet',
  'stream.parquet',
  'task_rows.parquet',
  'cost_samples.parquet',
] as const
type WorkloadFile = (typeof WORKLOAD_FILES)[number]

/** Writes a workload as JSON and Parquet; reading it back gives the same value. */
export async function writeWorkload(folder: WritableFolder, workload: Workload): Promise<void> {
  // A folder with this file is complete: it goes first, and comes last.
  folder.remove('workload.json')
  try {
    await withDatabase(async (connection) => {
      for (const table of tablesOf(workload)) await writeTable(connection, folder, table)
    })
    folder.writeText('workload.json', toWorkloadJson(workload))
  } catch (cause) {
    for (const { file } of tablesOf(workload)) folder.remove(file)
    throw cause
  }
}

interface Table {
  readonly file: WorkloadFile
  /** Names with their types. */
  readonly columns: readonly string[]
  readonly rows: number
  readonly value: (row: number, column: number) => number | string
}

function tablesOf({ pages, stream, tasks, costs }: Workload): readonly Table[] {
  return [pageTable(pages), streamTable(stream), taskRowTable(tasks), costSampleTable(costs)]
}

function pageTable(pages: Workload['pages']): Table {
  const columns = PAGE_COLUMNS.map(({ name, otherwise }) => ({
    values: (pages as unknown as Record<string, ArrayLike<number> | undefined>)[name],
    otherwise,
  }))
  return {
    file: 'pages.parquet',
    columns: ['page_id BIGINT', ...PAGE_COLUMNS.map(({ name }) => `"${name}" BIGINT`)],
    rows: pages.length,
    value(row, column) {
      if (column === 0) return row
      const of = columns[column - 1]
      return of?.values?.[row] ?? of?.otherwise ?? 0
    },
  }
}

function streamTable(stream: Workload['stream']): Table {
  return {
    file: 'stream.parquet',
    columns: ['rank BIGINT', 'page_id BIGINT'],
    rows: stream.length,
    value: (row, column) => (column === 0 ? row : (stream[row] ?? 0)),
  }
}

function taskRowTable(tasks: Workload['tasks']): Table {
  const rows = tasks.flatMap((task, index) =>
    Array.from(task.op, (_, row) => ({ task, index, row })),
  )
  return {
    file: 'task_rows.parquet',
    columns: ['task BIGINT', '"row" BIGINT', 'op BIGINT', 'cpu_ns DOUBLE', 'arg DOUBLE'],
    rows: rows.length,
    value(row, column) {
      const at = rows[row]
      if (at === undefined) return 0
      if (column === 0) return at.index
      if (column === 1) return at.row
      if (column === 2) return at.task.op[at.row] ?? 0
      return (column === 3 ? at.task.cpuNs[at.row] : at.task.arg[at.row]) ?? 0
    },
  }
}

function costSampleTable(costs: Workload['costs']): Table {
  const samples = Object.entries(costs).flatMap(([name, cost]) =>
    Array.from(cost.samples, (ns, seq) => ({ name, seq, ns })),
  )
  return {
    file: 'cost_samples.parquet',
    columns: ['cost VARCHAR', 'seq BIGINT', 'ns DOUBLE'],
    rows: samples.length,
    value(row, column) {
      const sample = samples[row]
      if (sample === undefined) return 0
      return column === 0 ? sample.name : column === 1 ? sample.seq : sample.ns
    },
  }
}

async function writeTable(
  connection: DuckDBConnection,
  folder: WorkloadFolder,
  { file, columns, rows, value }: Table,
): Promise<void> {
  await connection.run(`CREATE OR REPLACE TABLE part (${columns.join(', ')})`)
  const appender = await connection.createAppender('part')
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns.length; column++) {
      const item = value(row, column)
      if (typeof item === 'string') appender.appendVarchar(item)
      else if (columns[column]?.endsWith(' DOUBLE') === true) appender.appendDouble(item)
      else appender.appendBigInt(BigInt(item))
    }
    appender.endRow()
  }
  appender.closeSync()
  await connection.run(`COPY part TO ${quoteFile(folder, file)} (FORMAT parquet, COMPRESSION zstd)`)
}

/** Reads a folder that `writeWorkload` wrote, or one with a workload.json written by hand. */
export async function readWorkload(folder: WorkloadFolder): Promise<Workload> {
  if (!folder.has('workload.json'))
    throw new PstraceError(
      'no_workload',
      `${folder.path}: no workload.json in this folder; pstrace workload -o writes one`,
    )
  const text = folder.readText('workload.json')
  const file = `${folder.path}/workload.json`
  if (isSelfContained(text)) return parseWorkloadJson(text, file)
  const missing = WORKLOAD_FILES.find((name) => !folder.has(name))
  if (missing !== undefined)
    throw new PstraceError(
      'no_workload',
      `${folder.path}: ${missing} is missing beside workload.json`,
    )
  const counts = readRowCounts(text, file)
  const columns = await withDatabase((connection) => readTables(connection, folder, counts))
  return parseWorkloadJson(text, file, columns)
}

async function readTables(
  connection: DuckDBConnection,
  folder: WorkloadFolder,
  counts: readonly number[],
): Promise<WorkloadColumns> {
  const pageColumns = PAGE_COLUMNS.map(({ name }) => name)
  const pages = await readTable(connection, folder, 'pages.parquet', pageColumns, 'page_id')
  const [stream] = await readTable(connection, folder, 'stream.parquet', ['page_id'], 'rank')
  return {
    pages: Object.fromEntries(
      pageColumns.map((name, index) => [name, pages[index] ?? new Float64Array(0)]),
    ),
    stream: stream ?? new Float64Array(0),
    rows: await readTaskRows(connection, folder, counts),
    samples: await readSamples(connection, folder),
  }
}

/** The rows of each task, whose numbers workload.json has. */
async function readTaskRows(
  connection: DuckDBConnection,
  folder: WorkloadFolder,
  counts: readonly number[],
): Promise<WorkloadColumns['rows']> {
  const file = 'task_rows.parquet'
  const [op, cpuNs, arg] = await readTable(
    connection,
    folder,
    file,
    ['op', 'cpu_ns', 'arg'],
    'task, "row"',
  )
  const found = op?.length ?? 0
  const expected = counts.reduce((sum, count) => sum + count, 0)
  if (found !== expected)
    throw new PstraceError(
      'workload_invalid',
      `${folder.path}/${file}: found ${found} rows, expected ${expected}, the sum of rowCount in workload.json`,
    )
  let at = 0
  return counts.map((count) => {
    const from = at
    at += count
    return {
      op: op?.subarray(from, at) ?? [],
      cpuNs: cpuNs?.subarray(from, at) ?? [],
      arg: arg?.subarray(from, at) ?? [],
    }
  })
}

/** By cost, in the order in which they were drawn. */
async function readSamples(
  connection: DuckDBConnection,
  folder: WorkloadFolder,
): Promise<Record<string, Float64Array>> {
  const file = quoteFile(folder, 'cost_samples.parquet')
  const samples: Record<string, Float64Array> = {}
  const names = await connection.runAndReadAll(
    `SELECT DISTINCT cost FROM read_parquet(${file}) ORDER BY cost`,
  )
  for (const [name] of names.getRows()) {
    const cost = String(name)
    const rows = await connection.runAndReadAll(
      `SELECT ns FROM read_parquet(${file}) WHERE cost = ${quoteText(cost)} ORDER BY seq`,
    )
    samples[cost] = Float64Array.from(rows.getRows(), ([ns]) => Number(ns))
  }
  return samples
}

async function readTable(
  connection: DuckDBConnection,
  folder: WorkloadFolder,
  file: WorkloadFile,
  columns: readonly string[],
  order: string,
): Promise<Float64Array[]> {
  const result = await connection.stream(
    `SELECT ${columns.map((column) => `"${column}"::DOUBLE`).join(', ')} FROM read_parquet(${quoteFile(folder, file)}) ORDER BY ${order}`,
  )
  const parts: number[][] = columns.map(() => [])
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    for (let column = 0; column < columns.length; column++) {
      const vector = chunk.getColumnVector(column)
      for (let row = 0; row < chunk.rowCount; row++)
        parts[column]?.push(Number(vector.getItem(row)))
    }
  }
  return parts.map((part) => Float64Array.from(part))
}

/** In memory, and gone afterwards: it reads and writes Parquet. */
async function withDatabase<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const { DuckDBInstance } = await import('../database/duckdb.ts')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    return await work(connection)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

function readRowCounts(text: string, file: string): number[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new PstraceError('workload_not_json', `${file}: not JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
  const tasks = (value as { tasks?: unknown }).tasks
  if (!Array.isArray(tasks)) return []
  return tasks.map((task: unknown, index) => {
    const count = (task as { rowCount?: unknown } | null)?.rowCount
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 0)
      throw new PstraceError(
        'workload_invalid',
        `${file}, tasks[${index}].rowCount: found ${JSON.stringify(count)}, expected a whole number`,
      )
    return count
  })
}

function quoteFile({ path }: WorkloadFolder, file: WorkloadFile): string {
  return quoteText(`${path}/${file}`)
}
