/** An event is its time and its id. */
const SIZE = 2
/** Events for which there is room, for each id: the pending ones lie in the middle, and seldom have to be moved there again. */
const ROOM = 32

/**
 * Pending events of a simulation, at most one per id: a list in order of time, in which an insertion moves whichever side of it is shorter. It
 * is made for the tens of events that CPUs and timers have pending: the next one is always at hand, and its successor is mostly among the first
 * or the last. Equal times come out in the order in which they were scheduled.
 */
export class EventQueue {
  /** From `head` to `tail`; at `tail` stands Infinity. */
  #events: Float64Array
  #head: number
  #tail: number
  /** By id. */
  #isPending: Uint8Array

  constructor(ids: number) {
    this.#isPending = new Uint8Array(ids)
    this.#events = eventsFor(ids)
    this.#head = this.#events.length / 2
    this.#tail = this.#head
    this.#events[this.#tail] = Number.POSITIVE_INFINITY
  }

  get length(): number {
    return (this.#tail - this.#head) / SIZE
  }

  /** Time of the earliest event; Infinity when there is none. */
  get nextTime(): number {
    return this.#events[this.#head] as number
  }

  /** Ids from 0 to `ids` - 1 may be scheduled from now on. */
  reserve(ids: number): void {
    if (ids <= this.#isPending.length) return
    const isPending = new Uint8Array(2 * ids)
    isPending.set(this.#isPending)
    this.#isPending = isPending
    this.#moveToMiddle(eventsFor(isPending.length))
  }

  /** Sets or moves the event of `id`. */
  schedule(id: number, time: number): void {
    if (this.#isPending[id] === 1) this.cancel(id)
    this.#isPending[id] = 1
    if (this.#head < SIZE || this.#tail + SIZE >= this.#events.length)
      this.#moveToMiddle(this.#events)
    this.#insert(id, time)
  }

  cancel(id: number): void {
    if (this.#isPending[id] === 0) return
    this.#isPending[id] = 0
    const events = this.#events
    const head = this.#head
    let place = head
    while (events[place + 1] !== id) place += SIZE
    for (; place > head; place -= SIZE) {
      events[place] = events[place - SIZE] as number
      events[place + 1] = events[place - SIZE + 1] as number
    }
    this.#head = head + SIZE
  }

  /** Removes the earliest event and returns its id; -1 when there is none. Its time was `nextTime`. */
  pop(): number {
    const head = this.#head
    if (head === this.#tail) return -1
    const id = this.#events[head + 1] as number
    this.#head = head + SIZE
    this.#isPending[id] = 0
    return id
  }

  /** Those before it make room, or those after it. In one place: two functions are a seventh slower. */
  #insert(id: number, time: number): void {
    const events = this.#events
    const head = this.#head
    const middle = head + ((this.#tail - head) >> 2) * SIZE
    let place: number
    if (time < (events[middle] as number)) {
      place = head - SIZE
      this.#head = place
      for (let next = place + SIZE; (events[next] as number) <= time; next += SIZE) {
        events[place] = events[next] as number
        events[place + 1] = events[next + 1] as number
        place = next
      }
    } else {
      place = this.#tail
      this.#tail = place + SIZE
      events[place + SIZE] = Number.POSITIVE_INFINITY
      for (; place > head; place -= SIZE) {
        const previous = events[place - SIZE] as number
        if (previous <= time) break
        events[place] = previous
        events[place + 1] = events[place - SIZE + 1] as number
      }
    }
    events[place] = time
    events[place + 1] = id
  }

  #moveToMiddle(events: Float64Array): void {
    const used = this.#tail - this.#head
    const head = ((events.length - used) >> 2) * SIZE
    events.set(this.#events.subarray(this.#head, this.#tail), head)
    this.#events = events
    this.#head = head
    this.#tail = head + used
    events[this.#tail] = Number.POSITIVE_INFINITY
  }
}

function eventsFor(ids: number): Float64Array {
  return new Float64Array(SIZE * ROOM * Math.max(1, ids))
}
