/**
 * Pending events of a simulation, at most one per id: a tournament tree over (time, order of scheduling) in typed arrays. A change walks one
 * path from its leaf to the root; there is nothing to move. Equal times come out in the order in which they were scheduled.
 */
export class EventQueue {
  length = 0
  /** Leaves; a power of two. */
  #size: number
  /** Times of the winners of every subtree; the root is 1, leaf `id` is at `size + id`. Infinity = nothing pending there. */
  #times: Float64Array
  #ids: Int32Array
  /** By id. */
  #sequences: Float64Array
  #sequence = 0
  /** The popped event, whose path is not yet walked: the next one to be scheduled is often its own successor. */
  #popped = -1

  constructor(ids: number) {
    this.#size = powerOfTwo(Math.max(2, ids))
    this.#times = new Float64Array(2 * this.#size).fill(Number.POSITIVE_INFINITY)
    this.#ids = leaves(this.#size)
    this.#sequences = new Float64Array(this.#size)
  }

  /** Time of the earliest event; Infinity when there is none. */
  get nextTime(): number {
    return this.#popped < 0 ? (this.#times[1] as number) : this.#earliestBut(this.#popped)
  }

  /** Ids from 0 to `ids` - 1 may be scheduled from now on. */
  reserve(ids: number): void {
    if (ids <= this.#size) return
    if (this.#popped >= 0) this.#settle()
    const had = this.#size
    const times = this.#times.slice(had)
    const sequences = this.#sequences
    this.#size = powerOfTwo(ids)
    this.#times = new Float64Array(2 * this.#size).fill(Number.POSITIVE_INFINITY)
    this.#ids = leaves(this.#size)
    this.#sequences = new Float64Array(this.#size)
    this.#sequences.set(sequences)
    for (let id = 0; id < had; id++) this.#set(id, times[id] as number)
  }

  /** Sets or moves the event of `id`. */
  schedule(id: number, time: number): void {
    if (this.#popped === id) this.#popped = -1
    else if (this.#popped >= 0) this.#settle()
    this.#sequences[id] = this.#sequence++
    if (this.#times[this.#size + id] === Number.POSITIVE_INFINITY) this.length++
    this.#set(id, time)
  }

  cancel(id: number): void {
    if (this.#times[this.#size + id] === Number.POSITIVE_INFINITY) return
    this.length--
    this.#set(id, Number.POSITIVE_INFINITY)
  }

  /** Removes the earliest event and returns its id; -1 when there is none. Its time was `nextTime`. */
  pop(): number {
    if (this.#popped >= 0) this.#settle()
    if (this.length === 0) return -1
    const id = this.#ids[1] as number
    this.length--
    this.#times[this.#size + id] = Number.POSITIVE_INFINITY
    this.#popped = id
    return id
  }

  /** Time at which `id` is due; Infinity when it is not pending. */
  timeOf(id: number): number {
    return this.#times[this.#size + id] as number
  }

  /** What its path's other subtrees hold. */
  #earliestBut(id: number): number {
    const times = this.#times
    let earliest = Number.POSITIVE_INFINITY
    for (let node = this.#size + id; node > 1; node >>= 1) {
      const other = times[node ^ 1] as number
      if (other < earliest) earliest = other
    }
    return earliest
  }

  #settle(): void {
    const id = this.#popped
    this.#popped = -1
    this.#set(id, Number.POSITIVE_INFINITY)
  }

  /** Every match on the way to the root is played again; `winner` comes from below, its opponent is the neighbour. */
  #set(id: number, time: number): void {
    const times = this.#times
    const ids = this.#ids
    let node = this.#size + id
    let winner = id
    let best = time
    times[node] = time
    while (node > 1) {
      const other = times[node ^ 1] as number
      if (other <= best) {
        const opponent = ids[node ^ 1] as number
        if (
          other < best ||
          (this.#sequences[opponent] as number) < (this.#sequences[winner] as number)
        ) {
          best = other
          winner = opponent
        }
      }
      node >>= 1
      times[node] = best
      ids[node] = winner
    }
  }
}

function powerOfTwo(least: number): number {
  let size = 1
  while (size < least) size *= 2
  return size
}

/** Every leaf wins for itself; what an empty subtree names does not matter. */
function leaves(size: number): Int32Array {
  const ids = new Int32Array(2 * size)
  for (let id = 0; id < size; id++) ids[size + id] = id
  return ids
}
