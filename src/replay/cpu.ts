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

  /** Threads that run or wait here. */
  get load(): number {
    return this.queue.length + (this.current === undefined ? 0 : 1)
  }
}
