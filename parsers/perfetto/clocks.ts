import { FieldWalker, halvesDifference } from './wire.ts'

/** ClockSnapshot (protos/perfetto/trace/clock_snapshot.proto). */
const SNAPSHOT_CLOCKS = 1
const CLOCK = { id: 1, timestamp: 2, incremental: 3, unit: 4 } as const
const BOOTTIME = 6
export const MONOTONIC_RAW = 5
/** Ids 64 to 127 belong to one packet sequence. */
const FIRST_SEQUENCE_CLOCK = 64
const LAST_SEQUENCE_CLOCK = 127
const MAX_CLOCKS = 1 << 16

interface ClockState {
  /** Reading at the last snapshot, and the boot clock then, ns since the base. */
  hi: number
  lo: number
  bootNs: number
  unit: number
  incremental: boolean
}

/** Converts clocks to the boot clock by the last snapshot before. All results are ns since the first boot time seen. */
export class Clocks {
  /** The base: the first boot time seen. */
  hi = 0
  lo = 0
  #based = false
  readonly #walker = new FieldWalker()
  readonly #part = new FieldWalker()
  readonly #clocks = new Map<number, ClockState>()

  /** Ns from the base to a boot time. */
  fromBoot(hi: number, lo: number): number {
    if (!this.#based) {
      this.#based = true
      this.hi = hi
      this.lo = lo
    }
    return halvesDifference(hi, lo, this.hi, this.lo)
  }

  /** Reads a ClockSnapshot; false when none of its clocks is known on the boot clock. `bootNs` NaN = the packet has no time. */
  snapshot(
    bytes: Uint8Array,
    start: number,
    end: number,
    sequence: number,
    bootNs: number,
  ): boolean {
    const walker = this.#walker
    const part = this.#part
    const met: { id: number; hi: number; lo: number; unit: number; incremental: boolean }[] = []
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field !== SNAPSHOT_CLOCKS || walker.wire !== 2 || met.length > 256) continue
      const clock = { id: 0, hi: 0, lo: 0, unit: 1, incremental: false }
      part.begin(bytes, walker.start, walker.end)
      while (part.next()) {
        if (part.field === CLOCK.id) clock.id = part.lo
        else if (part.field === CLOCK.timestamp) {
          clock.hi = part.hi
          clock.lo = part.lo
        } else if (part.field === CLOCK.incremental) clock.incremental = part.lo !== 0
        else if (part.field === CLOCK.unit) clock.unit = Math.max(1, part.value)
      }
      met.push(clock)
    }
    const boot = met.find(({ id }) => id === BOOTTIME)
    let now = boot === undefined ? Number.NaN : this.fromBoot(boot.hi, boot.lo)
    for (const { id, hi, lo } of met)
      if (Number.isNaN(now)) now = this.toBoot(id, sequence, hi, lo, { peek: true })
    if (Number.isNaN(now)) now = bootNs
    if (Number.isNaN(now)) return false
    for (const { id, hi, lo, unit, incremental } of met) {
      const key = keyOf(id, sequence)
      if (id === BOOTTIME || (this.#clocks.size >= MAX_CLOCKS && !this.#clocks.has(key))) continue
      const scaled = unit === 1 ? { hi, lo } : scale(hi, lo, unit)
      this.#clocks.set(key, { ...scaled, bootNs: now, unit, incremental })
    }
    return true
  }

  /** NaN when no snapshot has the clock. An incremental clock moves on, unless only peeked at. */
  toBoot(
    id: number,
    sequence: number,
    hi: number,
    lo: number,
    options: { peek: boolean } = { peek: false },
  ): number {
    if (id === BOOTTIME) return this.fromBoot(hi, lo)
    const clock = this.#clocks.get(keyOf(id, sequence))
    if (clock === undefined) return Number.NaN
    if (clock.incremental) {
      const ns = clock.bootNs + (hi * 4_294_967_296 + lo) * clock.unit
      if (!options.peek) clock.bootNs = ns
      return ns
    }
    const scaled = clock.unit === 1 ? { hi, lo } : scale(hi, lo, clock.unit)
    return clock.bootNs + halvesDifference(scaled.hi, scaled.lo, clock.hi, clock.lo)
  }
}

function keyOf(id: number, sequence: number): number {
  return id >= FIRST_SEQUENCE_CLOCK && id <= LAST_SEQUENCE_CLOCK ? sequence * 128 + id : -id
}

function scale(hi: number, lo: number, unit: number): { hi: number; lo: number } {
  const low = lo * unit
  return { hi: hi * unit + Math.floor(low / 4_294_967_296), lo: low % 4_294_967_296 }
}
