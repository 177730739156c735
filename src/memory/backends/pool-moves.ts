import type { Place, PoolMove } from './backend.ts'
import type { SlotTable } from './slot-table.ts'

/** Tells whoever listens of each page that a backend moves, with one object for all. */
export class PoolMoves {
  listener: ((move: PoolMove) => void) | undefined = undefined
  readonly #move: { -readonly [K in keyof PoolMove]: PoolMove[K] } = {
    slot: 0,
    page: 0,
    from: 'zram',
    to: 'disk',
    reason: 'writeback',
    ageNs: 0,
  }
  readonly #slots: SlotTable

  constructor(slots: SlotTable) {
    this.#slots = slots
  }

  /** Of the page that the slot holds, or held last. */
  reportHeld(
    slot: number,
    from: Place,
    to: Place,
    reason: PoolMove['reason'],
    nowNs: number,
  ): void {
    const { page } = this.#slots
    this.report(slot, page[slot] ?? 0, from, to, reason, this.#slots.ageNs(slot, nowNs))
  }

  report(
    slot: number,
    page: number,
    from: Place,
    to: Place,
    reason: PoolMove['reason'],
    ageNs: number,
  ): void {
    if (this.listener === undefined) return
    const move = this.#move
    move.slot = slot
    move.page = page
    move.from = from
    move.to = to
    move.reason = reason
    move.ageNs = ageNs
    this.listener(move)
  }
}
