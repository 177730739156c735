import { describe, expect, it } from 'vitest'
import { toByteSource } from '../../parsers/cursor.ts'
import { openTrace, TraceParseError } from '../../parsers/index.ts'
import { IssueLog } from '../../parsers/issues.ts'
import { KernelSymbols, readSymbols } from '../../parsers/kernel-symbols.ts'
import { symbolAddressLow, TEXT_HIGH } from '../../src/generate/text-values.ts'
import { generated, scenarioNamed } from '../generate/file.ts'
import { zstdCompressSync } from './zstd-command.ts'

const symbols = (text: string) => new KernelSymbols(() => new TextEncoder().encode(text))

describe('kernel symbols', () => {
  it('are found by the address at which a function begins, whatever is behind its name', () => {
    const table = symbols(
      'ffffffff81134e60 t kfree_rcu_shrink_scan\nffffffffc03355f0 t zs_shrinker_scan\t[zsmalloc]\n',
    )
    expect(table.nameOf(0xffff_ffff, 0x8113_4e60)).toBe('kfree_rcu_shrink_scan')
    expect(table.nameOf(0xffff_ffff, 0xc033_55f0)).toBe('zs_shrinker_scan')
    expect(table.nameOf(0xffff_ffff, 0x8113_4e61)).toBeUndefined()
    expect(table.nameOf(0, 0x8113_4e60)).toBeUndefined()
  })

  it('of 32-bit machines have eight digits', () => {
    expect(symbols('c0101000 T early\n').nameOf(0, 0xc010_1000)).toBe('early')
  })

  it('are not found in the middle of a line, and not at all in what is no table', () => {
    expect(symbols('x ffffffff81134e60 t a\n').nameOf(0xffff_ffff, 0x8113_4e60)).toBeUndefined()
    expect(new KernelSymbols(() => undefined).nameOf(1, 2)).toBeUndefined()
  })

  it.each([
    ['v6', 'none'],
    ['v7', 'none'],
    ['v7', 'zlib'],
    ['v7', 'zstd'],
    ['perf', 'none'],
    ['perf-pipe', 'none'],
  ] as const)('of %s (%s) name its functions', async (format, compression) => {
    const { bytes } = generated({
      scenario: scenarioNamed('phone'),
      events: 50,
      format,
      compression,
      zstdCompress: zstdCompressSync,
    })
    const reader = await openTrace(toByteSource('t', bytes))
    expect(reader.symbolOf?.(TEXT_HIGH, symbolAddressLow(0))).toMatch(/^[a-z_]+$/)
    expect(reader.symbolOf?.(TEXT_HIGH, symbolAddressLow(0) + 1)).toBeUndefined()
    expect(reader.issues).toEqual([])
  })

  it('that cannot be read are an issue', () => {
    const issues = new IssueLog()
    const table = readSymbols(issues, () => {
      throw new TraceParseError('truncated', 't', { unit: 'byte', at: 7 }, 'it ends')
    })
    expect(table.nameOf(1, 2)).toBeUndefined()
    expect(issues.list).toMatchObject([{ code: 'bad_symbols', severity: 'info', count: 1 }])
  })
})
