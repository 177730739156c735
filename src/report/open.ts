import type { DuckDBConnection } from '@duckdb/node-api'
import { cutToReplayedWork } from '../analysis/replayed-work.ts'
import { resolveSubjects } from '../analysis/selection.ts'
import { createViews } from '../analysis/views.ts'
import { Database } from '../database/database.ts'

/** A database opened for reading, with the analysis views of one trace and its runs. */
export interface OpenRecording {
  readonly connection: DuckDBConnection
  close(): void
}

/**
 * Opens a database as `pstrace report` does: the last ingested trace unless one is named, the recording and the latest run of each policy
 * unless runs are named, the recording over the work that the runs replayed.
 */
export async function openRecording(
  path: string,
  options: { readonly trace?: string; readonly runs?: readonly string[] } = {},
): Promise<OpenRecording> {
  const database = await Database.open(path, { mode: 'read' })
  const { connection } = database
  try {
    const selection = await resolveSubjects(connection, {
      ...(options.trace === undefined ? {} : { trace: options.trace }),
      runs: options.runs ?? [],
      cpus: [],
      tids: [],
      comms: [],
      nodes: [],
    })
    await createViews(connection, selection)
    await createViews(connection, await cutToReplayedWork(connection, selection))
  } catch (error) {
    database.close()
    throw error
  }
  return { connection, close: () => database.close() }
}
