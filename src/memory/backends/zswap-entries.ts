import type { Pool } from '../pools/pool.ts'
import type { StoreRequest } from './backend.ts'
import type { BackendCheck } from './backend-check.ts'
import type { KeptBytes } from './kept-bytes.ts'
import type { PageCompressor } from './page-compressor.ts'
import { PoolEviction } from './pool-eviction.ts'
import type { ZswapCounts } from './zswap-counts.ts'
import type { ZswapForm } from './zswap-forms.ts'
import { ZswapLru } from './zswap-lru.ts'
import type { ZswapMemcgs } from './zswap-memcgs.ts'
import { ZswapSlots } from './zswap-slots.ts'

export const FREE = 0
export const POOLED = 1
export const SAME = 2
export const ON_DISK = 3

interface EntryParts {
  readonly pool: Pool
  readonly pageSize: number
  readonly nodes: number
  readonly form: ZswapForm
  /** A page that does not shrink enough is kept as it is. */
  readonly keepsRaw: boolean
  readonly memcgs: ZswapMemcgs
  readonly counts: ZswapCounts
  readonly compressor: PageCompressor
  readonly kept: KeptBytes
}

/** What each slot holds: an object of the pool, a same-filled page, or a page on the device; lists, charges and counts follow. */
export class ZswapEntries {
  readonly slots = new ZswapSlots()
  readonly lru: ZswapLru
  /** Of forms that evict by the pool's pages. */
  readonly eviction: PoolEviction | undefined
  readonly #parts: EntryParts

  constructor(parts: EntryParts) {
    this.#parts = parts
    this.eviction = parts.form.evictsByPool ? PoolEviction.of(parts.pool) : undefined
    this.lru = new ZswapLru(this.slots, parts.memcgs.groups, parts.nodes)
  }

  addSame(request: StoreRequest, nowNs: number): void {
    const { slot, bytes } = request
    this.dropOld(slot)
    this.slots.kind[slot] = SAME
    this.slots.keepWords(slot, bytes)
    this.#parts.counts.sameFilledPages++
    this.#enter(request, nowNs)
  }

  /** `compressed`: the bytes, where bytes are kept. */
  addPooled(
    request: StoreRequest,
    size: number,
    compressed: Uint8Array | undefined,
    nowNs: number,
  ): void {
    const { counts, kept, memcgs, pool } = this.#parts
    const { slot, bytes } = request
    const handle = pool.alloc(size)
    this.dropOld(slot)
    this.slots.kind[slot] = POOLED
    this.slots.handle[slot] = handle
    this.eviction?.note(handle, slot)
    this.slots.referenced[slot] = 1
    const isRaw = this.#isRaw(size)
    if (isRaw) counts.incompressiblePages++
    this.#enter(request, nowNs)
    memcgs.charge(request.memcg + 1, size)
    this.lru.add(slot)
    if (compressed !== undefined) kept.set(slot, isRaw ? bytes.slice() : compressed)
  }

  /** A page that was refused: it goes past those in the pool. */
  addToDisk(request: StoreRequest, nowNs: number): void {
    const { counts, kept } = this.#parts
    const { slot } = request
    this.slots.kind[slot] = ON_DISK
    this.slots.page[slot] = request.page
    this.slots.memcg[slot] = request.memcg
    this.slots.storedNs[slot] = nowNs
    counts.diskPages++
    counts.pswpout++
    if (kept.isKept) kept.set(slot, request.bytes.slice())
  }

  moveToDisk(slot: number): void {
    const { counts, kept, pageSize } = this.#parts
    const bytes = kept.isKept ? new Uint8Array(pageSize) : undefined
    if (bytes !== undefined) this.fill(slot, POOLED, bytes)
    this.drop(slot)
    if (bytes !== undefined) kept.set(slot, bytes)
    this.slots.kind[slot] = ON_DISK
    counts.diskPages++
    counts.zswpwb++
    counts.pswpout++
  }

  /** What the slot held before it is stored to. */
  dropOld(slot: number): void {
    const state = this.slots.kind[slot]
    if (state === FREE) return
    if (state === ON_DISK) {
      this.dropFromDisk(slot)
      return
    }
    this.#parts.counts.duplicates++
    this.drop(slot)
  }

  dropFromDisk(slot: number): void {
    this.slots.kind[slot] = FREE
    this.#parts.counts.diskPages--
    this.#parts.kept.delete(slot)
  }

  /** An entry in the pool, or a same-filled one. */
  drop(slot: number): void {
    const { counts, kept, memcgs, pool } = this.#parts
    const group = (this.slots.memcg[slot] ?? -1) + 1
    if (this.slots.kind[slot] === SAME) counts.sameFilledPages--
    else {
      const handle = this.slots.handle[slot] ?? 0
      const size = pool.sizeOf(handle)
      memcgs.charge(group, -size)
      if (this.#isRaw(size)) counts.incompressiblePages--
      this.lru.remove(slot)
      pool.free(handle)
    }
    kept.delete(slot)
    this.slots.kind[slot] = FREE
    counts.storedPages--
    memcgs.left(group)
  }

  fill(slot: number, state: number, target: Uint8Array): void {
    const { compressor, kept } = this.#parts
    if (state === SAME) {
      this.slots.fillWords(slot, target)
      return
    }
    const bytes = kept.borrow(slot)
    if (state === ON_DISK || this.#isRaw(bytes.length)) target.set(bytes)
    else compressor.decompress(bytes, target)
  }

  /** Of full length is raw only where raw pages are kept at all. */
  #isRaw(size: number): boolean {
    return size === this.#parts.pageSize && this.#parts.keepsRaw
  }

  check(check: BackendCheck): void {
    const { counts, memcgs, pool } = this.#parts
    let pooled = 0
    let same = 0
    let onDisk = 0
    const bytes = new Float64Array(memcgs.groups)
    const stored = new Float64Array(memcgs.groups)
    for (let slot = 0; slot < this.slots.length; slot++) {
      const state = this.slots.kind[slot]
      const group = (this.slots.memcg[slot] ?? -1) + 1
      if (state === ON_DISK) onDisk++
      if (state === POOLED) {
        pooled++
        bytes[group] = (bytes[group] ?? 0) + pool.sizeOf(this.slots.handle[slot] ?? 0)
      }
      this.lru.check(check, slot, state === POOLED)
      if (state === SAME) same++
      if (state === POOLED || state === SAME) stored[group] = (stored[group] ?? 0) + 1
    }
    check.equal('stored_pages', counts.storedPages, pooled + same)
    check.equal('same_filled_pages', counts.sameFilledPages, same)
    check.equal('pages on disk', counts.diskPages, onDisk)
    check.equal('pool objects', pool.objects, pooled)
    memcgs.check(check, bytes, stored)
  }

  #enter(request: StoreRequest, nowNs: number): void {
    const { counts, memcgs } = this.#parts
    const { slot } = request
    this.slots.page[slot] = request.page
    this.slots.memcg[slot] = request.memcg
    this.slots.node[slot] = request.node ?? 0
    this.slots.storedNs[slot] = nowNs
    this.slots.loaded[slot] = 0
    counts.storedPages++
    counts.zswpout++
    memcgs.entered(request.memcg + 1)
  }
}
