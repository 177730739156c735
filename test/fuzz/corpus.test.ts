import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { folderNameOf, readAsFormat, TARGETS } from './target.ts'

const corpus = fileURLToPath(new URL('../../fixtures/fuzz/', import.meta.url))

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
