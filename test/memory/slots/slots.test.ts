import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClusterSlots } from '../../../src/memory/slots/cluster.ts'
import { openSlots, SLOT_ALLOCATORS } from '../../../src/memory/slots/index.ts'
import { SLOT_DESIGNS } from '../../../src/memory/slots/metadata.ts'
import { SwapDescSlots } from '../../../src/memory/slots/swap-desc.ts'
import { SwapMapSlots } from '../../../src/memory/slots/swap-map.ts'

const SIZE = 40 * 512

function clusters(nonfullFirst: boolean, size = SIZE): ClusterSlots {
  return new ClusterSlots(
    { size },
    {
      name: 'test',
      design: SLOT_DESIGNS['table-2'],
      slotCaches: false,
      nonfullFirst,
      clusterLocks: true,
    },
  )
}

describe('every slot allocator', () => {
  it.each(SLOT_ALLOCATORS)(
    '$name gives each slot to one page at a time and has all of them again in the end',
    (provider) => {
      const op = fc.record({
        free: fc.boolean(),
        order: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 9),
        cpu: fc.integer({ min: 0, max: 1 }),
        pick: fc.nat(),
      })
      fc.assert(
        fc.property(
          fc.array(op, { maxLength: 400, size: 'max' }),
          fc.constantFrom(3000, SIZE + 100),
          (ops, size) => {
            const slots = provider.open({ size, cpus: 2 })
            const live = new Map<number, number>()
            const taken = new Set<number>()
            slots.onRelease = (slot) => {
              if (!taken.delete(slot)) throw new Error(`slot ${slot} was released but not taken`)
            }
            for (const { free, order, cpu, pick } of ops) {
              if (!free) {
                const first = slots.allocate(0, order, cpu)
                if (first < 0) continue
                for (let slot = first; slot < first + 2 ** order; slot++) {
                  expect(taken.has(slot)).toBe(false)
                  taken.add(slot)
                }
                live.set(first, 2 ** order)
              } else if (live.size > 0) {
                const first = [...live.keys()][pick % live.size] ?? 0
                const pages = live.get(first) ?? 0
                if (pick % 2 === 0) slots.freeFolio(first, Math.log2(pages), cpu)
                else for (let slot = first; slot < first + pages; slot++) slots.free(slot, cpu)
                live.delete(first)
              }
              expect(slots.used).toBe([...live.values()].reduce((sum, pages) => sum + pages, 0))
            }
            slots.check()
            for (const [first, pages] of live)
              for (let slot = first; slot < first + pages; slot++) slots.free(slot)
            slots.flush()
            slots.check()
            expect([slots.used, taken.size]).toEqual([0, 0])
          },
        ),
        { numRuns: 10 },
      )
    },
  )

  it.each(SLOT_ALLOCATORS.filter(({ name }) => name !== 'swap-desc'))(
    '$name fills its device to the last slot but the header and then says so',
    (provider) => {
      const slots = provider.open({ size: 3000 })
      const given = new Set<number>()
      for (let slot = slots.allocate(0); slot >= 0; slot = slots.allocate(0)) given.add(slot)
      expect(given.size).toBe(2999)
      expect(given.has(0)).toBe(false)
    },
  )
})

describe('swap map of 6.1', () => {
  it('starts 16384 slots into the device, takes 64 at once for a CPU, and opens the next cluster 16384 further', () => {
    const slots = new SwapMapSlots({ size: 200_000, cpus: 2 })
    expect([slots.allocate(0, 0, 1), slots.allocate(0, 0, 0), slots.allocate(0, 0, 1)]).toEqual([
      16384, 32768, 16385,
    ])
    for (let i = 0; i < 510; i++) slots.allocate(0, 0, 1)
    expect(slots.allocate(0, 0, 1)).toBe(49152)
  })

  it('holds back 64 freed slots for each CPU', () => {
    const slots = new SwapMapSlots({ size: 200_000 })
    const released: number[] = []
    slots.onRelease = (slot) => released.push(slot)
    const given = Array.from({ length: 65 }, () => slots.allocate(0))
    for (const slot of given.slice(0, 64)) slots.free(slot)
    expect(released).toEqual([])
    slots.free(given[64] ?? 0)
    expect(released).toEqual(given.slice(0, 64))
    slots.flush()
    expect(released).toEqual(given)
  })

  it('searches slot by slot when no cluster is free', () => {
    const slots = new SwapMapSlots({ size: 2048 })
    while (slots.allocate(0) >= 0);
    slots.flush()
    const before = slots.metrics().steps
    for (const slot of [700, 800]) slots.release(slot)
    expect([slots.allocate(0), slots.allocate(0)].sort()).toEqual([700, 800])
    expect(slots.metrics().steps - before).toBeGreaterThan(400)
  })

  it('splits every folio but a huge one, and that one too when no cluster is free', () => {
    const slots = new SwapMapSlots({ size: 3 * 512 })
    expect(slots.allocate(0, 4)).toBe(-1)
    expect(slots.allocate(0, 9)).toBe(512)
    expect(slots.allocate(0, 9)).toBe(1024)
    expect(slots.allocate(0, 9)).toBe(-1)
    expect(slots.metrics()).toMatchObject({ orderAttempts: 4, orderFallbacks: 2 })
  })
})

