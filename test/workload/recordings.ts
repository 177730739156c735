import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTrace } from '../../parsers/index.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { openInput } from '../../src/io/input.ts'
import { readSnapshots } from '../../src/io/snapshots.ts'

/** The trace in a recording's folder, by what it was recorded with. */
const TRACES = ['trace.dat', 'perf.data.zst', 'trace.txt.gz', 'raw']

function traceOf(folder: string): string {
  const found = TRACES.map((name) => join(folder, name)).find((path) => existsSync(path))
  if (found === undefined) throw new Error(`${folder}: none of ${TRACES.join(', ')}`)
  return found
}

/** A database of its own with the recordings of some folders, in their order. */
export async function openRecordings(
  folders: readonly string[],
): Promise<{ database: Database; traceIds: number[]; close: () => void }> {
  const temporary = mkdtempSync(join(tmpdir(), 'pstrace-workload-'))
  const database = await Database.open(join(temporary, 'pstrace.duckdb'), { mode: 'write' })
  const traceIds: number[] = []
  for (const folder of folders) {
    const input = await openInput(traceOf(folder))
    try {
      const reader = await openTrace(input.folder ?? input.source)
      const { traceId } = await ingestTrace({
        database,
        reader,
        name: folder,
        path: folder,
        snapshots: readSnapshots(folder),
      })
      traceIds.push(traceId)
      reader.close()
    } finally {
      input.close()
    }
  }
  return {
    database,
    traceIds,
    close: () => {
      database.close()
      rmSync(temporary, { recursive: true, force: true })
    },
  }
}
