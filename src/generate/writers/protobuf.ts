/** Growable protobuf message writer (wire format: varint keys of field << 3 | type). Nested messages are written by `message`. */
export class ProtoWriter {
  #bytes: Uint8Array
  length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
  }

  clear(): void {
    this.length = 0
  }

  /** Borrowed until the next write. */
  borrowBytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  /** An integer field; negative values take ten bytes, as int32 and int64 do. */
  int(field: number, value: number): void {
    this.#varint(field * 8)
    this.#signed(value)
  }

  /** A 64-bit unsigned field from two halves. */
  wide(field: number, high: number, low: number): void {
    this.#varint(field * 8)
    this.#wide(high, low)
  }

  string(field: number, bytes: Uint8Array): void {
    this.#varint(field * 8 + 2)
    this.#varint(bytes.length)
    this.raw(bytes)
  }

  message(field: number, message: ProtoWriter): void {
    this.string(field, message.borrowBytes())
  }

  /** A packed repeated integer field. */
  packed(field: number, values: readonly number[]): void {
    const body = new ProtoWriter()
    for (const value of values) body.#signed(value)
    this.message(field, body)
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  #signed(value: number): void {
    if (value >= 0) this.#varint(value)
    else {
      const low = value >>> 0
      this.#wide((Math.floor(value / 2 ** 32) + 2 ** 32) % 2 ** 32, low)
    }
  }

  #varint(value: number): void {
    this.#reserve(10)
    let rest = value
    while (rest >= 128) {
      this.#bytes[this.length++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.length++] = rest
  }

  #wide(high: number, low: number): void {
    this.#reserve(10)
    let h = high >>> 0
    let l = low >>> 0
    while (h !== 0 || l >= 128) {
      this.#bytes[this.length++] = (l & 127) | 128
      l = ((h & 127) << 25) | (l >>> 7)
      l >>>= 0
      h >>>= 7
    }
    this.#bytes[this.length++] = l
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + more))
    grown.set(this.borrowBytes())
    this.#bytes = grown
  }
}
