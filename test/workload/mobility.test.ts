import { describe, expect, it } from 'vitest'
import {
  findListedKernel,
  findMobility,
  findWholeUnmovable,
  type MobilityOptions,
} from '../../src/workload/mobility.ts'

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

/** Free chunks of each zone by order, of the recorded form. */
function pagetypeinfo(unmovable: readonly number[], reclaimable: readonly number[] = [0]): string {
  const line = (zone: string, type: string, counts: readonly number[]): string =>
    `Node    0, zone ${zone.padStart(8)}, type ${type.padStart(12)} ${counts.map((n) => `${n}`.padStart(6)).join(' ')} `
  return [
    'Free pages count per migrate type at order       0      1      2 ',
    line('DMA', 'Unmovable', [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
    line('DMA32', 'Unmovable', unmovable),
    line('DMA32', 'Movable', [2, 2, 3, 3, 1, 2, 3, 4, 2, 3, 90]),
    line('DMA32', 'Reclaimable', reclaimable),
    '',
  ].join('\n')
}

it('a whole chunk is free beside that where more unmovable pages are free than the rest and the lists of CPUs', () => {
  const wholeOf = (unmovable: readonly number[], lruAtStart = 1500): number =>
    findWholeUnmovable({
      ...{ before: BEFORE, after: undefined, node: 0, lruAtStart },
      ...{ heldAtEnd: undefined, recordPagesPerSlot: 0, pagetypes: pagetypeinfo(unmovable) },
    })
  // The rest is 442.
  expect(wholeOf([0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0])).toBe(1024)
  expect(wholeOf([0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0])).toBe(0)
  expect(wholeOf([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1])).toBe(2048)
  // Page tables of what comes until the start take 40 of the 450, and as many of the rest.
  expect(wholeOf([0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0], 1500 + 512 * 40)).toBe(1024)
})

it('no whole chunk is known without pagetypeinfo, and one that is known is free for unmovable pages', () => {
  const options = { before: BEFORE, after: undefined, node: 0, lruAtStart: 1500 }
  const given = { ...options, heldAtEnd: undefined, recordPagesPerSlot: 0 }
  expect(findWholeUnmovable({ ...given, pagetypes: undefined })).toBe(0)
  expect(findWholeUnmovable({ ...given, pagetypes: 'no such file\n' })).toBe(0)
  expect(findMobility({ ...given, wholeUnmovable: 1024 }).unmovableFree?.value).toBe(442 + 1024)
})

describe('kernel pages on the list of the only CPU', () => {
  // The rests are 442 unmovable pages before the page tables, and 774 reclaimable ones, of which 44 are not in the zone.
  const listedOf = (
    unmovable: number,
    {
      tables = 0,
      freeInZone = 5000,
      reclaimable = 730,
      freeBefore,
      claimed,
    }: {
      tables?: number
      freeInZone?: number
      reclaimable?: number
      freeBefore?: number
      claimed?: number
    } = {},
  ): ReturnType<typeof findListedKernel> =>
    findListedKernel({
      ...{ before: BEFORE, after: undefined, node: 0, lruAtStart: 1500 + 512 * tables },
      ...{ heldAtEnd: undefined, recordPagesPerSlot: 0, refill: 480, freeInZone, freeBefore },
      pagetypes: pagetypeinfo([unmovable], [reclaimable]),
      ...(claimed === undefined ? {} : { claimed }),
    })

  it('are what the zone lacks of the rest, less page tables of what came since', () => {
    const lacking = { whole: 0, unmovable: 42, reclaimable: 44, freeInZone: 5000 }
    expect(listedOf(400)).toEqual(lacking)
    expect(listedOf(400, { tables: 40 })).toEqual({ ...lacking, unmovable: 2 })
    expect(listedOf(1024 + 400)).toEqual({ ...lacking, whole: 1024 })
  })

  it('are refilled by the zone, or by a whole chunk where it does not reach', () => {
    const refilled = { unmovable: 42 + 480 - 60, reclaimable: 44, freeInZone: 5000 }
    expect(listedOf(1024 + 400, { tables: 60 })).toEqual({ whole: 1024, ...refilled })
    expect(listedOf(400, { tables: 60 })).toEqual({ whole: 1024, ...refilled })
  })

  it('have the refills that claimed recorded chunks, unless the rests tell of those already', () => {
    const claimed = { whole: 1024, unmovable: 42 + 480, reclaimable: 44, freeInZone: 5000 }
    expect(listedOf(400, { claimed: 1 })).toEqual(claimed)
    expect(listedOf(400, { claimed: 0 })?.whole).toBe(0)
    expect(listedOf(1024 + 400, { claimed: 1 })).toEqual({ ...claimed, unmovable: 42 })
  })

  it('are at least those for which the zone has no room', () => {
    expect(listedOf(1024 + 400, { freeInZone: 1500 })?.unmovable).toBe(1024 + 442 + 730 - 1500)
    expect(listedOf(400, { freeInZone: 100 })?.unmovable).toBe(442)
  })

  it('leave fewer movable pages beside those in the zone than one refill takes, a whole number of refills after the last sample', () => {
    // The zone has 400 unmovable and 730 reclaimable ones.
    expect(listedOf(400, { freeBefore: 3000 })?.freeInZone).toBe(3000 - 3 * 480)
    expect(listedOf(400, { freeBefore: 1609 + 480 })?.freeInZone).toBe(1609)
    expect(listedOf(400, { freeBefore: 1610 + 480 })?.freeInZone).toBe(1130)
    // Fewer pages than the kernel's own: the list has more of those.
    expect(listedOf(400, { freeBefore: 1100 })).toMatchObject({ freeInZone: 1100, unmovable: 72 })
    // Nothing beside what the zone cannot have.
    expect(listedOf(400, { freeBefore: 0, freeInZone: 1200 })?.freeInZone).toBe(1200)
  })

  it('are not told where they are more than the lists had, or without both types', () => {
    // 500 pages are on the lists.
    expect(listedOf(200, { reclaimable: 400 })).toBeUndefined()
    expect(listedOf(200, { reclaimable: 600 })?.unmovable).toBe(242)
    const given = { before: BEFORE, after: undefined, node: 0, lruAtStart: 1500, refill: 480 }
    const all = { ...given, heldAtEnd: undefined, recordPagesPerSlot: 0, freeInZone: 5000 }
    expect(findListedKernel({ ...all, pagetypes: undefined })).toBeUndefined()
    expect(findListedKernel({ ...all, before: undefined, pagetypes: '' })).toBeUndefined()
  })
})
