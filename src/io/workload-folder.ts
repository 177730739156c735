import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { PstraceError } from '../model/error.ts'
import { makeFolder } from './make-folder.ts'
import { OutputFile } from './output.ts'

/** A folder that holds a workload; `create` makes it, and `overwrite` allows a workload that is there to be replaced. */
export function openWorkloadFolder(
  path: string,
  options: { readonly create: boolean; readonly overwrite: boolean },
): {
  readonly path: string
  has(name: string): boolean
  readText(name: string): string
  writeText(name: string, text: string): void
  remove(name: string): void
} {
  if (options.create) {
    if (!options.overwrite && existsSync(join(path, 'workload.json')))
      throw new PstraceError(
        'output_exists',
        `${path}: holds a workload already; --force replaces it`,
      )
    makeFolder(path)
  } else if (!existsSync(path)) throw new PstraceError('no_workload', `${path}: no such folder`)
  return {
    path,
    has: (name) => existsSync(join(path, name)),
    readText: (name) => readFileSync(join(path, name), 'utf8'),
    remove: (name) => rmSync(join(path, name), { force: true }),
    writeText: (name, text) => {
      const file = new OutputFile(join(path, name), { overwrite: true })
      try {
        file.write(text)
        file.commit()
      } finally {
        file.abandon()
      }
    },
  }
}
