import { describe, expect, it } from 'vitest'
import type { Kernel } from '../../src/replay/kernel.ts'
import type { NodeState } from '../../src/replay/node-state.ts'
import { borrowedOf, MOVABLE, RECLAIMABLE, UNMOVABLE } from '../../src/replay/page-blocks.ts'
import { Zones } from '../../src/replay/zones.ts'
import { based, plan } from './build.ts'

/** The only told block: reclaimable pages', of 1024. */
const BLOCK = 0
/** Pages of the kernel's in it at the start. */
const FREE = 700
/** A refill of reclaimable pages: seven chunks of two, one of which becomes a slab of tree nodes. */
const SLABS_LISTED = 12

/** One CPU whose list holds pages of both kinds: `inUse` of the block's pages are an application's, then the kernel has claimed it back. */
function shortOfMemory(inUse: number): { readonly zones: Zones; readonly node: NodeState } {
  const { machine } = plan({
    free: FREE,
    min: 100,
    low: 150,
    high: 200,
    managed: 79_984,
    tasks: [],
  })
  const kernel = {
    scheduler: { cpus: [{ node: 0 }], active: { cpu: 0 }, now: 0 },
    tally: { boosts: 0 },
  }
  const [first] = machine.nodes
  if (first === undefined) throw new Error('no node')
  const zones = new Zones(
    kernel as unknown as Kernel,
    {
      ...machine,
      boostStep: based(1024),
      boostMax: based(0),
      recordPagesPerSlot: based(0.01),
      kernel: based('6.12.95'),
      nodes: [{ ...first, unmovableFree: based(0), reclaimableFree: based(FREE) }],
    },
    1,
  )
  const node = zones.nodeOf(0)
  // No page is movable: the block changes hands, and back as soon as the kernel needs a slab.
  for (let page = 0; page < inUse; page++) expect(zones.take(node)).toBe(BLOCK)
  zones.drain(node)
  zones.slotCached(node, 0)
  expect(node.lists.counts[0]).toBe(SLABS_LISTED)
  node.lists.isReclaimActive = true
  return { zones, node }
}

describe('frames of a block of the kernel’s that an application gives back', () => {
  it('wait on the list of the block’s type, where no movable allocation finds them', () => {
    const { zones, node } = shortOfMemory(100)
    const { free } = node
    zones.returns(node, borrowedOf(BLOCK, 10))
    zones.give(node, 10)
    expect(node.free).toBe(free)
    expect(node.lists.counts[0]).toBe(SLABS_LISTED + 10)
    expect(node.lists.movable(0)).toBe(0)
  })

  it('make the list give that type’s pages first, then slabs, and movable ones last', () => {
    const { zones, node } = shortOfMemory(100)
    const { free } = node
    // 47 movable pages and 12 of slabs: with one more there are the 60 at which the list gives 45.
    zones.give(node, 47)
    expect(node.free).toBe(free)
    zones.returns(node, borrowedOf(BLOCK, 1))
    zones.give(node, 1)
    expect(node.free).toBe(free + 45)
    expect(node.lists.kernelCounts[0]).toBe(0)
    expect(node.lists.movable(0)).toBe(15)
  })

  it('are movable pages like others while the block is theirs', () => {
    const { zones, node } = shortOfMemory(100)
    zones.drain(node)
    node.lists.isReclaimActive = false
    // With no other movable page free it changes hands again.
    zones.take(node)
    expect(node.blocks.freeOf(RECLAIMABLE)).toBe(0)
    const listed = node.lists.movable(0)
    zones.returns(node, borrowedOf(BLOCK, 1))
    zones.give(node, 1)
    expect(node.lists.kernelCounts[0]).toBe(0)
    expect(node.lists.movable(0)).toBe(listed + 1)
  })
})

/** One CPU with empty lists, `free` movable pages and min at 100. */
function withFree(free: number): { readonly zones: Zones; readonly node: NodeState } {
  const { machine } = plan({ free, min: 100, low: 150, high: 200, managed: 79_984, tasks: [] })
  const kernel = {
    scheduler: { cpus: [{ node: 0 }], active: { cpu: 0 }, now: 0 },
    note: () => {},
  }
  const zones = new Zones(kernel as unknown as Kernel, { ...machine, kernel: based('6.12.95') }, 1)
  return { zones, node: zones.nodeOf(0) }
}

