/**
 * Order within one lane. Each page gets a submit rank at the gate, a start rank when it is popped or its inline store begins, and a done rank
 * when it is stored. Inversions are counted as pairs: a start overtakes every page that was submitted before it and has not started.
 */
export class Lane {
  submitted = 0
  started = 0
  done = 0
  startInversions = 0
  doneInversions = 0
  startDisplacement = 0
  doneDisplacement = 0
  /** The newest page's rank. */
  #latest = 0
  readonly #toStart = new Waiting()
  readonly #toFinish = new Waiting()

  /** Returns the submit rank, from 1. */
  submit(): number {
    this.submitted++
    this.#latest++
    return this.#latest
  }

  /** The submit was no submit after all: the page bypasses the queue. The latest one's rank is the next page's. */
  withdraw(submitRank: number): void {
    this.submitted--
    if (submitRank === this.#latest) this.#latest--
    else {
      this.#toStart.take(submitRank)
      this.#toFinish.take(submitRank)
    }
  }

  start(submitRank: number): number {
    const rank = ++this.started
    this.startInversions += this.#toStart.take(submitRank)
    const displacement = rank > submitRank ? rank - submitRank : submitRank - rank
    if (displacement > this.startDisplacement) this.startDisplacement = displacement
    return rank
  }

  finish(submitRank: number): number {
    const rank = ++this.done
    this.doneInversions += this.#toFinish.take(submitRank)
    const displacement = rank > submitRank ? rank - submitRank : submitRank - rank
    if (displacement > this.doneDisplacement) this.doneDisplacement = displacement
    return rank
  }
}

/** Words in a block, and in a row of blocks. */
const BLOCK_SHIFT = 3
const BLOCK = 1 << BLOCK_SHIFT
const ROW_SHIFT = 6
const ROW = 1 << ROW_SHIFT

/**
 * The ranks still waiting: all from the oldest on but those that overtook it. These are marked: a bit for each, in words of 32 ranks,
 * with a count for each block of words and for each row of blocks so that a long way back is counted quickly. All are rings over the window
 * between the oldest rank that waits and the newest that is marked. What is taken in order, as most is, touches none of them.
 */
class Waiting {
  #oldest = 1
  /** How many are marked. */
  #marked = 0
  #words = new Int32Array(2 * ROW)
  #blocks = new Int32Array(2 * BLOCK)
  #rows = new Int32Array(2)

  /** Removes the rank; returns how many smaller ones still wait. */
  take(rank: number): number {
    if (rank !== this.#oldest) return this.#takeLater(rank)
    this.#oldest++
    if (this.#marked > 0) this.#passMarked()
    return 0
  }

  #takeLater(rank: number): number {
    this.#reach(rank >>> 5)
    const overtaken = rank - this.#oldest - (this.#marked > 0 ? this.#markedBefore(rank) : 0)
    this.#mark(rank)
    return overtaken
  }

  /** The rings hold the window up to the word from now on. */
  #reach(word: number): void {
    // The row in which the window begins must not be the one in which it ends, a round later.
    if (word - (this.#oldest >>> 5) > this.#words.length - ROW) this.#grow(word)
  }

  #mark(rank: number): void {
    const word = rank >>> 5
    const place = word & (this.#words.length - 1)
    this.#words[place] = (this.#words[place] as number) | (1 << (rank & 31))
    this.#changeCounts(word, 1)
    this.#marked++
  }

  #passMarked(): void {
    const words = this.#words
    const mask = words.length - 1
    for (;;) {
      const word = this.#oldest >>> 5
      const bit = 1 << (this.#oldest & 31)
      const bits = words[word & mask] as number
      if ((bits & bit) === 0) return
      words[word & mask] = bits & ~bit
      this.#changeCounts(word, -1)
      this.#marked--
      this.#oldest++
    }
  }

  /** Rows, then blocks, then words: what lies before the oldest rank in the same ones is not marked, so that all are counted whole. */
  #markedBefore(rank: number): number {
    const words = this.#words
    const mask = words.length - 1
    const end = rank >>> 5
    const endBlock = end >>> BLOCK_SHIFT
    const endRow = end >>> ROW_SHIFT
    let count = bitsOf((words[end & mask] as number) & ((1 << (rank & 31)) - 1))
    for (let row = this.#oldest >>> (5 + ROW_SHIFT); row < endRow; row++)
      count += this.#rows[row & (mask >>> ROW_SHIFT)] as number
    for (let block = endRow << (ROW_SHIFT - BLOCK_SHIFT); block < endBlock; block++)
      count += this.#blocks[block & (mask >>> BLOCK_SHIFT)] as number
    for (let word = endBlock << BLOCK_SHIFT; word < end; word++)
      count += bitsOf(words[word & mask] as number)
    return count
  }

  #changeCounts(word: number, by: number): void {
    const place = word & (this.#words.length - 1)
    const block = place >>> BLOCK_SHIFT
    this.#blocks[block] = (this.#blocks[block] as number) + by
    const row = place >>> ROW_SHIFT
    this.#rows[row] = (this.#rows[row] as number) + by
  }

  #grow(word: number): void {
    const words = this.#words
    const first = this.#oldest >>> 5
    let size = words.length
    while (word - first > size - ROW) size *= 2
    this.#words = new Int32Array(size)
    this.#blocks = new Int32Array(size / BLOCK)
    this.#rows = new Int32Array(size / ROW)
    for (let at = first; at < first + words.length; at++) {
      const bits = words[at & (words.length - 1)] as number
      this.#words[at & (size - 1)] = bits
      this.#changeCounts(at, bitsOf(bits))
    }
  }
}

/** How many bits are set, added up in pairs, fours and bytes. */
function bitsOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
