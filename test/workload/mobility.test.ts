import { expect, it } from 'vitest'
import { findMobility, type MobilityOptions } from '../../src/workload/mobility.ts'

interface Counts {
  readonly free: number
  readonly reclaimable?: number
  readonly anon?: number
  readonly unevictable?: number
  readonly locked?: number
  readonly pool?: number
}

function zoneinfo(node: number, counts: Counts): string {
  const { free, reclaimable = 250, anon = 1500, unevictable = 0, locked = 0, pool = 0 } = counts
  return [
    `Node ${node}, zone      DMA`,
    '  per-node stats',
    `      nr_slab_reclaimable ${reclaimable}`,
    '  pages free     3808',
    '        managed  3840',
    `Node ${node}, zone    DMA32`,
    `  pages free     ${free}`,
    '        managed  70000',
    '      nr_zone_inactive_anon 1000',
    `      nr_zone_active_anon ${anon - 1000}`,
    `      nr_zone_unevictable ${unevictable}`,
    `      nr_mlock     ${locked}`,
    `      nr_zspages   ${pool}`,
    '  pagesets',
    '    cpu: 0',
    '              count: 300',
    '    cpu: 1',
    '              count: 200',
    '',
  ].join('\n')
}

const BEFORE = zoneinfo(0, { free: 60_000 })

function mobility(changes: Partial<MobilityOptions>): ReturnType<typeof findMobility> {
  return findMobility({
    ...{ before: BEFORE, after: undefined, node: 0, lruAtStart: 1500 },
    ...{ heldAtEnd: undefined, recordPagesPerSlot: 0, ...changes },
  })
}

it('what is left of the last chunk of 1024 that the kernel took is free for its pages', () => {
  // 70000 - 60000 - 1500 - 250 - 500 = 7750 unmovable pages, 8 chunks of 1024 less 442.
  const found = mobility({})
  expect(found.unmovableFree?.value).toBe(442)
  expect(found.reclaimableFree?.value).toBe(774)
})

it('page tables of what came until the start are off it', () => {
  expect(mobility({ lruAtStart: 1500 + 512 * 42 }).unmovableFree?.value).toBe(400)
})

it('files of a ramfs, unevictable without being locked, are unmovable pages', () => {
  const before = zoneinfo(0, { free: 59_000, unevictable: 1000, locked: 900 })
  expect(mobility({ before }).unmovableFree?.value).toBe(442 - 100)
})

it('the end tells what was allocated after the first snapshot, less what the kernel keeps since the start', () => {
  // 2000 tracing buffers, 30 pages for 3000 slots at the end, 20 page tables for 10240 pages mapped since.
  const after = zoneinfo(0, { free: 40_710, anon: 1500 + 16_000 - 760, pool: 2000 })
  const held = { after, lruAtStart: 9500, heldAtEnd: 3000, recordPagesPerSlot: 0.01 }
  expect(mobility(held).unmovableFree?.value).toBe(442 - 2000 + 2 * 1024)
})

it('an end without the memory that was there at the start tells nothing', () => {
  const after = zoneinfo(0, { free: 61_000 })
  const gone = { after, lruAtStart: 1500 + 512 * 42, heldAtEnd: 10, recordPagesPerSlot: 0.01 }
  expect(mobility(gone).unmovableFree?.value).toBe(400)
})

it('each node has its own', () => {
  const other = zoneinfo(1, { free: 61_000, reclaimable: 24 })
  expect(mobility({ before: BEFORE + other, node: 1 }).reclaimableFree?.value).toBe(1000)
  expect(mobility({ before: BEFORE + other }).reclaimableFree?.value).toBe(774)
})

it('nothing is told without zoneinfo', () => {
  expect(mobility({ before: undefined })).toEqual({})
  expect(mobility({ before: 'Node 0, zone Normal\n' })).toEqual({})
})
