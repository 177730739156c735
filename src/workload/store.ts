import { PstraceError } from '../model/error.ts'
import { isSelfContained, parseWorkloadJson, toWorkloadJson, type WorkloadColumns } from './json.ts'
import { PAGE_COLUMNS } from './json-pages.ts'
import type { Workload } from './types.ts'

/** A folder on disk; the caller decides about overwriting. */
export interface WorkloadFolder {
  readonly path: string
  has(name: string): boolean
  readText(name: string): string
  writeText(name: string, text: string): void
}

const WORKLOAD_FILES = [
  'workload.json',
  'pages.parquet',
  'stream.parquet',
  'task_rows.parquet',
  'cost_samples.parquet',
] as const

/** Writes a workload as JSON and Parquet; reading it back gives the same value. */
export async function writeWorkload(folder: WorkloadFolder, workload: Workload): Promise<void> {
  const { DuckDBInstance } = await import('../database/duckdb.ts')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const write = async (
    name: string,
    columns: readonly string[],
    rows: number,
    value: (row: number, column: number) => number | string,
  ): Promise<void> => {
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
    await connection.run(
      `COPY part TO '${quotePath(folder.path, name)}' (FORMAT parquet, COMPRESSION zstd)`,
    )
  }
  try {
    const { pages, tasks, costs, stream } = workload
    const pageColumns = PAGE_COLUMNS.map(
      ({ name }) => (pages as unknown as Record<string, ArrayLike<number> | undefined>)[name],
    )
    await write(
      'pages.parquet',
      ['page_id BIGINT', ...PAGE_COLUMNS.map(({ name }) => `"${name}" BIGINT`)],
      pages.length,
      (row, column) =>
        column === 0
          ? row
          : (pageColumns[column - 1]?.[row] ?? PAGE_COLUMNS[column - 1]?.otherwise ?? 0),
    )
    await write(
      'stream.parquet',
      ['rank BIGINT', 'page_id BIGINT'],
      stream.length,
      (row, column) => (column === 0 ? row : (stream[row] ?? 0)),
    )
    const rows = tasks.flatMap((task, index) =>
      Array.from(task.op, (_, row) => ({ task, index, row })),
    )
    await write(
      'task_rows.parquet',
      ['task BIGINT', '"row" BIGINT', 'op BIGINT', 'cpu_ns DOUBLE', 'arg DOUBLE'],
      rows.length,
      (row, column) => {
        const at = rows[row]
        if (at === undefined) return 0
        if (column === 0) return at.index
        if (column === 1) return at.row
        if (column === 2) return at.task.op[at.row] ?? 0
        return (column === 3 ? at.task.cpuNs[at.row] : at.task.arg[at.row]) ?? 0
      },
    )
    const samples = Object.entries(costs).flatMap(([name, cost]) =>
      Array.from(cost.samples, (ns, seq) => ({ name, seq, ns })),
    )
    await write(
      'cost_samples.parquet',
      ['cost VARCHAR', 'seq BIGINT', 'ns DOUBLE'],
      samples.length,
      (row, column) => {
        const sample = samples[row]
        if (sample === undefined) return 0
        return column === 0 ? sample.name : column === 1 ? sample.seq : sample.ns
      },
    )
    // Last, so that a folder with this file is complete.
    folder.writeText('workload.json', toWorkloadJson(workload))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
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
  const { DuckDBInstance } = await import('../database/duckdb.ts')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const read = async (
    name: string,
    columns: readonly string[],
    order: string,
  ): Promise<Float64Array[]> => {
    const result = await connection.stream(
      `SELECT ${columns.map((column) => `${column}::DOUBLE`).join(', ')} FROM read_parquet('${quotePath(folder.path, name)}') ORDER BY ${order}`,
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
  try {
    const pageValues = await read(
      'pages.parquet',
      PAGE_COLUMNS.map(({ name }) => `"${name}"`),
      'page_id',
    )
    const [stream = new Float64Array(0)] = await read('stream.parquet', ['page_id'], 'rank')
    const [op, cpuNs, arg] = await read('task_rows.parquet', ['op', 'cpu_ns', 'arg'], 'task, "row"')
    const samples: Record<string, Float64Array> = {}
    const names = await connection.runAndReadAll(
      `SELECT DISTINCT cost FROM read_parquet('${quotePath(folder.path, 'cost_samples.parquet')}') ORDER BY cost`,
    )
    for (const [name] of names.getRows()) {
      const cost = String(name)
      const file = quotePath(folder.path, 'cost_samples.parquet')
      const rows = await connection.runAndReadAll(
        `SELECT ns FROM read_parquet('${file}') WHERE cost = '${cost.replaceAll("'", "''")}' ORDER BY seq`,
      )
      samples[cost] = Float64Array.from(rows.getRows(), ([ns]) => Number(ns))
    }
    let at = 0
    const columns: WorkloadColumns = {
      pages: Object.fromEntries(
        PAGE_COLUMNS.map(({ name }, index) => [name, pageValues[index] ?? new Float64Array(0)]),
      ),
      stream,
      rows: counts.map((count) => {
        const from = at
        at += count
        return {
          op: op?.subarray(from, at) ?? [],
          cpuNs: cpuNs?.subarray(from, at) ?? [],
          arg: arg?.subarray(from, at) ?? [],
        }
      }),
      samples,
    }
    if (at !== (op?.length ?? 0))
      throw new PstraceError(
        'workload_invalid',
        `${folder.path}/task_rows.parquet: found ${op?.length ?? 0} rows, expected ${at}, the sum of rowCount in workload.json`,
      )
    return parseWorkloadJson(text, file, columns)
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

function quotePath(folder: string, name: string): string {
  return `${folder}/${name}`.replaceAll("'", "''")
}
