import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PstraceError } from '../model/error.ts'
import type { WorkloadFolder } from '../workload/store.ts'

/** A folder of the user's that holds, or will hold, a workload. */
export function openWorkloadFolder(path: string): WorkloadFolder {
  return {
    path,
    has: (name) => existsSync(join(path, name)),
    readText: (name) => readFileSync(join(path, name), 'utf8'),
    writeText: (name, text) => writeFileSync(join(path, name), text),
  }
}

/** Makes the folder for a new workload; one that holds files is refused without --force. */
export function makeWorkloadFolder(path: string, options: { force: boolean }): WorkloadFolder {
  if (existsSync(path) && readdirSync(path).length > 0 && !options.force)
    throw new PstraceError('file-exists', `${path}: not empty; --force writes into it`)
  mkdirSync(path, { recursive: true })
  return openWorkloadFolder(path)
}
