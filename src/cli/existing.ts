import type { Settings } from '../config/settings.ts'
import { Database } from '../database/database.ts'
import { PstraceError } from '../model/error.ts'

/** Opens a database for writing that must exist: only `ingest` makes one. */
export async function openExisting(settings: Settings): Promise<Database> {
  try {
    const reader = await Database.open(settings.databasePath, { mode: 'read' })
    reader.close()
  } catch (error) {
    // A writer brings it up to date.
    if (!(error instanceof PstraceError && error.code === 'old_schema')) throw error
  }
  return Database.open(settings.databasePath, { mode: 'write' })
}
