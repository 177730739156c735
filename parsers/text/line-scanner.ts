import type { ByteStream } from '../reader.ts'

/** Longer lines are no events: the longest that the kernel prints is a page of text. */
const MAX_LINE_BYTES = 1 << 20
const NEWLINE = 10
const RETURN = 13
const NEWLINES = 0x0a0a_0a0a
const ONES = 0x0101_0101
const HIGH_BITS = 0x8080_8080

/** Cuts a stream into lines without copying them, except those that lie across two pieces. */
export class LineScanner {
  /** The current line is bytes[start .. end), borrowed until the next call. What ends a line stands behind it: parsers may look there. */
  bytes: Uint8Array = new Uint8Array(0)
  start = 0
  end = 0
  /** Of the current line, from 1. */
  number = 0
  /** The stream ended inside the current line. */
  isCut = false
  /** Lines that were too long and left out. */
  skipped = 0
  bytesRead = 0
  readonly #stream: ByteStream
  readonly #place: (piece: Uint8Array) => Uint8Array
  #piece: Uint8Array = new Uint8Array(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  #at = 0
  #carry = new Uint8Array(4096)
  #carried = 0
  #tooLong = false

  /** `place` may put the pieces elsewhere before their lines are given. */
  constructor(stream: ByteStream, place: (piece: Uint8Array) => Uint8Array = (piece) => piece) {
    this.#stream = stream
    this.#place = place
  }

  /** True when a line can be given without more of the stream. */
  get hasLine(): boolean {
    return this.#piece.indexOf(NEWLINE, this.#at) >= 0
  }

  /** Where the next line begins in `peeked`, when no part of it came before; -1 otherwise. */
  get nextStart(): number {
    return this.#carried === 0 && !this.#tooLong ? this.#at : -1
  }

  /** What `nextStart` indexes. */
  get peeked(): Uint8Array {
    return this.#piece
  }

  /** Steps over whole lines; `to` is where in `peeked` the one after them begins. The caller counts them. */
  skipTo(to: number): void {
    this.#at = to
  }

  /** Makes the next line current; false at the end. */
  next(): boolean {
    for (;;) {
      const newline = findNewline(this.#view, this.#at)
      if (newline >= 0) {
        const from = this.#at
        this.#at = newline + 1
        this.number++
        if (this.#tooLong) {
          this.#tooLong = false
          this.#carried = 0
          continue
        }
        if (this.#carried === 0) this.#give(this.#piece, from, newline)
        else if (this.#keep(from, newline)) this.#give(this.#carry, 0, this.#carried)
        else {
          this.#tooLong = false
          this.#carried = 0
          continue
        }
        this.#carried = 0
        return true
      }
      this.#keep(this.#at, this.#piece.length)
      const piece = this.#stream.next()
      if (piece === undefined) return this.#giveLast()
      this.#setPiece(piece)
      this.bytesRead += piece.length
    }
  }

  /** Takes what the stream has; false at its end. Afterwards `hasLine` may still be false. */
  fill(): boolean {
    this.#keep(this.#at, this.#piece.length)
    const piece = this.#stream.next()
    this.#setPiece(piece ?? new Uint8Array(0))
    this.bytesRead += this.#piece.length
    return piece !== undefined
  }

  #giveLast(): boolean {
    this.#setPiece(new Uint8Array(0))
    if (this.#carried === 0) return false
    this.number++
    this.isCut = true
    this.#give(this.#carry, 0, this.#carried)
    this.#carried = 0
    return true
  }

  #setPiece(given: Uint8Array): void {
    const piece = this.#place(given)
    this.#piece = piece
    this.#view = new DataView(piece.buffer, piece.byteOffset, piece.length)
    this.#at = 0
  }

  #give(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes
    this.start = start
    this.end = end > start && bytes[end - 1] === RETURN ? end - 1 : end
  }

  /** Adds piece[from .. to) to the line begun before; false when that is too long. */
  #keep(from: number, to: number): boolean {
    if (from >= to) return true
    const length = to - from
    if (this.#tooLong || this.#carried + length > MAX_LINE_BYTES) {
      if (!this.#tooLong) this.skipped++
      this.#tooLong = true
      this.#carried = 0
      return false
    }
    if (this.#carried + length >= this.#carry.length) {
      const grown = new Uint8Array(Math.max(this.#carry.length * 2, this.#carried + length + 1))
      grown.set(this.#carry.subarray(0, this.#carried))
      this.#carry = grown
    }
    this.#carry.set(this.#piece.subarray(from, to), this.#carried)
    this.#carried += length
    // An older line's bytes are not this one's.
    this.#carry[this.#carried] = NEWLINE
    return true
  }
}

/** Place of the next newline, -1 if there is none. Lines are short: a call of indexOf costs more than this. */
function findNewline(view: DataView, start: number): number {
  const length = view.byteLength
  const last = length - 8
  let at = start
  for (; at <= last; at += 8) {
    const first = view.getInt32(at, true) ^ NEWLINES
    const second = view.getInt32(at + 4, true) ^ NEWLINES
    // Not zero when a byte of the two words is.
    if ((((first - ONES) & ~first) | ((second - ONES) & ~second)) & HIGH_BITS) break
  }
  for (; at < length; at++) if (view.getUint8(at) === NEWLINE) return at
  return -1
}
