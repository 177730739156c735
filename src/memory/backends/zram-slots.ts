import { FIRST_LENGTH, grown, SlotTable } from './slot-table.ts'

/** What a slot holds. */
export const EMPTY = 0
export const OBJECT = 1
export const RAW = 2
export const SAME = 3
export const BACKED = 4

/** Flags of a slot. */
export const IDLE = 1
export const INCOMPRESSIBLE = 2
/** Read since it was stored: dropping it loses nothing that was stored in vain. */
export const LOADED = 4

/** zram's table entries. */
export class ZramSlots extends SlotTable {
  flags = new Uint8Array(FIRST_LENGTH)
  /** Which algorithm the object is in; 0 = the primary one. */
  algorithm = new Uint8Array(FIRST_LENGTH)
  accessNs = new Float64Array(FIRST_LENGTH)

  constructor() {
    super('zram')
  }

  isInPool(slot: number): boolean {
    const kind = this.kind[slot]
    return kind === OBJECT || kind === RAW
  }

  hasFlag(slot: number, flag: number): boolean {
    return ((this.flags[slot] ?? 0) & flag) !== 0
  }

  setFlag(slot: number, flag: number): void {
    this.flags[slot] = (this.flags[slot] ?? 0) | flag
  }

  clearFlag(slot: number, flag: number): void {
    this.flags[slot] = (this.flags[slot] ?? 0) & ~flag
  }

  isOfType(slot: number, type: 'idle' | 'huge' | 'huge_idle'): boolean {
    const isHuge = this.kind[slot] === RAW
    const isIdle = this.hasFlag(slot, IDLE)
    return type === 'idle' ? isIdle : type === 'huge' ? isHuge : isHuge && isIdle
  }

  /** Marks slots as idle: all of them, or those not accessed for `olderThanNs`. Same-filled and written back slots never are. */
  markIdle(nowNs: number, olderThanNs: number): number {
    let marked = 0
    for (let slot = 0; slot < this.length; slot++) {
      if (!this.isInPool(slot)) continue
      if (olderThanNs > 0 && nowNs - (this.accessNs[slot] ?? 0) < olderThanNs) continue
      this.setFlag(slot, IDLE)
      marked++
    }
    return marked
  }

  protected override grow(length: number): void {
    super.grow(length)
    this.flags = grown(this.flags, new Uint8Array(length))
    this.algorithm = grown(this.algorithm, new Uint8Array(length))
    this.accessNs = grown(this.accessNs, new Float64Array(length))
  }
}
