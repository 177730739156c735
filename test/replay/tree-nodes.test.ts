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
    expect(nodes.count).toBe(14)
    expect(take(nodes, 1, 0, 64 * 14)).toBe(1)
  })

  it('lie in a cluster of 512 slots for each CPU', () => {
    const nodes = new TreeNodes()
    take(nodes, 10, 0)
    take(nodes, 10, 1, 10)
    expect(nodes.count).toBe(2)
    take(nodes, 512 - 10, 0, 20)
    expect(nodes.count).toBe(9)
  })

  it('go with their last slot; freed slots are not filled again while clusters are free', () => {
    const nodes = new TreeNodes()
    take(nodes, 128)
    for (let slot = 0; slot < 63; slot++) expect(nodes.given(slot)).toBe(-1)
    expect(nodes.count).toBe(2)
    nodes.given(63)
    expect(nodes.count).toBe(1)
    take(nodes, 1)
    expect(nodes.count).toBe(2)
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
    expect(nodes.count).toBe(0)
    expect(given).toEqual([5, 5, 5])
  })

  it('of before the start are nobody’s', () => {
    const nodes = new TreeNodes()
    const slots = 64 * 14 * 8
    for (let slot = 0; slot < slots; slot++) if (nodes.taken(slot, 0)) nodes.gainSlab()
    for (let slot = 0; slot < slots; slot++) expect(nodes.given(slot)).toBe(-1)
  })
})
