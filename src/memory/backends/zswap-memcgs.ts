import type { MemcgSettings } from './backend.ts'
import type { BackendCheck } from './backend-check.ts'
import type { Parameters } from './parameters.ts'

/** What zswap knows of memory cgroups: group 0 is the root, the others follow in the order in which shrinkers visit them. */
export class ZswapMemcgs {
  /** With the root. */
  readonly groups: number
  /** Memory cgroup of pages whose request names none, -1 = the root. */
  readonly own: number
  readonly #settings: readonly MemcgSettings[]
  readonly #pageSize: number
  /** Compressed bytes and pages of each group in the pool; and bytes with those of the groups below it. */
  readonly #bytes: Float64Array
  readonly #treeBytes: Float64Array
  readonly #stored: Float64Array
  /** Swap-ins from the device since the dynamic shrinker counted last. */
  readonly #diskSwapins: Float64Array

  constructor(tasks: readonly MemcgSettings[], parameters: Parameters, pageSize: number) {
    const most = parameters.number('memcg_max', -1, Number.MAX_SAFE_INTEGER)
    const writeback = parameters.switch('memcg_writeback')
    const others = parameters.number('other_memcgs', 0, 10_000)
    const offline = parameters.number('offline_memcg', -1, 10_000)
    const hasOwn = most >= 0 || !writeback || others > 0
    const limit = most < 0 ? {} : { zswapMaxPages: Math.floor(most / pageSize) }
    this.#settings = [
      ...tasks,
      ...Array.from({ length: others }, (_, index) => ({ online: index !== offline })),
      ...(hasOwn ? [{ writeback, ...limit }] : []),
    ]
    this.own = hasOwn ? this.#settings.length - 1 : -1
    this.#pageSize = pageSize
    this.groups = this.#settings.length + 1
    this.#bytes = new Float64Array(this.groups)
    this.#treeBytes = new Float64Array(this.groups)
    this.#stored = new Float64Array(this.groups)
    this.#diskSwapins = new Float64Array(this.groups)
  }

  /** Compressed bytes of one of the tasks' memory cgroups; below 0: of those pages whose requests name none. */
  chargedBytes(memcg: number): number {
    const place = memcg < 0 ? this.own : memcg
    return place < 0 ? 0 : (this.#bytes[place + 1] ?? 0)
  }

  isOnline(group: number): boolean {
    return group === 0 || this.#settings[group - 1]?.online !== false
  }

  /** mem_cgroup_zswap_writeback_enabled() */
  writesBack(group: number): boolean {
    for (let at = group; at > 0; at = this.#parentOf(at))
      if (this.#settings[at - 1]?.writeback === false) return false
    return true
  }

  /** obj_cgroup_may_zswap(): compressed bytes in whole pages against zswap.max, its own and of those above it. */
  isOverLimit(group: number): boolean {
    for (let at = group; at > 0; at = this.#parentOf(at)) {
      const limit = this.#settings[at - 1]?.zswapMaxPages
      if (limit !== undefined && Math.floor((this.#treeBytes[at] ?? 0) / this.#pageSize) >= limit)
        return true
    }
    return false
  }

  #parentOf(group: number): number {
    return 1 + (this.#settings[group - 1]?.parent ?? -1)
  }

  /** Compressed bytes of the group in whole pages. */
  pages(group: number): number {
    return Math.floor((this.#bytes[group] ?? 0) / this.#pageSize)
  }

  stored(group: number): number {
    return this.#stored[group] ?? 0
  }

  entered(group: number): void {
    this.#stored[group] = (this.#stored[group] ?? 0) + 1
  }

  left(group: number): void {
    this.#stored[group] = (this.#stored[group] ?? 0) - 1
  }

  charge(group: number, bytes: number): void {
    this.#bytes[group] = (this.#bytes[group] ?? 0) + bytes
    for (let at = group; at > 0; at = this.#parentOf(at))
      this.#treeBytes[at] = (this.#treeBytes[at] ?? 0) + bytes
  }

  readFromDisk(group: number): void {
    this.#diskSwapins[group] = (this.#diskSwapins[group] ?? 0) + 1
  }

  /** Uses up the credit of recent swap-ins from disk, `most` at most; returns how much that was. */
  takeCredit(group: number, most: number): number {
    const credit = Math.min(most, this.#diskSwapins[group] ?? 0)
    this.#diskSwapins[group] = (this.#diskSwapins[group] ?? 0) - credit
    return credit
  }

  /** Against what the slots hold, by group. */
  check(check: BackendCheck, bytes: Float64Array, stored: Float64Array): void {
    for (let group = 0; group < this.groups; group++) {
      check.equal(`bytes of memcg ${group - 1}`, this.#bytes[group] ?? 0, bytes[group] ?? 0)
      check.equal(`pages of memcg ${group - 1}`, this.#stored[group] ?? 0, stored[group] ?? 0)
    }
  }
}
