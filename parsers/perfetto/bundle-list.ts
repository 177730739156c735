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

/** Where one cpu's bundles are, in the file's order, which is theirs. */
export class BundleList {
  length = 0
  /** -1 = in the file itself. */
  chunk = new Int32Array(16)
  at = new Float64Array(16)
  size = new Uint32Array(16)
  /** Packets were dropped before it. */
  gap = new Uint8Array(16)

  add(chunk: number, at: number, size: number, gap: boolean): void {
    if (this.length === this.at.length) {
      const capacity = this.length * 2
      const { chunk: chunks, at: ats, size: sizes, gap: gaps } = this
      this.chunk = new Int32Array(capacity)
      this.at = new Float64Array(capacity)
      this.size = new Uint32Array(capacity)
      this.gap = new Uint8Array(capacity)
      this.chunk.set(chunks)
      this.at.set(ats)
      this.size.set(sizes)
      this.gap.set(gaps)
    }
    this.chunk[this.length] = chunk
    this.at[this.length] = at
    this.size[this.length] = size
    this.gap[this.length] = gap ? 1 : 0
    this.length++
  }
}
