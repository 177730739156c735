/** Numbers at which lengths and counts change their meaning. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff]
const MOST_BYTES = 1 << 16

/** Changes inputs at random; the same seed gives the same changes. */
export class Mutator {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1
  }

  /** One of the inputs, changed in one to eight places. */
  mutate(inputs: readonly Uint8Array[]): Uint8Array {
    let bytes: Uint8Array = this.#pick(inputs).slice()
    for (let changes = 1 + this.#below(8); changes > 0; changes--)
      bytes = this.#change(bytes, inputs)
    return bytes.length > MOST_BYTES ? bytes.slice(0, MOST_BYTES) : bytes
  }

  #change(bytes: Uint8Array, inputs: readonly Uint8Array[]): Uint8Array {
    if (bytes.length === 0) return Uint8Array.of(this.#below(256))
    const at = this.#below(bytes.length)
    switch (this.#below(6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#below(8))
        return bytes
      case 1:
        bytes[at] = this.#below(256)
        return bytes
      case 2: {
        const edge = EDGES[this.#below(EDGES.length)] ?? 0
        const size = 2 ** this.#below(3)
        for (let i = 0; i < size && at + i < bytes.length; i++) bytes[at + i] = edge >>> (8 * i)
        return bytes
      }
      case 3: {
        const length = 1 + this.#below(Math.min(64, bytes.length))
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
      }
      case 4: {
        const other = this.#pick(inputs)
        const from = this.#below(Math.max(1, other.length))
        const part = other.subarray(from, from + 1 + this.#below(256))
        return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)])
      }
      default:
        return bytes.slice(0, at)
    }
  }

  #pick(inputs: readonly Uint8Array[]): Uint8Array {
    return inputs[this.#below(inputs.length)] ?? new Uint8Array(0)
  }

  /** xorshift32 (Marsaglia, 2003). */
  #below(limit: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state % limit
  }
}
