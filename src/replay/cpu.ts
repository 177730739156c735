import { NS_AT_FIRST, type Thread } from './thread.ts'

/** A CPU with its fair run queue. */
export class Cpu {
  readonly index: number
  readonly node: number
  readonly speed: number
  current: Thread | undefined = undefined
  readonly queue: Thread[] = []
  /** Leaving idle: the queue's thread runs when the CPU's event comes. */
  waking = false
  needResched = false
  /** When `current` began its slice and when its progress was last taken. */
  sliceStart = NS_AT_FIRST
  progressAt = NS_AT_FIRST
  minVruntime = NS_AT_FIRST
  last: Thread | undefined = undefined
  busyNs = NS_AT_FIRST

  constructor(index: number, node: number, speed: number) {
    this.index = index
    this.node = node
    this.speed = speed
    this.sliceStart = 0
    this.progressAt = 0
    this.minVruntime = 0
    this.busyNs = 0
  }

  get isIdle(): boolean {
    return this.current === undefined && this.queue.length === 0
  }

  /** When work of so many ns at speed 1 ends that begins at `now`. */
  endOf(ns: number, now: number): number {
    return now + (this.speed === 1 ? ns : Math.ceil(ns / this.speed))
  }

  /** Threads that run or wait here. */
  get load(): number {
    return this.queue.length + (this.current === undefined ? 0 : 1)
  }

  /** vruntime of a thread whose program runs: its elapsed time is not progress on work. Returns that time, ns. */
  charge(now: number): number {
    const { current } = this
    const elapsed = now - this.progressAt
    if (current === undefined || elapsed <= 0) return 0
    current.vruntime += elapsed
    this.busyNs += elapsed
    this.progressAt = now
    return elapsed
  }

  /** Takes the work done by the CPU's thread since the last look. */
  progress(now: number): void {
    const elapsed = this.charge(now)
    const { current } = this
    if (elapsed === 0 || current === undefined || current.spinning) return
    const done = this.speed === 1 ? elapsed : Math.floor(elapsed * this.speed)
    current.work = Math.max(0, current.work - done)
  }

  /** Smallest vruntime of those that wait; Infinity when nobody does. */
  get leastWaiting(): number {
    let least = Number.POSITIVE_INFINITY
    for (const { vruntime } of this.queue) if (vruntime < least) least = vruntime
    return least
  }

  /** Raises `minVruntime` to that of its threads, whose progress must have been taken. */
  raiseMinVruntime(): number {
    const least = Math.min(this.leastWaiting, this.current?.vruntime ?? Number.POSITIVE_INFINITY)
    if (least !== Number.POSITIVE_INFINITY && least > this.minVruntime) this.minVruntime = least
    return this.minVruntime
  }

  /** Takes the one with the smallest vruntime out of the queue, which is not empty. */
  takeNext(): Thread {
    const { queue } = this
    let best = 0
    for (let place = 1; place < queue.length; place++)
      if ((queue[place] as Thread).vruntime < (queue[best] as Thread).vruntime) best = place
    const thread = queue[best] as Thread
    queue.splice(best, 1)
    return thread
  }

  /** Place in the queue of the first thread that may run on the other CPU; -1 = there is none. */
  firstFor(other: Cpu): number {
    return this.queue.findIndex((thread) => thread.allowed[other.index] === 1)
  }
}
