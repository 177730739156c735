import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type {
  BackendOptions,
  MemcgSettings,
  PoolMove,
} from '../../../src/memory/backends/backend.ts'
import { ZswapBackend } from '../../../src/memory/backends/zswap.ts'
import { openPool } from '../../../src/memory/pools/index.ts'
import { lengthCodec, pageOf, samePage } from './length-codec.ts'

const MS = 1_000_000

/** 100 pages of pool at most, 90 to accept again. */
function open(
  parameters: Record<string, number | string> = {},
  more: Partial<BackendOptions> = {},
) {
  return new ZswapBackend({
    codec: lengthCodec(1),
    openPool,
    totalPages: 500,
    parameters,
    ...more,
  })
}

/** Incompressible enough to take a pool page each (4000 bytes: class 4096, one object to a page). */
const BIG = 4000

function store(backend: ZswapBackend, slot: number, length = BIG, memcg = -1, nowNs = 0) {
  return {
    ...backend.store({ slot, page: slot, bytes: pageOf(length), key: length, memcg, nowNs }),
  }
}

function fill(backend: ZswapBackend, pages: number, memcg = -1): void {
  for (let slot = 0; slot < pages; slot++) store(backend, slot, BIG, memcg)
}

/** Runs the shrink worker until it ends; returns iterations. */
function shrink(backend: ZswapBackend, nowNs = 0): number {
  let steps = 0
  while (backend.pendingShrink && steps < 100_000) {
    steps++
    if (backend.shrinkStep(nowNs).done) break
  }
  return steps
}

describe('zswap limits', () => {
  it('are shares of memory: 20 % maximum, 90 % of it to accept again, 91 % to start early', () => {
    const backend = open()
    expect([backend.maxPages, backend.acceptPages, backend.startPages]).toEqual([100, 90, 91])
  })

  it('send a page to disk past colder ones when the pool is full, and count the limit once per full store', () => {
    const backend = open({ form: '6.10' })
    fill(backend, 100)
    expect(store(backend, 100)).toMatchObject({ place: 'disk', deviceWrites: 1, poolPagesTaken: 0 })
    expect(backend.pendingShrink).toBe(true)
    expect(backend.counters()).toMatchObject({
      pool_limit_hit: 1,
      rejects_past_colder: 1,
      pswpout: 1,
      zswpout: 100,
    })
    backend.free(0)
    // Hysteresis: 99 pages is below the maximum but above the threshold, and not counted as a limit hit.
    expect(store(backend, 101).place).toBe('disk')
    expect(backend.counters()).toMatchObject({ pool_limit_hit: 1, rejects: 2 })
    for (let slot = 1; slot < 10; slot++) backend.free(slot)
    expect(store(backend, 102).place).toBe('zswap')
    backend.check()
  })

  it('of a memcg make room in that memcg by one entry, or refuse', () => {
    const memcgs: MemcgSettings[] = [{ zswapMaxPages: 2 }, {}]
    const backend = open({ form: '6.10' }, { memcgs })
    store(backend, 0, 4096, 0)
    store(backend, 1, 4096, 0)
    expect(store(backend, 2, 4096, 0)).toMatchObject({ place: 'zswap', deviceWrites: 1 })
    expect(backend.load(0)).toBe('disk')
    expect(store(backend, 3, 4096, 1).deviceWrites).toBe(0)
    const guarded = open({ form: '6.10' }, { memcgs: [{ zswapMaxPages: 1, writeback: false }] })
    store(guarded, 0, 4096, 0)
    expect(store(guarded, 1, 4096, 0)).toMatchObject({ place: 'reject', deviceWrites: 0 })
  })

  it('of a memcg hold for those below it together, and so does memory.zswap.writeback', () => {
    const below: MemcgSettings[] = [{ zswapMaxPages: 2 }, { parent: 0 }, { parent: 0 }]
    const backend = open({ form: '6.12' }, { memcgs: below })
    store(backend, 0, 4096, 1)
    store(backend, 1, 4096, 2)
    expect(store(backend, 2, 4096, 1).deviceWrites).toBe(1)
    expect(store(backend, 3, 4096, -1).deviceWrites).toBe(0)
    const kept = open(
      { form: '6.12' },
      { memcgs: [{ writeback: false }, { parent: 0, zswapMaxPages: 1 }] },
    )
    store(kept, 0, 4096, 1)
    expect(store(kept, 1, 4096, 1)).toMatchObject({ place: 'reject', deviceWrites: 0 })
  })
})

