import type { SlowSpan, SlowSwapin, SlowSwapout } from './case.ts'

/** What the run tells of itself. Ranks: the order in which kswapd's folios were submitted, taken up and stored. */
export class Log {
  readonly swapouts: SlowSwapout[] = []
  readonly swapins: SlowSwapin[] = []
  readonly spans: SlowSpan[] = []
  readonly kswapdSpans: (readonly [number, number])[] = []
  #submitted = 0
  #started = 0
  #done = 0

  swapOut(of: Pick<SlowSwapout, 'page' | 'slot' | 'by' | 'context' | 'submit'>): SlowSwapout {
    const row: SlowSwapout = {
      id: this.swapouts.length + 1,
      ...of,
      path: 'bypass',
      start: null,
      stored: null,
      freed: null,
      handed: null,
      storedBy: null,
      submitRank: null,
      startRank: null,
      doneRank: null,
    }
    this.swapouts.push(row)
    return row
  }

  submit(row: SlowSwapout): void {
    row.submitRank = ++this.#submitted
  }

  takeUp(row: SlowSwapout): void {
    if (row.submitRank !== null) row.startRank = ++this.#started
  }

  finish(row: SlowSwapout): void {
    if (row.submitRank !== null) row.doneRank = ++this.#done
  }
}
