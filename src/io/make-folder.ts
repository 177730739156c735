import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { PstraceError } from '../model/error.ts'

/** Makes a folder and those above it, if missing. One by one: Node's recursive mkdir never ends below /proc. */
export function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new PstraceError('not_writable', `${path}: is no folder`)
  const missing: string[] = []
  for (let folder = resolve(path); !existsSync(folder); folder = dirname(folder))
    missing.push(folder)
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder)
    } catch (cause) {
      throw new PstraceError('not_writable', `${path}: the folder ${folder} cannot be made.`, {
        cause,
      })
    }
  }
}
