export const TWO_32 = 4_294_967_296

/** Protobuf's wire types (encoding specification). */
export const VARINT = 0
export const BYTES = 2

/**
 * Walks the fields of one protobuf message in place: no field is copied. One walker is used for many messages; after `next` returned
 * true, `field` and `wire` tell what was met, `lo` and `hi` a number's halves, `start` and `end` where a length-delimited field lies.
 */
export class FieldWalker {
  bytes: Uint8Array = new Uint8Array(0)
  at = 0
  limit = 0
  field = 0
  wire = 0
  lo = 0
  hi = 0
  start = 0
  end = 0
  /** The message breaks the wire format at `at`. */
  bad = false

  begin(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes
    this.at = start
    this.limit = end
    this.bad = false
  }

  /** A number field's value; rounded above 2^53. */
  get value(): number {
    return this.hi * TWO_32 + this.lo
  }

  /** The same of a signed field. */
  get signedValue(): number {
    return (this.hi | 0) * TWO_32 + this.lo
  }

  /** Steps to the next field; false at the message's end and where it is damaged. */
  next(): boolean {
    const { bytes, limit } = this
    if (this.at >= limit) return false
    let tag = bytes[this.at] as number
    if (tag < 0x80) this.at++
    else {
      this.#varint()
      if (this.bad) return false
      // Field numbers end at 2^29 - 1.
      if (this.hi !== 0) return this.#fail()
      tag = this.lo
    }
    this.field = tag >>> 3
    this.wire = tag & 7
    if (this.field === 0) return this.#fail()
    if (this.wire === VARINT) {
      const first = bytes[this.at] as number
      if (this.at < limit && first < 0x80) {
        this.lo = first
        this.hi = 0
        this.at++
        return true
      }
      this.#varint()
      return !this.bad
    }
    if (this.wire === BYTES) {
      let length = bytes[this.at] as number
      if (this.at < limit && length < 0x80) this.at++
      else {
        this.#varint()
        if (this.bad) return false
        if (this.hi !== 0) return this.#fail()
        length = this.lo
      }
      if (length > limit - this.at) return this.#fail()
      this.start = this.at
      this.end = this.at + length
      this.at = this.end
      return true
    }
    if (this.wire === 1 || this.wire === 5) return this.#fixed(this.wire === 1 ? 8 : 4)
    return this.#fail()
  }

  /** Reads one value of a packed field, whose bytes are this walker's message; false at the end. */
  nextPacked(): boolean {
    if (this.at >= this.limit) return false
    const first = this.bytes[this.at] as number
    if (first < 0x80) {
      this.lo = first
      this.hi = 0
      this.at++
      return true
    }
    this.#varint()
    return !this.bad
  }

  #varint(): void {
    const { bytes, limit } = this
    let { at } = this
    let lo = 0
    let hi = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= limit) break
      const byte = bytes[at++] as number
      if (shift < 28) lo |= (byte & 0x7f) << shift
      else if (shift === 28) {
        lo |= (byte & 0x0f) << 28
        hi = (byte & 0x7f) >>> 4
      } else if (shift < 63) hi |= (byte & 0x7f) << (shift - 32)
      else hi |= (byte & 1) << 31
      if (byte < 0x80) {
        this.at = at
        this.lo = lo >>> 0
        this.hi = hi >>> 0
        return
      }
    }
    this.#fail()
  }

  #fixed(size: number): boolean {
    const { bytes, at } = this
    if (size > this.limit - at) return this.#fail()
    this.lo = fourAt(bytes, at)
    this.hi = size === 8 ? fourAt(bytes, at + 4) : 0
    this.at += size
    return true
  }

  #fail(): false {
    this.bad = true
    return false
  }
}

function fourAt(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  )
}

/** The difference of two u64 in halves; exact below 2^53. */
export function halvesDifference(aHi: number, aLo: number, bHi: number, bLo: number): number {
  return (aHi - bHi) * TWO_32 + (aLo - bLo)
}

interface Head {
  readonly tag: number
  readonly headBytes: number
  readonly length: number
}

/** Tag and length of a length-delimited field; `undefined` when it is none. Lengths stay below 2^35. */
export function readHead(bytes: Uint8Array, at: number): Head | undefined {
  let tag = 0
  let next = at
  for (let i = 0; ; i++) {
    const byte = bytes[next++]
    if (byte === undefined || i > 4) return undefined
    tag += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) break
  }
  if (tag % 8 !== BYTES || tag < 8) return undefined
  let length = 0
  for (let i = 0; ; i++) {
    const byte = bytes[next++]
    if (byte === undefined || i > 4) return undefined
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) break
  }
  return { tag, headBytes: next - at, length }
}
