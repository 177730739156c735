import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteDictionary } from '../../parsers/string-dictionary.ts'
import { runs } from './hostile.ts'

const encoder = new TextEncoder()

describe('ByteDictionary', () => {
  it('gives equal bytes equal codes and different bytes different codes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\0', 'x')),
          { maxLength: 3000, size: 'max' },
        ),
        (texts) => {
          const dictionary = new ByteDictionary()
          const codes = texts.map((text) => {
            const bytes = encoder.encode(text)
            return dictionary.intern(bytes, 0, bytes.length)
          })
          expect(codes.map((code) => dictionary.get(code))).toEqual(texts)
          expect(dictionary.length).toBe(new Set(texts).size)
        },
      ),
      runs(30),
    )
  })

  it('ends a string at its first NUL wherever it begins and whatever follows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9 }),
        fc.string({ maxLength: 15 }),
        fc.uint8Array({ maxLength: 9 }),
        (lead, text, rest) => {
          const clean = text.replaceAll('\0', '')
          const dictionary = new ByteDictionary()
          const plain = encoder.encode(clean)
          const first = dictionary.intern(plain, 0, plain.length)
          const bytes = Uint8Array.from([...new Uint8Array(lead).fill(65), ...plain, 0, ...rest])
          expect(dictionary.intern(bytes, lead, bytes.length)).toBe(first)
        },
      ),
    )
  })

  it('keeps codes while it grows', () => {
    const dictionary = new ByteDictionary()
    const codes: number[] = []
    for (let i = 0; i < 20_000; i++) {
      const bytes = encoder.encode(`task-${i}`)
      codes.push(dictionary.intern(bytes, 0, bytes.length))
    }
    expect(codes.every((code, i) => dictionary.get(code) === `task-${i}`)).toBe(true)
  })

  it('finds the same string in aligned words as in bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 50 }),
        (names) => {
          const dictionary = new ByteDictionary()
          for (const name of names) {
            const words = new Uint32Array(name.slice().buffer)
            const code = dictionary.intern(name, 0, 16)
            expect(dictionary.internWords(words, 0, 16)).toBe(code)
            const end = name.indexOf(0)
            expect(dictionary.get(code)).toBe(
              new TextDecoder().decode(end < 0 ? name : name.subarray(0, end)),
            )
          }
        },
      ),
    )
  })
})
