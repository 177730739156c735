import { IndexLists } from '../../model/index-lists.ts'
import type { BackendCheck } from './backend-check.ts'
import type { ZswapSlots } from './zswap-slots.ts'

/** Slots of pages in the pool by memcg and node, coldest first; the root's lists come first. */
export class ZswapLru {
  readonly #slots: ZswapSlots
  readonly #nodes: number
  readonly #lists: IndexLists

  constructor(slots: ZswapSlots, groups: number, nodes: number) {
    this.#slots = slots
    this.#nodes = nodes
    this.#lists = new IndexLists(groups * nodes)
  }

  list(group: number, node: number): number {
    return group * this.#nodes + node
  }

  first(list: number): number {
    return this.#lists.first(list)
  }

  length(list: number): number {
    return this.#lists.length(list)
  }

  /** Of a memcg's lists together. */
  lengthOf(group: number): number {
    let length = 0
    for (let node = 0; node < this.#nodes; node++) length += this.length(this.list(group, node))
    return length
  }

  add(slot: number): void {
    this.#lists.addLast(this.#listFor(slot), slot)
  }

  remove(slot: number): void {
    this.#lists.remove(slot)
  }

  rotate(slot: number): void {
    this.remove(slot)
    this.add(slot)
  }

  check(check: BackendCheck, slot: number, isPooled: boolean): void {
    const list = this.#lists.listOf(slot)
    if (isPooled && list !== this.#listFor(slot)) check.fail(`slot ${slot} is on the wrong list`)
    if (!isPooled && list >= 0) check.fail(`slot ${slot} is on a list but not in the pool`)
  }

  #listFor(slot: number): number {
    return this.list((this.#slots.memcg[slot] ?? -1) + 1, this.#slots.node[slot] ?? 0)
  }
}
