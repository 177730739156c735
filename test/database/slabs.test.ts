import { expect, it } from 'vitest'
import { Slabs } from '../../src/database/slabs.ts'

const MIB = 1 << 20

it('copies arrays of every kind into one buffer without overlap', () => {
  const slabs = new Slabs()
  const copies = [
    slabs.copy(Uint8Array.of(1, 2, 3, 9), 3),
    slabs.copy(Float64Array.of(0.5, Number.NaN), 2),
    slabs.copy(new Int32Array(0), 0),
    slabs.copy(Int32Array.of(-1, 7), 1),
    slabs.copy(Uint32Array.of(4294967295), 1),
  ]
  expect(copies).toEqual([
    Uint8Array.of(1, 2, 3),
    Float64Array.of(0.5, Number.NaN),
    new Int32Array(0),
    Int32Array.of(-1),
    Uint32Array.of(4294967295),
  ])
  const taken = slabs.take()
  expect(taken.map(({ byteLength }) => byteLength)).toEqual([MIB])
  expect(copies.every(({ buffer }) => buffer === taken[0])).toBe(true)
})

it('begins another buffer when one is full, and one of its own for an array that fits into none', () => {
  const slabs = new Slabs()
  slabs.copy(new Uint8Array(MIB), MIB - 7)
  slabs.copy(new Uint8Array(8), 8)
  const large = slabs.copy(new Uint8Array(3 * MIB).fill(5), 3 * MIB)
  expect(slabs.take().map(({ byteLength }) => byteLength)).toEqual([MIB, MIB, 3 * MIB])
  expect(large.every((value) => value === 5)).toBe(true)
  expect(slabs.take()).toEqual([])
})

it('fills buffers again that were given back, and only the common ones', () => {
  const slabs = new Slabs()
  slabs.copy(new Uint8Array(8).fill(1), 8)
  slabs.copy(new Uint8Array(2 * MIB), 2 * MIB)
  const [common, large] = slabs.take()
  expect(large?.byteLength).toBe(2 * MIB)
  expect([common, large].map((slab) => slab !== undefined && slabs.giveBack(slab))).toEqual([
    true,
    false,
  ])
  expect(slabs.copy(Uint8Array.of(2), 1).buffer).toBe(common)
  expect(slabs.copy(new Uint8Array(2 * MIB), 2 * MIB).buffer).not.toBe(large)
})
