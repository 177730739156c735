import type { Sequence } from './sequences.ts'

/** FtraceEventBundle (ftrace_event_bundle.proto). */
export const BUNDLE = {
  cpu: 1,
  event: 2,
  lost: 3,
  compactSched: 4,
  clock: 5,
  ftraceTimestamp: 6,
  bootTimestamp: 7,
  error: 8,
  lastRead: 9,
  previousEnd: 10,
  descriptor: 11,
} as const
/** CompactSched in it. */
export const COMPACT = {
  switchTimestamp: 1,
  switchPrevState: 2,
  switchNextPid: 3,
  switchNextPrio: 4,
  internTable: 5,
  switchNextComm: 6,
  wakingTimestamp: 7,
  wakingPid: 8,
  wakingTargetCpu: 9,
  wakingPrio: 10,
  wakingComm: 11,
  wakingFlags: 12,
} as const

/** Where the bundles of one cpu are that one data source wrote, in the file's order, which is theirs. */
export class BundleList {
  readonly cpu: number
  readonly sequence: Sequence
  length = 0
  /** Packets were dropped before the next bundle. */
  isGapNext = false
  /** -1 = in the file itself. */
  chunk = new Int32Array(16)
  at = new Float64Array(16)
  size = new Uint32Array(16)
  /** Packets were dropped before it. */
  gap = new Uint8Array(16)

  constructor(cpu: number, sequence: Sequence) {
    this.cpu = cpu
    this.sequence = sequence
  }

  add(chunk: number, at: number, size: number): void {
    if (this.length === this.at.length) this.#grow()
    this.chunk[this.length] = chunk
    this.at[this.length] = at
    this.size[this.length] = size
    this.gap[this.length] = this.isGapNext ? 1 : 0
    this.isGapNext = false
    this.length++
  }

  #grow(): void {
    const capacity = this.length * 2
    const { chunk, at, size, gap } = this
    this.chunk = new Int32Array(capacity)
    this.at = new Float64Array(capacity)
    this.size = new Uint32Array(capacity)
    this.gap = new Uint8Array(capacity)
    this.chunk.set(chunk)
    this.at.set(at)
    this.size.set(size)
    this.gap.set(gap)
  }
}
