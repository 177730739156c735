/** Amounts of material along the quantiles of a page class; `draw` sets the three fields for one page. */
export class KnobTable {
  classBytes = 0
  randomEnd = 0
  commonEnd = 0
  readonly #material: Float64Array
  readonly #random: Float64Array
  readonly #common: Float64Array
  readonly #tilt: number
  readonly #pageSize: number

  constructor(
    knobs: readonly (readonly [material: number, random: number, repeats: number])[],
    pageSize: number,
    tilt: number,
  ) {
    const scale = pageSize / 4096
    this.#material = Float64Array.from(knobs, (knob) => knob[0] * scale)
    this.#random = Float64Array.from(knobs, (knob) => knob[1] * scale)
    this.#common = Float64Array.from(knobs, (knob) => knob[2] * scale)
    this.#tilt = tilt
    this.#pageSize = pageSize
  }

  /** `hash` is uniform over 32 bits. */
  draw(hash: number): void {
    const last = this.#material.length - 1
    const at = quantileOf(hash / 4_294_967_296, this.#tilt) * last
    const index = Math.min(Math.floor(at), last - 1)
    const part = at - index
    const unit = 16
    const limit = this.#pageSize / unit
    const material = Math.floor(between(this.#material, index, part) / unit + 0.5)
    const random = material + Math.floor(between(this.#random, index, part) / unit + 0.5)
    const common = random + Math.floor(between(this.#common, index, part) / unit + 0.5)
    this.classBytes = Math.min(material, limit) * unit
    this.randomEnd = Math.min(random, limit) * unit
    // A page with nothing in it would be a zero page: every data page has one chunk at least.
    this.commonEnd = Math.max(Math.min(common, limit), 1) * unit
    if (this.randomEnd === 0 && this.classBytes === 0) this.classBytes = unit
  }
}

/** The quantile u, bent so that the mean moves while the ends stay: u * t / (1 + u * (t - 1)), t = 1 / tilt. */
export function quantileOf(u: number, tilt: number): number {
  const t = 1 / tilt
  return (u * t) / (1 + u * (t - 1))
}

function between(values: Float64Array, index: number, part: number): number {
  const low = values[index] ?? 0
  return low + ((values[index + 1] ?? low) - low) * part
}
