import { describe, expect, test } from 'vitest'
import { openCodec } from '../../../src/memory/codecs/index.ts'
import { fillKindOf, hugeClassSize } from '../../../src/memory/codecs/page-kind.ts'
import { PageReport } from '../../../src/memory/codecs/page-report.ts'
import { makeReferencePage } from './reference-pages.ts'

function repeated(text: string, length = 4096): Uint8Array {
  return new Uint8Array(Buffer.from(text.repeat(Math.ceil(length / text.length)).slice(0, length)))
}

describe('filled pages', () => {
  test('a page of one 8-byte word is same-filled, one of three bytes is not', () => {
    expect(fillKindOf(new Uint8Array(4096))).toBe('zero')
    expect(fillKindOf(repeated('ABCDEFGH'))).toBe('same')
    expect(fillKindOf(repeated('AB'))).toBe('same')
    expect(fillKindOf(repeated('ABC'))).toBe('data')
    const almost = repeated('ABCDEFGH')
    almost[4095] = 0
    expect(fillKindOf(almost)).toBe('data')
  })
})

describe('hugeClassSize', () => {
  test.each([
    [4, 3257],
    [5, 3401],
    [6, 3497],
    [7, 3577],
    [8, 3625],
  ])('a chain of %i pages keeps pages raw from %i bytes', (chain, size) => {
    expect(hugeClassSize(4096, chain)).toBe(size)
  })

  test('larger pages have classes in proportion', () => {
    expect(hugeClassSize(16_384)).toBe(14_553)
    expect(hugeClassSize(65_536)).toBe(58_137)
  })
})

describe('PageReport', () => {
  test('counts pages as mm_stat does', async () => {
    const report = new PageReport(await openCodec('lz4'))
    const kinds = [
      new Uint8Array(4096),
      repeated('ABCDEFGH'),
      makeReferencePage(4096, 'R'),
      makeReferencePage(4096, 'W'),
    ].map((page) => report.add(page).kind)
    expect(kinds).toEqual(['zero', 'same', 'huge', 'compressed'])
    expect(report.borrowCompressed().length).toBe(3013)
    expect(report.totals).toEqual({
      pages: 4,
      zero: 1,
      same: 1,
      huge: 1,
      storedBytes: 4096 + 3013,
      damaged: 0,
    })
  })
})