/** So many pages leave the zone when the CPU's list is next empty. */
function nextRefill(zones: Zones, node: NodeState): number {
  node.free += 1000
  while (node.lists.movable(0) > 0) zones.take(node)
  const { free } = node
  zones.take(node)
  return free - node.free
}

describe('pages for the pool by who may not use the reserves', () => {
  it('go back on the CPU’s list when one of them is not above min, and the next refill is as small as the first', () => {
    const { zones, node } = withFree(105)
    // The first page’s refill of 15 leaves 90.
    expect(zones.takeForPool(node, node, 4)).toBe(false)
    expect(node.free).toBe(90)
    expect(node.lists.movable(0)).toBe(15)
    expect(zones.poolCharged).toBe(0)
    expect(nextRefill(zones, node)).toBe(15)
  })

  it('are the pool’s where all were above it, and refills grow', () => {
    const { zones, node } = withFree(400)
    expect(zones.takeForPool(node, node, 4)).toBe(true)
    expect(node.lists.movable(0)).toBe(11)
    expect(zones.poolCharged).toBe(4)
    expect(nextRefill(zones, node)).toBe(30)
  })
})

describe('kernel pages that lie on a list at the start', () => {
  it('are not in the zone until the lists are drained, and go back to their blocks', () => {
    const { machine } = plan({
      ...{ free: FREE, min: 100, low: 150, high: 200, managed: 79_984, tasks: [] },
    })
    const [first] = machine.nodes
    if (first === undefined) throw new Error('no node')
    const kinds = { unmovableFree: based(300), reclaimableFree: based(200) }
    const listed = { unmovableListed: based(250), reclaimableListed: based(30) }
    const kernel = { scheduler: { cpus: [{ node: 0 }], now: 0 }, tally: { boosts: 0 } }
    const zones = new Zones(
      kernel as unknown as Kernel,
      { ...machine, nodes: [{ ...first, ...kinds, ...listed }] },
      1,
    )
    const node = zones.nodeOf(0)
    const freeOfTypes = (): number[] =>
      [UNMOVABLE, MOVABLE, RECLAIMABLE].map((type) => node.blocks.freeOf(type))
    expect([node.free, node.lists.counts[0], node.lists.movable(0)]).toEqual([FREE - 280, 280, 0])
    expect(freeOfTypes()).toEqual([50, FREE - 500, 170])
    zones.drain(node)
    expect([node.free, node.lists.counts[0]]).toEqual([FREE, 0])
    expect(freeOfTypes()).toEqual([300, FREE - 500, 200])
  })
})

describe('pages that the kernel takes for a while', () => {
  /** As one read of a trace’s buffer does. */
  function takeAndGive(zones: Zones, node: NodeState, pages: number): void {
    const taken = Array.from({ length: pages }, () => zones.takeUnmovable(node))
    expect(zones.kernelPages).toBe(pages)
    for (const from of taken) zones.giveUnmovable(node, from)
  }

  it('are all free again, in the zone or on the CPU’s list', () => {
    const { zones, node } = withFree(400)
    takeAndGive(zones, node, 15)
    expect(zones.kernelPages).toBe(0)
    expect(node.free + node.lists.total).toBe(400)
    zones.drain(node)
    expect(node.free).toBe(400)
  })

  it('are on the list of their block’s type', () => {
    const { zones, node } = shortOfMemory(100)
    const movable = node.lists.movable(0)
    const kernels = zones.kernelPages
    zones.giveUnmovable(node, zones.takeUnmovable(node))
    expect(zones.kernelPages).toBe(kernels)
    expect(node.lists.movable(0)).toBe(movable)
  })

  it('make the next refill of the CPU’s list small', () => {
    const grown = withFree(4000)
    nextRefill(grown.zones, grown.node)
    const short = withFree(4000)
    nextRefill(short.zones, short.node)
    takeAndGive(short.zones, short.node, 15)
    expect(nextRefill(grown.zones, grown.node)).toBeGreaterThan(15)
    expect(nextRefill(short.zones, short.node)).toBe(15)
  })
})
