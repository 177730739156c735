import { BUNDLE } from './bundle-list.ts'
import type { FieldWalker } from './wire.ts'

/** What a bundle says of itself beside its events. */
export class BundleFrame {
  /** 0 = the boot clock. */
  clock = 0
  /** The ftrace clock and the boot clock, read together. */
  ftraceHi = 0
  ftraceLo = 0
  bootHi = 0
  bootLo = 0
  /** Time of the last event before the bundle, on the ftrace clock; 0 = it does not say. */
  previousHi = 0
  previousLo = 0
  /** The kernel lost events before it. */
  hasLost = false
  isDamaged = false
  /** It has an event with a time: that time, and its thread. */
  isTimed = false
  firstHi = 0
  firstLo = 0
  firstTid = -1

  clear(): void {
    this.clock = 0
    this.ftraceHi = 0
    this.ftraceLo = 0
    this.previousHi = 0
    this.previousLo = 0
    this.hasLost = false
    this.isDamaged = false
    this.isTimed = false
  }

  /** Takes the number that the walker is at. */
  note(walker: FieldWalker): void {
    switch (walker.field) {
      case BUNDLE.lost:
        this.hasLost = walker.lo !== 0
        break
      case BUNDLE.clock:
        this.clock = walker.lo
        break
      case BUNDLE.ftraceTimestamp:
        this.ftraceHi = walker.hi
        this.ftraceLo = walker.lo
        break
      case BUNDLE.bootTimestamp:
        this.bootHi = walker.hi
        this.bootLo = walker.lo
        break
      case BUNDLE.previousEnd:
        this.previousHi = walker.hi
        this.previousLo = walker.lo
        break
    }
  }
}
