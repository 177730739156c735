import { expect, it } from 'vitest'
import { findMobility } from '../../src/workload/mobility.ts'

function zoneinfo(node: number, reclaimable: number, free: number): string {
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
    '      nr_zone_active_anon 500',
    '  pagesets',
    '    cpu: 0',
    '              count: 300',
    '    cpu: 1',
    '              count: 200',
    '',
  ].join('\n')
}

it('what is left of the last chunk of 1024 that the kernel took is free for its pages', () => {
  // 70000 - 60000 - 1500 - 250 - 500 = 7750 unmovable pages, 8 chunks of 1024 less 442.
  const found = findMobility(zoneinfo(0, 250, 60_000), 0, 1500)
  expect(found.unmovableFree?.value).toBe(442)
  expect(found.reclaimableFree?.value).toBe(774)
})

it('page tables of what came until the start are off it', () => {
  const { unmovableFree } = findMobility(zoneinfo(0, 250, 60_000), 0, 1500 + 512 * 42)
  expect(unmovableFree?.value).toBe(400)
})

it('each node has its own', () => {
  const both = zoneinfo(0, 250, 60_000) + zoneinfo(1, 24, 61_000)
  expect(findMobility(both, 1, 1500).reclaimableFree?.value).toBe(1000)
  expect(findMobility(both, 0, 1500).reclaimableFree?.value).toBe(774)
})

it('nothing is told without zoneinfo', () => {
  expect(findMobility(undefined, 0, 1000)).toEqual({})
  expect(findMobility('Node 0, zone Normal\n', 0, 1000)).toEqual({})
})
