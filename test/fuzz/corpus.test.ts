import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { traceFormats } from '../../parsers/index.ts'
import { readAsFormat } from './target.ts'

const corpus = fileURLToPath(new URL('../../fixtures/fuzz/', import.meta.url))
const formats = traceFormats.map(({ name }) => name)

describe('inputs that fuzzing found', () => {
  for (const folder of readdirSync(corpus)) {
    const format = formats.find((name) => name.replaceAll(' ', '-') === folder)
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
