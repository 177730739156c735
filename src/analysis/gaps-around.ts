import type { Gap, Hidden } from './hidden.ts'
import type { GapRow } from './hidden-gaps.ts'
import { isCut, type SpanRow } from './stall-reach.ts'

/** Which gaps cut which spans and stalls. Gaps of which nothing tells when they were cut none. */
export class GapsAround {
  /** Those of which it was estimated what they hide. */
  readonly drawn: readonly Gap[]
  readonly #placed: readonly GapRow[]

  constructor(gaps: readonly GapRow[], hidden: Hidden | undefined) {
    this.#placed = gaps.filter(({ isPlaced }) => isPlaced)
    this.drawn = (hidden?.gaps ?? []).filter(({ isPlaced }) => isPlaced)
  }

  /** Goes on after a gap: begins at its end, or with a wait whose end tells that it began within. */
  isAfterGap({ cpu, start_ns: start }: SpanRow): boolean {
    return this.#placed.some(
      (gap) => gap.cpu === cpu && gap.start_ns <= start && start <= gap.end_ns,
    )
  }

  /** Of these rows, those that may have begun unseen. */
  countBegunUnseen(rows: readonly SpanRow[]): number {
    return rows.filter((row) => isCut(row, 'start') && this.isAfterGap(row)).length
  }

  before(row: SpanRow): Gap | undefined {
    return this.drawn.find(
      ({ cpu, startNs, endNs }) =>
        cpu === row.cpu && startNs <= row.start_ns && row.start_ns <= endNs,
    )
  }

  after(row: SpanRow): Gap | undefined {
    return this.drawn.find(
      ({ cpu, startNs, endNs }) => cpu === row.cpu && startNs <= row.end_ns && row.end_ns <= endNs,
    )
  }

  /** Of a stall that is known through from before a gap to after it, because its wait told how long it had been. */
  within(row: SpanRow): Gap | undefined {
    return this.drawn.find(
      ({ cpu, startNs, endNs }) =>
        cpu === row.cpu && startNs <= row.end_ns && endNs >= row.start_ns && endNs <= row.end_ns,
    )
  }

  /** The gap that cuts it there; undefined for a row that is cut: the recording's begin or end does, beyond which nothing bounds it. */
  cutting(row: SpanRow, where: 'start' | 'end'): Gap | undefined {
    return (where === 'start' ? this.before(row) : this.after(row)) ?? this.within(row)
  }

  /** Rows that may be one, cut in two by a gap: index of the earlier row to the later. */
  pairsOf(rows: readonly SpanRow[]): Map<number, number> {
    const pairs = new Map<number, number>()
    for (let i = 0; i + 1 < rows.length; i++) {
      const [one, next] = [rows[i], rows[i + 1]]
      if (one === undefined || next === undefined) continue
      if (one.tid !== next.tid || one.kind !== next.kind) continue
      if (!isCut(next, 'start') || !this.isAfterGap(next)) continue
      // What follows a wait in throttling may belong to it.
      if (!isCut(one, 'end') && one.kinds !== 'throttle') continue
      pairs.set(i, i + 1)
    }
    return pairs
  }
}