describe('zswap forms', () => {
  it.each([
    ['6.1', 'same'],
    ['6.10', 'same'],
    ['6.12', 'zswap'],
    ['2026', 'zswap'],
  ])('of %s keep a same-filled page as %s', (form, place) => {
    const backend = open({ form })
    const bytes = samePage(40, 1)
    expect(backend.store({ slot: 0, page: 0, bytes, key: 0, memcg: -1 }).place).toBe(place)
  })

  it.each([
    ['6.1', 3969, 'disk', { reject_compress_poor: 1 }],
    ['6.1', 3968, 'zswap', { reject_compress_poor: 0 }],
    ['6.12', 4096, 'zswap', { stored_incompressible_pages: 0 }],
    ['6.12', 4097, 'disk', { reject_compress_fail: 1 }],
    ['2026', 4096, 'zswap', { stored_incompressible_pages: 1 }],
    ['2026', 4200, 'zswap', { stored_incompressible_pages: 1 }],
  ])('of %s take a page of %i compressed bytes to %s', (form, length, place, counters) => {
    const backend = open({ form })
    expect(store(backend, 0, length).place).toBe(place)
    expect(backend.counters()).toMatchObject(counters)
    backend.check()
  })

  // dlen >= PAGE_SIZE in zswap_compress().
  it.each([4096, 4200])(
    'of 2026 activate an incompressible page (%i bytes) whose memcg forbids writeback',
    (length) => {
      const memcgs: MemcgSettings[] = [{ writeback: false }]
      expect(store(open({ form: '2026' }, { memcgs }), 0, length, 0).place).toBe('reject')
    },
  )

  it('of 6.12 and before refuse a large folio, 2026 takes it page by page', () => {
    const request = { slot: 0, page: 0, bytes: pageOf(100), key: 1, memcg: -1, large: true }
    expect(open({ form: '6.12' }).store(request).place).toBe('disk')
    expect(open({ form: '2026' }).store(request).place).toBe('zswap')
  })

  it('since 6.5 give up their copy at a load; 6.1 keeps it', () => {
    const old = open({ form: '6.1' })
    store(old, 0, 3000)
    expect([old.load(0), old.poolPages, old.load(0)]).toEqual(['zswap', 1, 'zswap'])
    const backend = open()
    store(backend, 0)
    expect([backend.load(0), backend.poolPages]).toEqual(['zswap', 0])
    expect(backend.free(0)).toBe(0)
  })

  it('give back what was stored, from the pool, from disk, raw or same-filled', () => {
    for (const form of ['6.1', '6.12', '2026']) {
      const backend = open({ form }, { keepBytes: true })
      const pages = [pageOf(300), pageOf(4096, 2), pageOf(4200, 3), samePage(20, 9)]
      pages.forEach((bytes, slot) => {
        backend.store({ slot, page: slot, bytes, key: -1, memcg: -1 })
      })
      pages.forEach((bytes, slot) => {
        const back = new Uint8Array(4096)
        backend.load(slot, back)
        expect(back).toEqual(bytes)
      })
    }
  })
})

describe('the shrink worker', () => {
  it('of 6.1 evicts the coldest zbud page, both objects, once for each limit hit', () => {
    const backend = open({ form: '6.1' })
    const moves: PoolMove[] = []
    backend.onMove = (move) => moves.push({ ...move })
    // The page that the 199th store takes is the last: the 200th is refused although that page has room.
    for (let slot = 0; slot < 200; slot++) store(backend, slot, 1900)
    expect(backend.poolPages).toBe(100)
    store(backend, 200, 1900, -1, 5)
    expect(shrink(backend, 7)).toBe(1)
    expect(moves.filter(({ reason }) => reason === 'writeback').map(({ slot }) => slot)).toEqual([
      0, 1,
    ])
    expect(backend.counters()).toMatchObject({ zswpwb: 2, pswpout: 4 })
  })

  it('of 6.1 cannot evict from zsmalloc', () => {
    const backend = open({ form: '6.1', zpool: 'zsmalloc' })
    fill(backend, 101)
    shrink(backend)
    expect(backend.counters()).toMatchObject({ zswpwb: 0, reject_reclaim_fail: 1 })
  })

  it('of 6.10 writes back the coldest first, down to the accept threshold', () => {
    const backend = open({ form: '6.10' })
    const slots: number[] = []
    fill(backend, 101)
    backend.onMove = ({ slot }) => slots.push(slot)
    // Every turn at the end of the walk over memcgs counts as a failure, and there is one after every visit to the root.
    shrink(backend)
    expect(slots).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(backend.poolPages).toBe(90)
  })

  it('of 6.12 gives every entry a second chance, so a run over fresh entries ends with 16 failures and no write', () => {
    const backend = open({ form: '6.12' })
    fill(backend, 101)
    shrink(backend)
    expect(backend.counters()).toMatchObject({ zswpwb: 0, shrink_runs: 1 })
    for (let run = 0; run < 6; run++) {
      store(backend, 200 + run)
      shrink(backend)
    }
    expect(backend.counters()).toMatchObject({ zswpwb: 10 })
    expect(backend.poolPages).toBe(90)
  })

  it('of 2026 looks at 32 entries in a visit: the fourth meets the last 4 fresh ones of 100 and 28 seen before', () => {
    const backend = open({ form: '2026' })
    fill(backend, 101)
    shrink(backend)
    expect(backend.counters()).toMatchObject({ zswpwb: 28 })
  })

  it('skips a page that is in the swap cache', () => {
    const backend = open({ form: '6.10' })
    fill(backend, 101)
    backend.inSwapCache = (slot) => slot === 0
    shrink(backend)
    expect(backend.counters()).toMatchObject({ reject_reclaim_fail: 1 })
    expect(backend.load(0)).toBe('zswap')
  })
})

