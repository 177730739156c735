import { describe, expect, it } from 'vitest'
import { TreeNodes } from '../../src/replay/tree-nodes.ts'

/** Takes slots one after the other on one CPU; returns how many slabs were asked for. */
function take(nodes: TreeNodes, slots: number, cpu = 0, from = 0): number {
  let slabs = 0
  for (let slot = from; slot < from + slots; slot++)
    if (nodes.taken(slot, cpu)) {
      nodes.gainSlab(5)
      slabs++
    }
  return slabs
}

describe('nodes of the swap cache’s tree', () => {
  it('are one for 64 slots in a row, 14 to a slab', () => {
    const nodes = new TreeNodes()
    expect(take(nodes, 64 * 14)).toBe(1)
    expect(take(nodes, 1, 0, 64 * 14)).toBe(1)
  })

  it('tell before the slot is taken that a slab is wanted', () => {
    const nodes = new TreeNodes()
    expect(nodes.wantsSlab(0)).toBe(true)
    take(nodes, 64 * 14 - 1)
    expect(nodes.wantsSlab(0)).toBe(false)
    expect(nodes.wantsSlab(1)).toBe(true)
    take(nodes, 1, 0, 64 * 14 - 1)
    expect(nodes.wantsSlab(0)).toBe(true)
    for (let slot = 0; slot < 64; slot++) nodes.given(slot)
    expect(nodes.wantsSlab(0)).toBe(false)
  })

  it('are wanted anew where the slots of a leaf came free before it was full', () => {
    const nodes = new TreeNodes()
    take(nodes, 64 * 14 + 10)
    for (let slot = 64 * 14; slot < 64 * 14 + 10; slot++) nodes.given(slot)
    expect(nodes.wantsSlab(0)).toBe(false)
    take(nodes, 64 * 14, 1, 64 * 14 + 10)
    expect(nodes.wantsSlab(0)).toBe(true)
  })

  it('lie in a cluster of 512 slots for each CPU', () => {
    const nodes = new TreeNodes()
    for (let cpu = 0; cpu < 7; cpu++) expect(take(nodes, 1, cpu, cpu)).toBe(cpu === 0 ? 1 : 0)
    // The first CPU fills its own cluster: the slab's other seven nodes.
    expect(take(nodes, 511, 0, 7)).toBe(0)
    expect(take(nodes, 1, 0, 518)).toBe(1)
  })

  it('stay until their last slot goes; freed slots are not filled again while clusters are free', () => {
    const nodes = new TreeNodes()
    take(nodes, 64 * 14)
    for (let slot = 0; slot < 63; slot++) expect(nodes.given(slot)).toBe(-1)
    expect(take(nodes, 1)).toBe(1)
  })

  it('leave their place in the slab to the next', () => {
    const nodes = new TreeNodes()
    take(nodes, 64 * 14)
    for (let slot = 0; slot < 64; slot++) nodes.given(slot)
    expect(take(nodes, 1)).toBe(0)
    expect(take(nodes, 64, 0, 1)).toBe(1)
  })

  it('give a slab back when it is empty and more than five are not full', () => {
    const nodes = new TreeNodes()
    const slots = 64 * 14 * 8
    take(nodes, slots)
    const given: number[] = []
    for (let slot = 0; slot < slots; slot++) {
      const place = nodes.given(slot)
      if (place >= 0) given.push(place)
    }
    expect(given).toEqual([5, 5, 5])
  })

  it('of before the start are nobody’s', () => {
    const nodes = new TreeNodes()
    const slots = 64 * 14 * 8
    for (let slot = 0; slot < slots; slot++) if (nodes.taken(slot, 0)) nodes.gainSlab()
    for (let slot = 0; slot < slots; slot++) expect(nodes.given(slot)).toBe(-1)
  })

  it('lie in one tree after the other where the device is known, each with nodes above its leaves', () => {
    const slabsAt = (slots: number, perCluster: number, until: number): number[] => {
      const nodes = new TreeNodes({ slots, perCluster })
      const at: number[] = []
      for (let slot = 0; slot < until; slot++) if (take(nodes, 1, 0, slot) > 0) at.push(slot)
      return at
    }
    // As many pages as a kernel without huge pages had swapped out to 768 MiB when it allocated each of the first slabs, of six recordings.
    const recorded = [320, 1024, 1728, 2432, 3200, 4096, 4992, 5888, 6784, 7680, 8576]
    expect(slabsAt(196_607, 256, 9000)).toEqual(recorded)
    // One tree: nine nodes for 512 slots just once, and from its 4097th slot on another node above the leaves and a root.
    expect(slabsAt(16_384, 512, 5000)).toEqual([320, 1216, 2112, 3008, 3904, 4672])
  })

  it('go through the short last tree as well, and on when the device is full', () => {
    const nodes = new TreeNodes({ slots: 16_384 + 512, perCluster: 512 })
    expect(take(nodes, 16_384 + 512 + 64)).toBe(19)
  })
})