describe.each([
  ['swap map', new SwapMapSlots({ size: 200_000 }), 9],
  ['clusters of 6.12', openSlots('cluster', { size: 200_000 }), 1],
] as const)('a large folio in %s', (_name, slots, wholeOrder) => {
  it(`gives all its slots back at once from order ${wholeOrder} on, single ones wait`, () => {
    const released: number[] = []
    slots.onRelease = (slot) => released.push(slot)
    slots.freeFolio(slots.allocate(0), 0)
    expect(released).toEqual([])
    const first = slots.allocate(0, wholeOrder)
    slots.freeFolio(first, wholeOrder)
    const pages = 1 << wholeOrder
    expect(released).toEqual(Array.from({ length: pages }, (_, part) => first + part))
    slots.check()
  })
})

describe('clusters', () => {
  it('serve one order while they are in use', () => {
    const slots = clusters(false)
    const small = slots.allocate(0, 0)
    const large = slots.allocate(0, 4)
    expect(Math.floor(small / 512)).not.toBe(Math.floor(large / 512))
    expect(slots.allocate(0, 4)).toBe(large + 16)
    // Theirs and that of the header.
    expect(slots.metrics()).toMatchObject({ clustersTouched: 3 })
  })

  it('of 6.12 open a free cluster before one with holes, later ones the other way round', () => {
    const place = (nonfullFirst: boolean) => {
      const slots = clusters(nonfullFirst)
      const first = slots.allocate(0)
      // The header's cluster, which later kernels fill first, has one slot less.
      for (let i = 1; i < (nonfullFirst ? 511 : 512); i++) slots.allocate(0)
      slots.free(first)
      return slots.allocate(0) === first
    }
    expect([place(false), place(true)]).toEqual([false, true])
  })

  it('let order 0 steal from a higher order only when nothing else is left', () => {
    const slots = clusters(false, 2 * 512)
    const large = slots.allocate(0, 4)
    for (let i = 0; i < 511; i++) slots.allocate(0)
    expect(slots.metrics().steals).toBe(0)
    expect(slots.allocate(0)).toBe(large + 16)
    expect(slots.metrics().steals).toBe(1)
  })

  it('fail an order whose free slots lie apart', () => {
    const slots = clusters(true, 2 * 512)
    const given = Array.from({ length: 1023 }, () => slots.allocate(0))
    for (const slot of given) if (slot % 2 === 0) slots.free(slot)
    expect(slots.allocate(0, 2)).toBe(-1)
    expect(slots.metrics()).toMatchObject({ orderAttempts: 1, orderFallbacks: 1, meanFreeRun: 1 })
  })

  it('take a lock each where slot caches take one for 64', () => {
    const run = (name: string) => {
      const slots = openSlots(name, { size: SIZE })
      for (let i = 0; i < 128; i++) slots.allocate(0)
      const { deviceLocks, clusterLocks, sequentiality } = slots.metrics()
      return [deviceLocks, clusterLocks, Math.round(sequentiality * 128)]
    }
    expect([run('cluster'), run('swap-table')]).toEqual([
      [2, 0, 127],
      [0, 128, 127],
    ])
  })

  it('pay for a table when the first slot of a cluster is used', () => {
    const slots = openSlots('swap-table', { size: 64 * 512 })
    for (let i = 0; i < 511; i++) slots.allocate(0)
    const empty = slots.metadataBytes(0)
    slots.allocate(0)
    expect(slots.metadataBytes(0) - empty).toBe(4096)
    slots.allocate(0)
    expect(slots.metadataBytes(0) - empty).toBe(4096)
  })
})

describe('virtual swap', () => {
  it('takes a device slot only at writeback, so pooled pages do not use up the device', () => {
    const slots = new SwapDescSlots({ size: 513 })
    const given = Array.from({ length: 2000 }, (_, page) => slots.allocate(page))
    expect(slots.metadataBytes(0)).toBe(2000 * 24.125 + 513 / 4)
    expect(slots.back(given[0] ?? 0)).toBeGreaterThan(0)
    expect(slots.metadataBytes(0)).toBe(2000 * 24.125 + 8 + 513 / 4)
    let onDevice = 1
    for (const slot of given.slice(1)) if (slots.back(slot) >= 0) onDevice++
    expect(onDevice).toBe(512)
    slots.free(given[0] ?? 0)
    expect(slots.back(given[1999] ?? 0)).toBeGreaterThan(0)
    slots.check()
  })
})
