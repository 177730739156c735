import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'

interface BuildScript {
  assemblySources(): string[]
  committedPath(source: string): string
  compileAssembly(source: string): Promise<string>
}

const script = (await import(
  new URL('../../../scripts/build-wasm.mjs', import.meta.url).href
)) as BuildScript

describe('committed WebAssembly', () => {
  test.each(script.assemblySources().map((source) => [basename(source), source]))(
    '%s compiles to the bytes that are committed',
    async (_name, source) => {
      const built = await script.compileAssembly(source)
      expect(built).toBe(readFileSync(script.committedPath(source), 'utf8'))
    },
  )
})
