import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inject } from 'vitest'

const PATIENCE_MS = 600_000

/** The folder `name` of this test run, made by the first test file that asks; others wait until it is there. */
export function once(name: string, make: (folder: string) => void): string {
  const path = join(inject('runFolder'), name)
  const lock = `${path}.lock`
  const begun = Date.now()
  while (!existsSync(path)) {
    if (Date.now() - begun > PATIENCE_MS)
      throw new Error(`${name}: another test file never made it`)
    try {
      mkdirSync(lock)
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
      continue
    }
    try {
      if (existsSync(path)) return path
      const unfinished = `${path}.making`
      mkdirSync(unfinished)
      make(unfinished)
      renameSync(unfinished, path)
    } finally {
      rmSync(`${path}.making`, { recursive: true, force: true })
      rmSync(lock, { recursive: true, force: true })
    }
  }
  return path
}