describe('the global-shrinker series', () => {
  const empty = (count: number): MemcgSettings[] => Array.from({ length: count }, () => ({}))

  it('begins at a worker that the 16th empty memcg ends, and patch 2 skips them', () => {
    const memcgs = [...empty(20), {}]
    const before = open({ form: '6.10' }, { memcgs })
    for (let slot = 0; slot < 101; slot++) store(before, slot, BIG, 20)
    shrink(before)
    expect(before.counters()).toMatchObject({ zswpwb: 0 })
    const after = open({ form: '6.10', shrinker_patches: '2' }, { memcgs })
    for (let slot = 0; slot < 101; slot++) store(after, slot, BIG, 20)
    shrink(after)
    expect(after.counters()).toMatchObject({ zswpwb: 10 })
  })

  it('patch 2 skips a memcg without writeback that ended the worker before', () => {
    const memcgs: MemcgSettings[] = [{ writeback: false }, {}]
    const run = (patches: string) => {
      const backend = open({ form: '6.10', shrinker_patches: patches }, { memcgs })
      for (let slot = 0; slot < 101; slot++) store(backend, slot, BIG, 1)
      shrink(backend)
      return backend.poolPages
    }
    expect([run(''), run('2')]).toEqual([100, 90])
  })

  it('patch 1 reaches the memcgs behind an offline one', () => {
    const memcgs: MemcgSettings[] = [{ online: false }, {}]
    const run = (patches: string) => {
      const backend = open({ form: '6.10', shrinker_patches: patches }, { memcgs })
      for (let slot = 0; slot < 101; slot++) store(backend, slot, BIG, 1)
      shrink(backend)
      return backend.poolPages
    }
    expect([run('2'), run('1,2')]).toEqual([100, 90])
  })

  it('patch 3 starts at 91 %, keeps taking pages while it shrinks and refuses only at the maximum', () => {
    const backend = open({ form: '6.10', shrinker_patches: '1,2,3' })
    fill(backend, 90)
    expect(backend.pendingShrink).toBe(false)
    store(backend, 90)
    expect(backend.pendingShrink).toBe(true)
    for (let slot = 91; slot < 100; slot++) expect(store(backend, slot).place).toBe('zswap')
    expect(store(backend, 100).place).toBe('disk')
    backend.shrinkStep(0)
    expect(store(backend, 101).place).toBe('zswap')
    expect(backend.counters()).toMatchObject({ pool_limit_hit: 1, zswpwb: 1 })
    const full = open({ form: '6.10', shrinker_patches: '3', accept_threshold_percent: 100 })
    fill(full, 100)
    expect(full.pendingShrink).toBe(false)
  })

  it('patch 4 takes the worker off the reclaim workqueue', () => {
    expect(open({ form: '6.10' }).traits.shrinkerOnReclaimQueue).toBe(true)
    expect(open({ form: '6.10', shrinker_patches: '4' }).traits.shrinkerOnReclaimQueue).toBe(false)
  })

  it.each([
    ['zsmalloc', 4032, 0],
    ['zsmalloc', 4033, 1],
    ['zsmalloc', 4200, 1],
  ])('patch 5 keeps in %s a page of %i bytes raw: %i', (zpool, length, raw) => {
    const backend = open({ form: '6.10', zpool, shrinker_patches: '5' })
    expect(store(backend, 0, length).compressedBytes).toBe(raw === 1 ? 4096 : length)
    expect(backend.counters()).toMatchObject({ stored_incompressible_pages: raw })
  })

  it('patch 5 changes nothing for zbud, which has no room for a whole page', () => {
    expect(store(open({ form: '6.10', zpool: 'zbud', shrinker_patches: '5' }), 0, 4200).place).toBe(
      'disk',
    )
  })

  it('patch 6 sleeps until 500 ms after the last refused store or missed load', () => {
    const backend = open({ form: '6.10', shrinker_patches: '1,2,3,4,5,6' })
    fill(backend, 100)
    store(backend, 100, BIG, -1, 1000 * MS)
    expect(backend.shrinkStep(1200 * MS)).toMatchObject({
      sleepUntilNs: 1500 * MS,
      deviceWrites: 0,
      done: false,
    })
    expect(backend.load(100, undefined, 1400 * MS)).toBe('disk')
    expect(backend.shrinkStep(1500 * MS)).toMatchObject({ sleepUntilNs: 1900 * MS })
    expect(backend.shrinkStep(1900 * MS)).toMatchObject({ sleepUntilNs: 0, deviceWrites: 1 })
  })

  it('has no switches on 6.1', () => {
    expect(() => open({ form: '6.1', shrinker_patches: '3' })).toThrow(/need the form 6.10/)
  })
})

