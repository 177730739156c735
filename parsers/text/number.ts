const TWO_32 = 4_294_967_296
const ZERO = 48
const MINUS = 45
const LOWER_X = 120
/** So many decimal digits are exact in a double. */
const EXACT_DIGITS = 15

/** A number as text has it: decimal or 0x, with a sign, as two 32-bit halves; negative ones in two's complement. */
export class NumberScan {
  lo = 0
  hi = 0
  isNegative = false
  /** Written with 0x: an unsigned value. */
  isHex = false
  /** The place after its last digit. */
  end = 0

  /** Reads the number that begins at `start`; false when there is none or it has more than 64 bits. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start
    this.isHex = false
    this.isNegative = at < end && bytes[at] === MINUS
    if (this.isNegative) at++
    if (bytes[at] === ZERO && bytes[at + 1] === LOWER_X && at + 2 < end)
      return !this.isNegative && this.#readHex(bytes, at + 2, end)
    const first = at
    let value = 0
    while (at < end) {
      const digit = (bytes[at] as number) - ZERO
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      at++
    }
    this.end = at
    if (at === first) return false
    if (at - first <= EXACT_DIGITS) {
      this.lo = value >>> 0
      this.hi = Math.floor(value / TWO_32)
    } else if (!this.#readLong(bytes, first, at)) return false
    if (this.isNegative) this.#negate()
    return true
  }

  /** Reads the sixteen lower-case hexadecimal digits of a pointer; false when there are others. */
  readPointer(bytes: Uint8Array, start: number): boolean {
    let hi = 0
    let lo = 0
    for (let at = start; at < start + 8; at++) {
      const high = POINTER_DIGIT[bytes[at] as number] as number
      const low = POINTER_DIGIT[bytes[at + 8] as number] as number
      if ((high | low) < 0) return false
      hi = (hi << 4) | high
      lo = (lo << 4) | low
    }
    this.isNegative = false
    this.isHex = true
    this.lo = lo >>> 0
    this.hi = hi >>> 0
    this.end = start + 16
    return true
  }

  #readHex(bytes: Uint8Array, start: number, end: number): boolean {
    let lo = 0
    let hi = 0
    let at = start
    for (; at < end; at++) {
      const digit = HEX_DIGIT[bytes[at] as number] as number
      if (digit < 0) break
      if (hi >>> 28 !== 0) return false
      hi = ((hi << 4) | (lo >>> 28)) >>> 0
      lo = ((lo << 4) | digit) >>> 0
    }
    this.isHex = true
    this.end = at
    this.lo = lo
    this.hi = hi
    return at > start
  }

  #readLong(bytes: Uint8Array, start: number, end: number): boolean {
    let lo = 0
    let hi = 0
    for (let at = start; at < end; at++) {
      const next = lo * 10 + (bytes[at] as number) - ZERO
      const carry = Math.floor(next / TWO_32)
      lo = next - carry * TWO_32
      hi = hi * 10 + carry
      if (hi >= TWO_32) return false
    }
    this.lo = lo
    this.hi = hi
    return !this.isNegative || hi < TWO_32 / 2
  }

  #negate(): void {
    this.lo = -this.lo >>> 0
    this.hi = this.lo === 0 ? -this.hi >>> 0 : ~this.hi >>> 0
  }
}

/** Value of a hexadecimal digit by its byte, -1 for all other bytes. */
const HEX_DIGIT = new Int8Array(256).fill(-1)
const POINTER_DIGIT = new Int8Array(256).fill(-1)
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16)
  HEX_DIGIT[text.charCodeAt(0)] = digit
  HEX_DIGIT[text.toUpperCase().charCodeAt(0)] = digit
  POINTER_DIGIT[text.charCodeAt(0)] = digit
}
