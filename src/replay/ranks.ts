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
  readonly #toStart = new Waiting()
  readonly #toFinish = new Waiting()

  /** Returns the submit rank, from 1. */
  submit(): number {
    const rank = ++this.submitted
    this.#toStart.add(rank)
    this.#toFinish.add(rank)
    return rank
  }

  /** The latest submit was no submit after all: the page bypasses the queue. */
  withdraw(submitRank: number): void {
    this.#toStart.take(submitRank)
    this.#toFinish.take(submitRank)
    this.submitted--
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
 * The ranks still waiting: a bit for each, in words of 32 ranks, with a count for each block of words and for each row of blocks so that a long
 * way back is counted quickly. All are rings over the window between the oldest rank that waits and the newest.
 */
class Waiting {
  #words = new Int32Array(2 * ROW)
  #blocks = new Int32Array(2 * BLOCK)
  #rows = new Int32Array(2)
  /** No word before this one has a rank in it. */
  #first = 0
  #count = 0

  /** Ranks come in increasing order. */
  add(rank: number): void {
    const word = rank >>> 5
    if (this.#count === 0) this.#first = word
    // The row in which the window begins must not be the one in which it ends, a round later.
    if (word - this.#first > this.#words.length - ROW) this.#grow(word)
    const place = word & (this.#words.length - 1)
    this.#words[place] = (this.#words[place] as number) | (1 << (rank & 31))
    this.#changeCounts(word, 1)
    this.#count++
  }

  /** Removes the rank; returns how many smaller ones still wait. */
  take(rank: number): number {
    const words = this.#words
    const mask = words.length - 1
    const word = rank >>> 5
    const bit = 1 << (rank & 31)
    words[word & mask] = (words[word & mask] as number) & ~bit
    this.#changeCounts(word, -1)
    this.#count--
    if (this.#count === 0) return 0
    let at = this.#first
    while (words[at & mask] === 0) at++
    this.#first = at
    if (at > word) return 0
    return this.#countWords(at, word) + bitsOf((words[word & mask] as number) & (bit - 1))
  }

  /** Ranks in the words from `from` on that are before `end`. */
  #countWords(from: number, end: number): number {
    const words = this.#words
    const mask = words.length - 1
    let count = 0
    let at = from
    while (at < end) {
      if ((at & (ROW - 1)) === 0 && end - at >= ROW) {
        count += this.#rows[(at & mask) >>> ROW_SHIFT] as number
        at += ROW
      } else if ((at & (BLOCK - 1)) === 0 && end - at >= BLOCK) {
        count += this.#blocks[(at & mask) >>> BLOCK_SHIFT] as number
        at += BLOCK
      } else {
        count += bitsOf(words[at & mask] as number)
        at++
      }
    }
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
    let size = words.length
    while (word - this.#first > size - ROW) size *= 2
    this.#words = new Int32Array(size)
    this.#blocks = new Int32Array(size / BLOCK)
    this.#rows = new Int32Array(size / ROW)
    for (let at = this.#first; at < this.#first + words.length; at++) {
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
