import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder of this test run alone; see `once`. */
    runFolder: string
  }
}

let folder = ''

/** Vitest's global set-up: what several test files need is made in one folder, by the first that asks, and goes with the run. */
export function setup(project: TestProject): void {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-tests-'))
  project.provide('runFolder', folder)
}

export function teardown(): void {
  rmSync(folder, { recursive: true, force: true })
}
