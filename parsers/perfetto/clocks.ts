import { BYTES, FieldWalker, halvesDifference } from './wire.ts'

/** ClockSnapshot (protos/perfetto/trace/clock_snapshot.proto). */
const SNAPSHOT = { clocks: 1, primary: 2 } as const
const CLOCK = { id: 1, timestamp: 2, incremental: 3, unit: 4 } as const
/** BuiltinClock (protos/perfetto/common/builtin_clock.proto), by the kernel's names. */
const CLOCK_NAMES: Readonly<Record<number, string>> = {
  1: 'realtime',
  3: 'mono',
  5: 'mono_raw',
  6: 'boot',
}
const BOOTTIME = 6
export const MONOTONIC_RAW = 5
/** Ids 64 to 127 belong to one packet sequence. */
const FIRST_SEQUENCE_CLOCK = 64
const LAST_SEQUENCE_CLOCK = 127
const MAX_CLOCKS = 1 << 16
const MAX_CLOCKS_OF_SNAPSHOT = 256
/** Of all clocks together; later ones replace the last. */
const MAX_READINGS = 1 << 20

interface Reading {
  id: number
  hi: number
  lo: number
  unit: number
  incremental: boolean
}

/** What snapshots told of one clock. */
interface ClockState {
  /** Its first reading. */
  readonly hi: number
  readonly lo: number
  readonly unit: number
  readonly incremental: boolean
  /** Readings, ns since the first, ascending; and the trace's clock then, ns since the base. */
  readonly readings: number[]
  readonly times: number[]
  /** Of an incremental clock: the trace's clock at its last reading or packet. */
  nowNs: number
}

/**
 * Converts clocks to the trace's, which is the boot clock unless the trace has none and names another: by the last snapshot before the
 * time that is converted, or else the first. All results are ns since the first time seen.
 */
export class Clocks {
  /** The base: the first boot time seen. */
  hi = 0
  lo = 0
  #based = false
  #main = BOOTTIME
  #readings = 0
  readonly #walker = new FieldWalker()
  readonly #part = new FieldWalker()
  readonly #clocks = new Map<number, ClockState>()

  /** The kernel's name of the clock that all times are converted to. */
  get name(): string {
    return CLOCK_NAMES[this.#main] ?? `clock ${this.#main}`
  }

  /** Clock of packets that name none. */
  get main(): number {
    return this.#main
  }

  /** Ns from the base to a time of the trace's clock. */
  fromBoot(hi: number, lo: number): number {
    if (!this.#based) {
      this.#based = true
      this.hi = hi
      this.lo = lo
    }
    return halvesDifference(hi, lo, this.hi, this.lo)
  }

  /** Reads a ClockSnapshot; false when none of its clocks is known on the trace's clock. `packetNs` NaN = the packet has no time. */
  snapshot(
    bytes: Uint8Array,
    start: number,
    end: number,
    sequence: number,
    packetNs: number,
  ): boolean {
    const { met, primary } = this.#parse(bytes, start, end)
    if (!this.#based && primary !== 0 && !met.some(({ id }) => id === BOOTTIME))
      this.#main = primary
    const main = met.find(({ id }) => id === this.#main)
    let now = main === undefined ? Number.NaN : this.fromBoot(main.hi, main.lo)
    for (const { id, hi, lo } of met)
      if (Number.isNaN(now)) now = this.toBoot(id, sequence, hi, lo, { peek: true })
    if (Number.isNaN(now)) now = packetNs
    if (Number.isNaN(now)) return false
    for (const reading of met) if (reading.id !== this.#main) this.#note(reading, sequence, now)
    return true
  }

  #parse(bytes: Uint8Array, start: number, end: number): { met: Reading[]; primary: number } {
    const walker = this.#walker
    const part = this.#part
    const met: Reading[] = []
    let primary = 0
    walker.begin(bytes, start, end)
    while (walker.next()) {
      if (walker.field === SNAPSHOT.primary && walker.wire !== BYTES) primary = walker.lo
      if (walker.field !== SNAPSHOT.clocks || walker.wire !== BYTES) continue
      if (met.length >= MAX_CLOCKS_OF_SNAPSHOT) continue
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
    return { met, primary }
  }

  /** The clock read `reading` when the trace's clock was at `now`. */
  #note({ id, hi, lo, unit, incremental }: Reading, sequence: number, now: number): void {
    const key = keyOf(id, sequence)
    const scaled = scale(hi, lo, unit)
    let clock = this.#clocks.get(key)
    if (clock === undefined || clock.unit !== unit || clock.incremental !== incremental) {
      if (clock === undefined && this.#clocks.size >= MAX_CLOCKS) return
      clock = { ...scaled, unit, incremental, readings: [], times: [], nowNs: now }
      this.#clocks.set(key, clock)
    }
    clock.nowNs = now
    const { readings, times } = clock
    const ns = halvesDifference(scaled.hi, scaled.lo, clock.hi, clock.lo)
    // A clock that was set back has no time for what it read before.
    const isBack = ns < (readings.at(-1) ?? ns)
    if (isBack) readings.length = times.length = 0
    else if (this.#readings >= MAX_READINGS && readings.length > 0) {
      readings.pop()
      times.pop()
    } else this.#readings++
    readings.push(ns)
    times.push(now)
  }

  /** NaN when no snapshot has the clock. An incremental clock moves on, unless only peeked at. */
  toBoot(
    id: number,
    sequence: number,
    hi: number,
    lo: number,
    options: { peek: boolean } = { peek: false },
  ): number {
    if (id === this.#main) return this.fromBoot(hi, lo)
    const clock = this.#clocks.get(keyOf(id, sequence))
    if (clock === undefined) return Number.NaN
    if (clock.incremental) {
      const ns = clock.nowNs + (hi * 4_294_967_296 + lo) * clock.unit
      if (!options.peek) clock.nowNs = ns
      return ns
    }
    const scaled = scale(hi, lo, clock.unit)
    const ns = halvesDifference(scaled.hi, scaled.lo, clock.hi, clock.lo)
    const { readings, times } = clock
    const before = lastNotAfter(readings, ns)
    return (times[before] as number) + ns - (readings[before] as number)
  }
}

/** Index of the last of the ascending numbers that is at most `value`; 0 when there is none. */
function lastNotAfter(ascending: readonly number[], value: number): number {
  let from = 0
  let to = ascending.length - 1
  while (from < to) {
    const middle = (from + to + 1) >> 1
    if ((ascending[middle] as number) <= value) from = middle
    else to = middle - 1
  }
  return from
}

function keyOf(id: number, sequence: number): number {
  return id >= FIRST_SEQUENCE_CLOCK && id <= LAST_SEQUENCE_CLOCK ? sequence * 128 + id : -id
}

function scale(hi: number, lo: number, unit: number): { hi: number; lo: number } {
  if (unit === 1) return { hi, lo }
  const low = lo * unit
  return { hi: hi * unit + Math.floor(low / 4_294_967_296), lo: low % 4_294_967_296 }
}
