import { selectEverything } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import { rowKinds } from '../../src/database/schema.ts'
import { beginRun, beginTrace, completeRun, completeTrace } from '../../src/database/states.ts'
import { RowBuffer } from '../../src/model/rows.ts'

export type HandRow = Readonly<Record<string, string | number | null>>
export type HandTables = Readonly<Record<string, readonly HandRow[]>>

export interface HandTrace {
  readonly name?: string
  readonly startNs?: number
  readonly endNs?: number
  readonly tables: HandTables
  readonly runs?: readonly { readonly policy: string; readonly tables: HandTables }[]
}

/** A database whose rows the test wrote itself, so that the truth is known. */
async function makeDatabase(path: string, traces: readonly HandTrace[]): Promise<Database> {
  const database = await Database.open(path, { mode: 'write' })
  for (const [index, trace] of traces.entries()) {
    const traceId = await beginTrace(database, {
      name: trace.name ?? `hand-made-${index + 1}`,
      path: 'hand-made',
      format: 'trace.dat v7',
      sha256: `${index}`.padStart(64, '0'),
      kernel_release: '6.12.0',
      cpus: 2,
      nodes: 1,
      page_size: 4096,
      clock: 'mono',
      start_ns: trace.startNs ?? 0,
      end_ns: trace.endNs ?? 1_000_000_000,
      events: 100,
      lost_events: 0,
      lost_gaps: trace.tables['losses']?.length ?? 0,
    })
    await appendTables(database, trace.tables, { traceId })
    await completeTrace(database, traceId)
    for (const run of trace.runs ?? []) {
      const runId = await beginRun(database, traceId, {
        policy: run.policy,
        backend: 'zram',
        codec: 'lz4',
        content_source: 'generator',
        clock: 'virtual',
        demand: 'closed',
        cpus: '2',
        seed: 1,
        config: '{}',
      })
      await appendTables(database, run.tables, { traceId, runId })
      await completeRun(database, runId)
    }
  }
  return database
}

async function appendTables(
  database: Database,
  tables: HandTables,
  owner: { traceId: number; runId?: number },
): Promise<void> {
  for (const [name, rows] of Object.entries(tables)) {
    const buffer = new RowBuffer(name, rowKinds(name))
    for (const row of rows) {
      const index = buffer.add()
      for (const [column, value] of Object.entries(row)) {
        if (typeof value === 'number') buffer.number(index, column, value)
        else if (typeof value === 'string') buffer.text(index, column, value)
      }
    }
    await database.append(buffer, owner)
  }
  database.flush()
}

/** A database in memory with the analysis views on everything in it. */
export async function openViews(traces: readonly HandTrace[]): Promise<Database> {
  const database = await makeDatabase(':memory:', traces)
  await createViews(database.connection, await selectEverything(database.connection))
  return database
}
