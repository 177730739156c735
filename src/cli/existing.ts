import type { Settings } from '../config/settings.ts'
import { Database } from '../database/database.ts'

/** Opens a database for writing that must exist: only `ingest` makes one. */
export async function openExisting(settings: Settings): Promise<Database> {
  const reader = await Database.open(settings.databasePath, { mode: 'read' })
  reader.close()
  return Database.open(settings.databasePath, { mode: 'write' })
}