describe('the dynamic shrinker', () => {
  it('offers what is not protected by swap-ins from disk, scaled by how well pages compress', () => {
    const backend = open({ form: '6.12', shrinker_enabled: 1 })
    for (let slot = 0; slot < 40; slot++) store(backend, slot, 1024)
    expect(backend.reclaimable()).toBe(10)
    store(backend, 100, 5000)
    for (let i = 0; i < 8; i++) backend.load(100)
    expect(backend.reclaimable()).toBe(8)
    // The credit is used up by counting.
    expect(backend.reclaimable()).toBe(10)
    expect(backend.reclaim(40, 0)).toMatchObject({ deviceWrites: 0, scanned: 40 })
    expect(backend.reclaim(5, 0)).toMatchObject({ deviceWrites: 5, scanned: 5 })
    expect(open({ form: '6.12' }).reclaimable()).toBe(0)
  })
})

describe('zswap conservation', () => {
  const op = fc.record({
    what: fc.constantFrom('store', 'store', 'store', 'store', 'load', 'free', 'shrink', 'reclaim'),
    slot: fc.integer({ min: 0, max: 250 }),
    length: fc.constantFrom(0, 60, 900, 2100, 4000, 4050, 4096, 4200),
    memcg: fc.integer({ min: -1, max: 2 }),
  })
  it.each([
    { form: '6.1' },
    { form: '6.1', zpool: 'z3fold' },
    { form: '6.10' },
    { form: '6.10', shrinker_patches: '1,2,3,4,5,6' },
    { form: '6.12', shrinker_enabled: 1 },
    { form: '2026' },
  ])(
    'holds for %j: every slot in one place, pool never above its maximum by more than one zspage',
    (parameters) => {
      fc.assert(
        fc.property(fc.array(op, { maxLength: 500, size: 'max' }), (ops) => {
          const memcgs: MemcgSettings[] = [
            { zswapMaxPages: 6 },
            { writeback: false },
            { online: false },
          ]
          const backend = open({ ...parameters, max_pool_percent: 6 }, { memcgs })
          const places = new Map<number, string>()
          const moved = new Map<number, number>()
          let written = 0
          backend.onMove = ({ slot, reason }) => {
            if (reason !== 'writeback') return
            expect(places.get(slot)).toBe('zswap')
            places.set(slot, 'disk')
            moved.set(slot, (moved.get(slot) ?? 0) + 1)
          }
          let nowNs = 0
          for (const { what, slot, length, memcg } of ops) {
            nowNs += 10 * MS
            if (what === 'store') {
              const bytes = length === 0 ? samePage(64, 64) : pageOf(length)
              // The old content of the slot is gone whatever happens, so a writeback must not name it.
              const result = backend.store({ slot, page: slot, bytes, key: length, memcg, nowNs })
              written += result.deviceWrites
              if (result.place === 'reject') places.delete(slot)
              else places.set(slot, result.place)
            } else if (what === 'load' && places.has(slot)) {
              const place = backend.load(slot, undefined, nowNs)
              expect(place).toBe(places.get(slot))
              if (place !== 'disk' && backend.traits.exclusiveLoads) places.delete(slot)
            } else if (what === 'free') {
              backend.free(slot)
              places.delete(slot)
            } else if (what === 'shrink' && backend.pendingShrink)
              written += backend.shrinkStep(nowNs).deviceWrites
            else if (what === 'reclaim') written += backend.reclaim(4, nowNs).deviceWrites
            expect(backend.poolPages).toBeLessThanOrEqual(backend.maxPages + 8)
            expect(backend.poolPages * 4096).toBeGreaterThanOrEqual(backend.poolBytes)
          }
          backend.check()
          const counters = backend.counters()
          const onDisk = [...places.values()].filter((place) => place === 'disk').length
          // Item 9: slots in use = stored + on disk.
          expect(counters).toMatchObject({
            disk_pages: onDisk,
            stored_pages: places.size - onDisk,
            pswpout: written,
          })
        }),
        { numRuns: 40 },
      )
    },
  )
})
