import { describe, expect, it } from 'vitest'
import { spreadFree, spreadPages } from '../../src/workload/nodes.ts'
import type { RecordedZone } from '../../src/workload/recording.ts'
import { usableByNode } from '../../src/workload/zoneinfo.ts'

function zone(node: number, low: number): RecordedZone {
  const marks = { min: low, low, high: low }
  return {
    node,
    name: 'Normal',
    startPfn: -1,
    spanned: 0,
    managed: 1000,
    ...marks,
    basis: 'snapshot',
  }
}

const ZONES = [zone(0, 10), zone(0, 20), zone(1, 60), zone(2, 30)]

describe('free memory of a machine', () => {
  it('is on the nodes as their watermarks are, where they ran low together', () => {
    expect([...spreadFree(240, ZONES, undefined)]).toEqual([
      [0, 60],
      [1, 120],
      [2, 60],
    ])
    expect([...spreadFree(240, [zone(0, 0), zone(1, 0)], undefined)]).toEqual([
      [0, 120],
      [1, 120],
    ])
  })

  it('is on the others where one ran low before them', () => {
    const first = { node: 0, free: 30 }
    expect([...spreadFree(240, ZONES, first)]).toEqual([
      [0, 30],
      [1, 140],
      [2, 70],
    ])
    expect([...spreadFree(20, ZONES, first)]).toEqual([
      [0, 20],
      [1, 0],
      [2, 0],
    ])
  })
})

describe('pages of a machine', () => {
  it('lie on the nodes in turns by their shares', () => {
    const nodes = spreadPages(
      8,
      new Map([
        [0, 100],
        [3, 300],
      ]),
    )
    expect(Array.from(nodes).filter((node) => node === 3)).toHaveLength(6)
    expect(nodes.subarray(0, 4).filter((node) => node === 0)).toHaveLength(1)
    expect(Array.from(spreadPages(3, new Map([[2, 5]])))).toEqual([2, 2, 2])
    expect(Array.from(spreadPages(2, new Map()))).toEqual([0, 0])
  })
})

describe('what a node has for pages', () => {
  const text = (node: number, free: number, anon: number): string =>
    `Node ${node}, zone   Normal\n  pages free     ${free}\n      nr_free_pages ${free}\n      nr_zone_inactive_anon 5\n      nr_zone_active_anon ${anon}\n      nr_zone_active_file 2\n`
  const usable = (zoneinfo: string | undefined) => [
    ...usableByNode({
      zones: ZONES,
      snapshot: zoneinfo === undefined ? {} : { 'zoneinfo.before': zoneinfo },
    }),
  ]

  it('is free or on the LRU before the trace, in all of its zones', () => {
    const zoneinfo = `${text(0, 900, 0)}${text(0, 400, 30)}${text(1, 700, 200)}${text(2, 90, 0)}`
    expect(usable(zoneinfo)).toEqual([
      [0, 907 + 437],
      [1, 907],
      [2, 97],
    ])
  })

  it('is all of its memory where that is not told of every node', () => {
    const managed = [
      [0, 2000],
      [1, 1000],
      [2, 1000],
    ]
    expect(usable(undefined)).toEqual(managed)
    expect(usable(text(0, 900, 0))).toEqual(managed)
  })
})
