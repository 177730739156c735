import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { PstraceError } from '../model/error.ts'

/** Makes a folder and those above it, if missing. One by one: Node's recursive mkdir never ends below /proc. */
export function makeFolder(path: string): void {
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
