import type { StampBase } from '../ring-buffer.ts'

/** TSC2NSEC: ns = stamp * mult >> shift. */
export interface TscScale {
  readonly mult: number
  readonly shift: number
}

/** TIME_SHIFT of one cpu: how a guest's stamps become the host's. */
export interface TimeShiftSample {
  readonly time: bigint
  readonly offset: bigint
  readonly scaling: bigint
  readonly fraction: bigint
}
export interface TimeShift {
  readonly interpolate: boolean
  readonly cpus: readonly (readonly TimeShiftSample[])[]
}

const TWO_32 = 4_294_967_296
const MASK_64 = (1n << 64n) - 1n

/**
 * From ticks since the first stamp to nanoseconds since `baseNs`, as timestamp_calc() of trace-cmd (3.4) does it: guest
 * shift, then the TSC's scale, then OFFSET and DATE. Without the first two it changes nothing.
 */
export class TimeConversion {
  readonly baseNs: bigint
  readonly #base: StampBase
  readonly #baseStamp: bigint
  readonly #tsc: TscScale | undefined
  readonly #shift: TimeShift | undefined
  /** Of the base: whole units of 2^(32 - shift) ns from its low word, and the rest. */
  readonly #baseHigh: number
  readonly #baseRest: number

  constructor(options: {
    base: StampBase
    tsc: TscScale | undefined
    shift: TimeShift | undefined
    offsetNs: bigint
  }) {
    this.#base = options.base
    this.#baseStamp = (BigInt(options.base.hi) << 32n) | BigInt(options.base.lo)
    this.#tsc = options.tsc
    this.#shift = options.shift
    const { tsc } = options
    this.#baseHigh = tsc === undefined ? 0 : productHigh(options.base.lo, tsc.mult)
    this.#baseRest = tsc === undefined ? 0 : restOf(options.base.lo, tsc)
    const scaled =
      tsc === undefined
        ? this.#baseStamp
        : (this.#baseStamp * BigInt(tsc.mult)) >> BigInt(tsc.shift)
    this.baseNs = scaled + options.offsetNs
  }

  get changesNothing(): boolean {
    return this.#tsc === undefined && this.#shift === undefined
  }

  /** Converts ts[0 .. count) of `cpu` in place. */
  apply(ts: Float64Array, count: number, cpu: number): void {
    const samples = this.#shift?.cpus[cpu]
    if (samples !== undefined && samples.length > 0) this.#applyShift(ts, count, samples)
    if (this.#tsc !== undefined) this.#applyTsc(ts, count, this.#tsc)
  }

  #applyShift(ts: Float64Array, count: number, samples: readonly TimeShiftSample[]): void {
    const [first] = samples
    if (first === undefined) return
    if (samples.length === 1) {
      const offset = Number(first.offset)
      for (let i = 0; i < count; i++) ts[i] = (ts[i] as number) + offset
      return
    }
    // Several samples occur in guest traces only: exact, not fast.
    for (let i = 0; i < count; i++) {
      const stamp = (this.#baseStamp + BigInt(ts[i] as number)) & MASK_64
      ts[i] = Number(shifted(stamp, samples, this.#shift?.interpolate === true) - this.#baseStamp)
    }
  }

  #applyTsc(ts: Float64Array, count: number, tsc: TscScale): void {
    const { mult, shift } = tsc
    const unit = 2 ** (32 - shift)
    const { lo: baseLo } = this.#base
    for (let i = 0; i < count; i++) {
      const sum = baseLo + (ts[i] as number)
      const dHi = Math.floor(sum / TWO_32)
      const lo = sum - dHi * TWO_32
      const high = dHi * mult + productHigh(lo, mult) - this.#baseHigh
      ts[i] = high * unit + (restOf(lo, tsc) - this.#baseRest)
    }
  }
}

/** Upper 32 bits of the product of two 32-bit numbers. */
function productHigh(a: number, b: number): number {
  const low = (a % 65_536) * b
  const high = Math.floor(a / 65_536) * b + Math.floor(low / 65_536)
  return Math.floor(high / 65_536)
}

/** Lower 32 bits of the product, shifted right. */
function restOf(lo: number, { mult, shift }: TscScale): number {
  return Math.floor((Math.imul(lo, mult) >>> 0) / 2 ** shift)
}

/** timestamp_host_sync() and timestamp_correction_calc() of trace-cmd (3.4). */
function shifted(stamp: bigint, samples: readonly TimeShiftSample[], interpolate: boolean): bigint {
  const last = samples.length - 1
  let at = 0
  if (samples.length > 2 && stamp > (samples[0] as TimeShiftSample).time) {
    while (at < last - 1 && stamp >= (samples[at + 1] as TimeShiftSample).time) at++
  }
  const min = samples[at] as TimeShiftSample
  const max = samples[at + 1] as TimeShiftSample
  let correction = min.offset
  const delta = max.time - min.time
  if (interpolate && delta !== 0n)
    correction += ((stamp - min.time) * (max.offset - min.offset) + delta / 2n) / delta
  return ((stamp * min.scaling) >> min.fraction) + correction
}
