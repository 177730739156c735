import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ROOT } from '../shared/binary.ts'
import { folderNameOf, readAsFormat, TARGETS } from './target.ts'

const corpus = fileURLToPath(new URL('../../fixtures/fuzz/', import.meta.url))

it.each([
  [['--help'], 0, ''],
  [['--bad'], 2, "fuzz: Unknown option '--bad'"],
  [['json'], 2, "fuzz: unknown format 'json'; known: trace.dat"],
  [['--seconds', 'all'], 2, "fuzz: --seconds 'all': expected a number above 0"],
])('the fuzzer called with %j says how it is called, without a stack', (args, status, said) => {
  const program = ['--import', './scripts/ts.mjs', 'test/fuzz/run.ts', ...args]
  const ended = spawnSync(process.execPath, program, { cwd: ROOT, encoding: 'utf8' })
  expect(ended.status).toBe(status)
  expect(`${ended.stdout}${ended.stderr}`).toContain('Usage: npm run fuzz -- [format ...]')
  expect(ended.stderr).toContain(said)
  expect(ended.stderr).not.toMatch(/^ +at /m)
})

describe('inputs that fuzzing found', () => {
  it('are kept of every format', () => {
    expect(readdirSync(corpus).sort()).toEqual(TARGETS.map(folderNameOf).sort())
  })

  for (const folder of readdirSync(corpus)) {
    const format = TARGETS.find((name) => folderNameOf(name) === folder)
    it(`of ${folder} end in rows, issues or one positioned error`, async () => {
      expect(format).toBeDefined()
      for (const name of readdirSync(join(corpus, folder))) {
        const path = join(corpus, folder, name)
        expect(statSync(path).size).toBeLessThanOrEqual(4096)
        expect([name, await readAsFormat(readFileSync(path), format ?? '')]).toEqual([
          name,
          undefined,
        ])
      }
    })
  }
})
