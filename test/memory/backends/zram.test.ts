import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PoolMove } from '../../../src/memory/backends/backend.ts'
import { ZramBackend } from '../../../src/memory/backends/zram.ts'
import { openPool } from '../../../src/memory/pools/index.ts'
import { lengthCodec, pageOf, samePage } from './length-codec.ts'

function open(parameters: Record<string, number | string> = {}, keepBytes = false) {
  return new ZramBackend({ codec: lengthCodec(1), openPool, parameters, keepBytes })
}

function store(
  backend: ZramBackend,
  slot: number,
  bytes: Uint8Array,
  more: { nowNs?: number; poolPageScarce?: boolean } = {},
) {
  return { ...backend.store({ slot, page: slot + 1000, bytes, key: -1, memcg: -1, ...more }) }
}

describe('zram', () => {
  it('keeps a same-filled page without pool memory and gives its words back', () => {
    const backend = open({}, true)
    const page = samePage(0xdeadbeef, 7)
    expect(store(backend, 3, page)).toEqual({
      place: 'same',
      compressedBytes: 0,
      compressions: 0,
      poolPagesTaken: 0,
      deviceWrites: 0,
    })
    const back = new Uint8Array(4096)
    expect(backend.load(3, back)).toBe('same')
    expect(back).toEqual(page)
    expect(backend.counters()).toMatchObject({
      same_pages: 1,
      orig_data_size: 4096,
      compr_data_size: 0,
      mem_used_total: 0,
    })
  })

  it.each([
    ['6.1', 3256, 3256, 0],
    ['6.1', 3257, 4096, 1],
    ['6.12', 3624, 3624, 0],
    ['6.12', 3625, 4096, 1],
  ])('of %s counts a page of %i compressed bytes as %i', (form, length, counted, huge) => {
    const backend = open({ form })
    expect(store(backend, 0, pageOf(length)).compressedBytes).toBe(counted)
    expect(backend.counters()).toMatchObject({
      compr_data_size: counted,
      huge_pages: huge,
      huge_pages_since: huge,
    })
  })

  it('looks at mem_limit after the allocation, so mem_used_max passes it and the page is refused', () => {
    const backend = open({ mem_limit: 8192 })
    expect(store(backend, 0, pageOf(4000)).place).toBe('zram')
    expect(store(backend, 1, pageOf(4000)).place).toBe('zram')
    expect(store(backend, 2, pageOf(4000))).toMatchObject({ place: 'reject', poolPagesTaken: 0 })
    expect(backend.counters()).toMatchObject({
      mem_used_total: 8192,
      mem_used_max: 12288,
      failed_writes: 1,
      pages_stored: 2,
    })
    backend.check()
  })

  it.each([
    ['8192', 8192],
    ['8K', 8192],
    ['64m', 64 * 2 ** 20],
    ['3G', 3 * 2 ** 30],
  ])('reads mem_limit %s as the kernel does', (given, bytes) => {
    expect(open({ mem_limit: given }).counters()['mem_limit']).toBe(bytes)
  })

  it.each(['', '8KB', '-1', '1.5M', '9999999T'])('refuses mem_limit "%s"', (given) => {
    expect(() => open({ mem_limit: given })).toThrow(
      `zram: mem_limit is "${given}"; expected a number of bytes, or one with K, M, G or T`,
    )
  })

  it('holds old and new content of a slot together while it is rewritten', () => {
    const backend = open()
    store(backend, 0, pageOf(4000))
    expect(store(backend, 0, pageOf(3900)).poolPagesTaken).toBe(0)
    expect(backend.counters()).toMatchObject({
      mem_used_max: 8192,
      mem_used_total: 4096,
      pages_stored: 1,
    })
  })

  it('compresses twice only when a new pool page is needed and scarce, and never in 2026', () => {
    const backend = open()
    expect(store(backend, 0, pageOf(1000), { poolPageScarce: true }).compressions).toBe(2)
    expect(store(backend, 1, pageOf(1000), { poolPageScarce: true }).compressions).toBe(1)
    expect(backend.counters()).toMatchObject({ writestall: 1 })
    expect(
      store(open({ form: '2026' }), 0, pageOf(1000), { poolPageScarce: true }).compressions,
    ).toBe(1)
  })

  it('writes back idle pages in slot order until writeback_limit, and reports each move with its age', () => {
    const backend = open({ backing_pages: 100, writeback_limit: 2 }, true)
    const moves: PoolMove[] = []
    backend.onMove = (move) => moves.push({ ...move })
    for (const slot of [5, 1, 3]) store(backend, slot, pageOf(500 + slot), { nowNs: slot })
    expect(backend.markIdle(100)).toBe(3)
    backend.load(1, undefined, 150)
    backend.markIdle(200, 100)
    expect(backend.writeback('idle', 1000).deviceWrites).toBe(2)
    expect(moves.map(({ slot, ageNs, to }) => [slot, ageNs, to])).toEqual([
      [3, 997, 'disk'],
      [5, 995, 'disk'],
    ])
    const back = new Uint8Array(4096)
    expect(backend.load(5, back)).toBe('disk')
    expect(back).toEqual(pageOf(505))
    expect(backend.counters()).toMatchObject({
      bd_count: 2,
      bd_writes: 2,
      bd_reads: 1,
      pages_stored: 3,
    })
    backend.check()
  })

  it('writes back the largest first in 2026', () => {
    const backend = open({ form: '2026', backing_pages: 100 })
    const slots: number[] = []
    backend.onMove = ({ slot }) => slots.push(slot)
    ;[100, 2000, 900, 910].forEach((length, slot) => {
      store(backend, slot, pageOf(length))
    })
    backend.markIdle(0)
    backend.writeback('idle', 0)
    expect(slots).toEqual([1, 2, 3, 0])
  })

  it('recompresses only into a smaller size class and marks what nothing shrinks', () => {
    const backend = new ZramBackend({
      codec: lengthCodec(1),
      recompressors: [lengthCodec(2)],
      openPool,
      keepBytes: true,
    })
    store(backend, 0, pageOf(2000))
    store(backend, 1, pageOf(12))
    const moves: number[] = []
    backend.onMove = ({ slot }) => moves.push(slot)
    backend.recompress()
    expect(moves).toEqual([0])
    expect(backend.counters()).toMatchObject({ compr_data_size: 12 + 1012, num_recompress: 2 })
    const back = new Uint8Array(4096)
    backend.load(0, back)
    expect(back).toEqual(pageOf(2000))
    backend.recompress()
    expect(backend.counters()).toMatchObject({ num_recompress: 2 })
    backend.check()
  })

  it('says which slot holds nothing', () => {
    expect(() => open().load(9)).toThrow('zram: slot 9 holds nothing')
  })

  it('conserves pages, bytes and pool over any sequence of stores, loads, frees and compactions', () => {
    const op = fc.record({
      what: fc.constantFrom('store', 'store', 'store', 'load', 'free', 'compact', 'writeback'),
      slot: fc.integer({ min: 0, max: 60 }),
      length: fc.constantFrom(0, 40, 700, 1500, 2600, 3400, 4096),
    })
    fc.assert(
      fc.property(fc.array(op, { maxLength: 300, size: 'max' }), (ops) => {
        const backend = open({ backing_pages: 20, mem_limit: 100000 })
        const held = new Set<number>()
        for (const { what, slot, length } of ops) {
          const before = backend.poolPages
          if (what === 'store') {
            const { place, poolPagesTaken } = backend.store({
              slot,
              page: slot,
              bytes: length === 0 ? samePage(1, 2) : pageOf(length),
              key: length,
              memcg: -1,
            })
            if (place !== 'reject') held.add(slot)
            expect(backend.poolPages - before).toBe(poolPagesTaken)
          } else if (what === 'load' && held.has(slot)) backend.load(slot)
          else if (what === 'free' && held.delete(slot))
            expect(backend.free(slot)).toBe(before - backend.poolPages)
          else if (what === 'compact')
            expect(backend.reclaim(1, 0).poolPagesFreed).toBe(before - backend.poolPages)
          else if (what === 'writeback') backend.writeback('huge', 0)
          expect(backend.poolPages * 4096).toBeGreaterThanOrEqual(backend.poolBytes)
          expect(backend.poolPages * 4096).toBeLessThanOrEqual(100000)
        }
        backend.check()
        expect(backend.counters()).toMatchObject({ pages_stored: held.size })
        for (const slot of held) backend.free(slot)
        expect([backend.poolPages, backend.poolBytes]).toEqual([0, 0])
      }),
      { numRuns: 60 },
    )
  })
})
