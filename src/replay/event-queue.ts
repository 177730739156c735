/**
 * Pending events of a simulation, one per id: a binary heap over (time, sequence) in typed arrays, with the position of each id so that an
 * event can be moved or cancelled. Equal times come out in the order in which they were scheduled.
 */
export class EventQueue {
  /** Time of the earliest event; Infinity when there is none. */
  nextTime = Number.POSITIVE_INFINITY
  length = 0
  #times: Float64Array
  #sequences: Float64Array
  #heap: Int32Array
  /** Position of each id in the heap, -1 = not pending. */
  #places: Int32Array
  #sequence = 0
  /** The root was popped and not yet replaced: the next event to be scheduled usually takes its place with one walk down. */
  #hole = false

  constructor(ids: number) {
    this.#times = new Float64Array(ids)
    this.#sequences = new Float64Array(ids)
    this.#heap = new Int32Array(ids)
    this.#places = new Int32Array(ids).fill(-1)
  }

  /** Ids from 0 to `ids` - 1 may be scheduled from now on. */
  reserve(ids: number): void {
    const had = this.#places.length
    if (ids <= had) return
    const size = Math.max(ids, had * 2)
    const places = new Int32Array(size).fill(-1)
    places.set(this.#places)
    this.#places = places
    const times = new Float64Array(size)
    times.set(this.#times)
    this.#times = times
    const sequences = new Float64Array(size)
    sequences.set(this.#sequences)
    this.#sequences = sequences
    const heap = new Int32Array(size)
    heap.set(this.#heap)
    this.#heap = heap
  }

  /** Sets or moves the event of `id`. */
  schedule(id: number, time: number): void {
    this.#times[id] = time
    this.#sequences[id] = this.#sequence++
    const place = this.#places[id] as number
    if (place < 0) {
      this.length++
      if (this.#hole) {
        this.#hole = false
        this.#down(0, id)
      } else this.#up(this.length - 1, id)
    } else {
      this.#fillHole()
      this.#moveFrom(id)
    }
    this.nextTime = this.#times[this.#heap[0] as number] as number
  }

  #moveFrom(id: number): void {
    this.#up(this.#places[id] as number, id)
    this.#down(this.#places[id] as number, id)
  }

  /** The last event takes the popped one's place. */
  #fillHole(): void {
    if (!this.#hole) return
    this.#hole = false
    if (this.length > 0) this.#down(0, this.#heap[this.length] as number)
  }

  cancel(id: number): void {
    if ((this.#places[id] as number) < 0) return
    this.#fillHole()
    const place = this.#places[id] as number
    this.#places[id] = -1
    const last = this.#heap[--this.length] as number
    if (last !== id) {
      this.#up(place, last)
      this.#down(this.#places[last] as number, last)
    }
    this.nextTime =
      this.length === 0
        ? Number.POSITIVE_INFINITY
        : (this.#times[this.#heap[0] as number] as number)
  }

  /** Removes the earliest event and returns its id; -1 when there is none. Its time was `nextTime`. */
  pop(): number {
    if (this.length === 0) return -1
    this.#fillHole()
    const heap = this.#heap
    const first = heap[0] as number
    this.#places[first] = -1
    this.length--
    this.#hole = true
    if (this.length === 0) {
      this.#hole = false
      this.nextTime = Number.POSITIVE_INFINITY
    } else {
      const left = this.#times[heap[1] as number] as number
      const right = this.length > 1 ? (this.#times[heap[2] as number] as number) : left
      this.nextTime = Math.min(left, right)
    }
    return first
  }

  /** Time at which `id` is due; Infinity when it is not pending. */
  timeOf(id: number): number {
    return (this.#places[id] as number) < 0 ? Number.POSITIVE_INFINITY : (this.#times[id] as number)
  }

  #up(from: number, id: number): void {
    const heap = this.#heap
    const places = this.#places
    const times = this.#times
    const time = times[id] as number
    const sequence = this.#sequences[id] as number
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      const other = heap[parent] as number
      const otherTime = times[other] as number
      if (otherTime < time || (otherTime === time && (this.#sequences[other] as number) < sequence))
        break
      heap[place] = other
      places[other] = place
      place = parent
    }
    heap[place] = id
    places[id] = place
  }

  #down(from: number, id: number): void {
    const heap = this.#heap
    const places = this.#places
    const times = this.#times
    const sequences = this.#sequences
    const length = this.length
    const time = times[id] as number
    const sequence = sequences[id] as number
    let place = from
    for (;;) {
      let child = place * 2 + 1
      if (child >= length) break
      let candidate = heap[child] as number
      let candidateTime = times[candidate] as number
      if (child + 1 < length) {
        const right = heap[child + 1] as number
        const rightTime = times[right] as number
        if (
          rightTime < candidateTime ||
          (rightTime === candidateTime &&
            (sequences[right] as number) < (sequences[candidate] as number))
        ) {
          child++
          candidate = right
          candidateTime = rightTime
        }
      }
      if (
        time < candidateTime ||
        (time === candidateTime && sequence < (sequences[candidate] as number))
      )
        break
      heap[place] = candidate
      places[candidate] = place
      place = child
    }
    heap[place] = id
    places[id] = place
  }
}
