import type { Pool } from '../pools/pool.ts'
import { INCOMPRESSIBLE, type ZramSlots } from './zram-slots.ts'

export type WritebackMode =
  | 'idle'
  | 'huge'
  | 'huge_idle'
  | 'incompressible'
  | { readonly pageIndex: number }

export interface RecompressOptions {
  /** Only idle, only huge, only huge idle pages; absent = all. */
  readonly type?: 'idle' | 'huge' | 'huge_idle'
  /** Objects below this size are left alone; must be below huge_class_size. */
  readonly threshold?: number
  /** Position in `recompressors`; absent = each in turn. */
  readonly codec?: number
  readonly nowNs?: number
}

/** Which slots zram's post-processing takes, and in which order. */
export class ZramCandidates {
  readonly #slots: ZramSlots
  readonly #pool: Pool
  readonly #largestFirst: boolean

  /** `largestFirst`: from the largest 64-byte bucket down, as after 6.12; else by index. */
  constructor(slots: ZramSlots, pool: Pool, largestFirst: boolean) {
    this.#slots = slots
    this.#pool = pool
    this.#largestFirst = largestFirst
  }

  forWriteback(mode: WritebackMode): number[] {
    return this.#inOrder((slot) => this.wantsWriteback(slot, mode))
  }

  forRecompression(type: RecompressOptions['type'], threshold: number): number[] {
    return this.#inOrder((slot) => this.#wantsRecompression(slot, type, threshold))
  }

  wantsWriteback(slot: number, mode: WritebackMode): boolean {
    if (typeof mode === 'object') return slot === mode.pageIndex
    if (mode === 'incompressible') return this.#slots.hasFlag(slot, INCOMPRESSIBLE)
    return this.#slots.isOfType(slot, mode)
  }

  #wantsRecompression(slot: number, type: RecompressOptions['type'], threshold: number): boolean {
    if (this.#slots.hasFlag(slot, INCOMPRESSIBLE)) return false
    if (this.#sizeOf(slot) < threshold) return false
    return type === undefined || this.#slots.isOfType(slot, type)
  }

  #inOrder(wants: (slot: number) => boolean): number[] {
    const slots: number[] = []
    for (let slot = 0; slot < this.#slots.length; slot++)
      if (this.#slots.isInPool(slot) && wants(slot)) slots.push(slot)
    if (!this.#largestFirst) return slots
    const bucket = (slot: number) => Math.floor(this.#sizeOf(slot) / 64)
    return slots.sort((a, b) => bucket(b) - bucket(a) || a - b)
  }

  #sizeOf(slot: number): number {
    return this.#pool.sizeOf(this.#slots.handle[slot] ?? 0)
  }
}
