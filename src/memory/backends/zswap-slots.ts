import { FIRST_LENGTH, grown, SlotTable } from './slot-table.ts'

/** zswap's entries, and pages that it left to the device. */
export class ZswapSlots extends SlotTable {
  referenced = new Uint8Array(FIRST_LENGTH)
  /** Read since it was stored: dropping it then loses nothing that was stored in vain. */
  loaded = new Uint8Array(FIRST_LENGTH)
  memcg = new Int16Array(FIRST_LENGTH)
  node = new Uint8Array(FIRST_LENGTH)

  constructor() {
    super('zswap')
  }

  protected override grow(length: number): void {
    super.grow(length)
    this.referenced = grown(this.referenced, new Uint8Array(length))
    this.loaded = grown(this.loaded, new Uint8Array(length))
    this.memcg = grown(this.memcg, new Int16Array(length))
    this.node = grown(this.node, new Uint8Array(length))
  }
}
