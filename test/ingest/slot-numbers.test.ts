import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Following } from '../../src/ingest/follow-kernel.ts'
import { placeOf, SlotNumbers } from '../../src/ingest/slot-numbers.ts'
import { swapKey } from '../../src/model/swap-entry.ts'

/** Entries of few areas and blocks, and some beyond what is held densely. */
const key = fc
  .tuple(fc.nat(2), fc.oneof(fc.nat(5000), fc.integer({ min: 2 ** 24 - 2, max: 2 ** 24 + 2 })))
  .map(([type, offset]) => swapKey(type, offset))
const number = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.integer({ min: 2 ** 31 - 2, max: 2 ** 40 }),
)
const writes = fc.array(fc.record({ key, first: number, second: number }), { maxLength: 40 })

it('holds what was written to each entry last, however large, and 0 of entries never written', () => {
  fc.assert(
    fc.property(writes, fc.array(key), (written, others) => {
      const slots = new SlotNumbers(new Following(undefined))
      const expected = new Map<number, readonly number[]>()
      for (const { key, first, second } of written) {
        const block = slots.blockOf(key)
        block[placeOf(key)] = first
        block[placeOf(key) + 1] = second
        expected.set(key, [first, second])
      }
      for (const key of [...expected.keys(), ...others]) {
        const block = slots.find(key)
        const held = [0, 1].map((i) => block?.[placeOf(key) + i] ?? 0)
        expect(held).toEqual(expected.get(key) ?? [0, 0])
      }
    }),
  )
})
