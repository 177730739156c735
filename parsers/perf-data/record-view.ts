const TWO_32 = 2 ** 32

/** The record that is being handled, by places relative to its start. */
export class RecordView {
  bytes: Uint8Array = new Uint8Array(0)
  /** Where the record starts in `bytes`. */
  at = 0
  /** Times count from this multiple of 2^32 ns; -1 before the first time was met. */
  baseHi = -1
  readonly #littleEndian: boolean

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian
  }

  borrow(from: number, to: number): Uint8Array {
    return this.bytes.subarray(this.at + from, this.at + to)
  }

  /** Nanoseconds since a multiple of 2^32 ns that lies before the first time met, so that they stay exact. */
  time(offset: number): number {
    const lo = this.u32(this.#littleEndian ? offset : offset + 4)
    const hi = this.u32(this.#littleEndian ? offset + 4 : offset)
    // 2^53 ns are 104 days: only clocks that count from 1970 (or a very long uptime) need a base.
    if (this.baseHi < 0) this.baseHi = hi < 2 ** 20 ? 0 : hi
    return (hi - this.baseHi) * TWO_32 + lo
  }

  u32(offset: number): number {
    const { bytes } = this
    const at = this.at + offset
    const a = bytes[at] as number
    const b = bytes[at + 1] as number
    const c = bytes[at + 2] as number
    const d = bytes[at + 3] as number
    return this.#littleEndian
      ? (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
      : (d | (c << 8) | (b << 16) | (a << 24)) >>> 0
  }

  u64(offset: number): number {
    const first = this.u32(offset)
    const second = this.u32(offset + 4)
    return this.#littleEndian ? second * TWO_32 + first : first * TWO_32 + second
  }
}
