/** A growing list of numbers. */
export class Numbers {
  #values = new Float64Array(256)
  length = 0

  push(value: number): void {
    if (this.length === this.#values.length) {
      const grown = new Float64Array(this.length * 2)
      grown.set(this.#values)
      this.#values = grown
    }
    this.#values[this.length++] = value
  }

  at(index: number): number {
    return this.#values[index] ?? Number.NaN
  }

  set(index: number, value: number): void {
    this.#values[index] = value
  }

  copyValues(): Float64Array {
    return this.#values.slice(0, this.length)
  }

  mean(): number {
    let sum = 0
    for (let i = 0; i < this.length; i++) sum += this.#values[i] ?? 0
    return this.length === 0 ? 0 : sum / this.length
  }

  /** NaN = none. */
  median(): number {
    return this.copyValues().sort()[this.length >> 1] ?? Number.NaN
  }

  /** The value that a quarter of them lies below. NaN = none. */
  lowerQuartile(): number {
    return this.copyValues().sort()[this.length >> 2] ?? Number.NaN
  }

  /** The value at which half of their sum is reached: the middle of what a moment chosen by chance falls into. NaN = none. */
  medianByLength(): number {
    return this.#byLength(1 / 2)
  }

  /** The value at which a quarter of their sum is reached. NaN = none. */
  lowerQuartileByLength(): number {
    return this.#byLength(1 / 4)
  }

  #byLength(share: number): number {
    const sorted = this.copyValues().sort()
    const until = this.mean() * this.length * share
    let sum = 0
    for (const value of sorted) {
      sum += value
      if (sum >= until) return value
    }
    return Number.NaN
  }
}

/** The value below which so many of a hundred lie; 0 of none. */
export function percentile(sorted: Float64Array, percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}
