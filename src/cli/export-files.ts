import { join } from 'node:path'
import { readRows, streamQuery } from '../analysis/query.ts'
import { VIEW_NAMES } from '../analysis/views.ts'
import { quoteName } from '../database/quote.ts'
import { TABLES } from '../database/schema.ts'
import { toArrow } from '../export/arrow.ts'
import { toCsvText } from '../export/csv.ts'
import { toNdjsonText } from '../export/json.ts'
import { copyToParquet } from '../export/parquet.ts'
import { type PerfettoRow, PerfettoWriter } from '../export/perfetto.ts'
import { refuseOverwrite } from '../io/destination.ts'
import { makeFolder } from '../io/make-folder.ts'
import { replaceFile, writeFileWhole } from '../io/whole-file.ts'
import { unknownName } from '../model/names.ts'
import type { ExportFormat, ExportOptions } from './export.ts'
import { usageError } from './failure.ts'
import type { Reading } from './reading.ts'

/** Writes one file per table and view; returns how many. */
export async function exportTables(
  reading: Reading,
  format: Exclude<ExportFormat, 'perfetto'>,
  options: ExportOptions,
): Promise<number> {
  const { connection } = reading
  const folder = options.output ?? '.'
  const known = [...TABLES.map(({ name }) => name), 'subjects', ...VIEW_NAMES]
  const names = options.table ?? known
  for (const name of names)
    if (!known.includes(name)) throw unknownName('table or view', name, known)
  const force = options.force ?? false
  const path = (name: string) => join(folder, `${name}.${format}`)
  for (const name of names) refuseOverwrite(path(name), { force })
  makeFolder(folder)
  for (const name of names) {
    const sql = `SELECT * FROM ${quoteName(name)}`
    if (format === 'parquet') {
      await replaceFile(path(name), { force }, (file) => copyToParquet(connection, sql, file))
      continue
    }
    const stream = await streamQuery(connection, sql)
    const pieces =
      format === 'arrow'
        ? toArrow(stream, 'file')
        : format === 'csv'
          ? toCsvText(stream)
          : toNdjsonText(stream)
    await writeFileWhole(path(name), { force }, pieces)
  }
  return names.length
}

/** Writes one Perfetto trace: a process per recording or run, its tasks as threads. */
export async function exportPerfetto(reading: Reading, options: ExportOptions): Promise<number> {
  const { output } = options
  if (output === undefined) throw usageError('export: --output is needed')
  await writeFileWhole(output, { force: options.force ?? false }, perfettoPackets(reading))
  return 1
}

/** Process ids of recordings and runs: out of the way of recorded ones. */
const FIRST_PID = 1_000_000

async function* perfettoPackets(reading: Reading): AsyncGenerator<Uint8Array> {
  const writer = new PerfettoWriter()
  for (const [index, subject] of reading.selection.subjects.entries()) {
    const pid = FIRST_PID + index
    const name =
      subject.runId === null ? subject.traceName : `${subject.traceName} ${subject.label}`
    yield writer.process({ pid, name })
    const of = `trace_id = ${subject.traceId} AND run_id IS NOT DISTINCT FROM ${subject.runId ?? 'NULL'}`
    const threads = await readRows<{ task_id: number; tid: number | null; comm: string | null }>(
      reading.connection,
      `SELECT task_id, tid, comm FROM tasks WHERE trace_id = ${subject.traceId}
       AND task_id IN (SELECT task_id FROM reclaim_spans WHERE ${of} UNION SELECT task_id FROM kswapd_spans WHERE ${of}
         UNION SELECT stored_by FROM swapouts WHERE ${of} UNION SELECT task_id FROM markers WHERE trace_id = ${subject.traceId})`,
    )
    // Recorded tids are reused; a task's number is not, and keeps its slices apart.
    for (const { task_id, tid, comm } of threads)
      yield writer.thread({ pid, tid: task_id, name: `${comm ?? 'task'} ${tid ?? ''}`.trim() })
    for (const sql of rowQueries(subject.traceId, of, subject.runId === null))
      for await (const row of readPerfettoRows(reading, sql, pid))
        for (const packet of writer.row(row)) yield packet
  }
}

/** Each query yields kind, task, name, category, start, end, value and the arguments as columns after them. */
function rowQueries(traceId: number, of: string, recording: boolean): string[] {
  const queries = [
    `SELECT 'slice' AS kind, task_id, 'kswapd awake' AS name, 'kswapd' AS category, start_ns, end_ns, NULL AS value,
       alloc_order, censored, NULL AS place, NULL AS compressed_bytes FROM kswapd_spans WHERE ${of} AND end_ns IS NOT NULL`,
    `SELECT 'slice', task_id, kind, 'reclaim', start_ns, end_ns, NULL, alloc_order, censored, NULL, NULL
     FROM reclaim_spans WHERE ${of} AND end_ns IS NOT NULL`,
    `SELECT 'slice', stored_by, 'store', 'swap', start_ns, stored_ns, NULL, folio_order, NULL, place, compressed_bytes
     FROM swapouts WHERE ${of} AND start_ns IS NOT NULL AND stored_ns IS NOT NULL AND stored_by IS NOT NULL`,
    `SELECT 'counter', NULL, name || CASE WHEN node IS NULL THEN '' ELSE ' node ' || node END, 'sample', ts_ns, NULL, value, NULL, NULL, NULL, NULL
     FROM samples WHERE ${of} AND name IN ('free_pages', 'queued', 'pool_pages', 'pool_bytes', 'mm_stat.compr_data_size')`,
  ]
  if (recording)
    queries.push(
      `SELECT CASE WHEN end_ns IS NULL THEN 'instant' ELSE 'slice' END, task_id, name, 'marker', ts_ns, end_ns, NULL, NULL, NULL, NULL, NULL
       FROM markers WHERE trace_id = ${traceId} AND task_id IS NOT NULL`,
    )
  return queries
}

async function* readPerfettoRows(
  reading: Reading,
  sql: string,
  pid: number,
): AsyncGenerator<PerfettoRow> {
  const stream = await streamQuery(reading.connection, sql)
  for await (const rows of stream.pieces)
    for (const row of rows) {
      const [kind, task, name, category, start, end, value, order, censored, place, bytes] = row
      const startNs = BigInt(Number(start))
      const tid = Number(task)
      if (kind === 'counter')
        yield { kind, pid, name: String(name), ns: startNs, value: Number(value) }
      else if (kind === 'instant') yield { kind, pid, tid, name: String(name), ns: startNs }
      else
        yield {
          kind: 'slice',
          pid,
          tid,
          name: String(name),
          category: String(category),
          startNs,
          endNs: BigInt(Number(end)),
          args: {
            order: toArgument(order),
            censored: toArgument(censored),
            place: toArgument(place),
            compressed_bytes: toArgument(bytes),
          },
        }
    }
}

function toArgument(value: unknown): number | string | null {
  return typeof value === 'number' || typeof value === 'string' ? value : null
}
