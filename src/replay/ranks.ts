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

/** The ranks still waiting: a Fenwick tree over a window of ranks that moves with the oldest. */
class Waiting {
  #size = 1024
  #tree = new Int32Array(this.#size + 1)
  #present = new Uint8Array(this.#size)
  /** Every waiting rank is above `#base` and at most `#base + #size`. */
  #base = 0
  #count = 0
  #last = 0

  /** Ranks come in increasing order. */
  add(rank: number): void {
    this.#last = rank
    if (rank - this.#base > this.#size) this.#rebase(rank)
    this.#present[rank - this.#base - 1] = 1
    this.#change(rank - this.#base, 1)
    this.#count++
  }

  /** Removes the rank; returns how many smaller ones still wait. */
  take(rank: number): number {
    let place = rank - this.#base
    this.#present[place - 1] = 0
    this.#change(place, -1)
    this.#count--
    if (this.#count === 0) return 0
    let smaller = 0
    for (; place > 0; place -= place & -place) smaller += this.#tree[place] as number
    return smaller
  }

  #change(from: number, by: number): void {
    const tree = this.#tree
    for (let place = from; place <= this.#size; place += place & -place)
      tree[place] = (tree[place] as number) + by
  }

  #rebase(rank: number): void {
    const present = this.#present
    const had = this.#size
    let first = present.indexOf(1)
    if (first < 0) first = had
    const base = this.#count === 0 ? rank - 1 : this.#base + first
    let size = had
    while (rank - base > size - (size >> 2)) size *= 2
    const moved = new Uint8Array(size)
    if (this.#count > 0)
      moved.set(present.subarray(first, Math.min(had, this.#last - this.#base)), 0)
    this.#base = base
    this.#size = size
    this.#present = moved
    this.#tree = new Int32Array(size + 1)
    for (let place = 1; place <= size; place++) {
      this.#tree[place] = (this.#tree[place] as number) + (moved[place - 1] as number)
      const parent = place + (place & -place)
      if (parent <= size)
        this.#tree[parent] = (this.#tree[parent] as number) + (this.#tree[place] as number)
    }
  }
}
