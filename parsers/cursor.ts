import { TraceParseError } from './error.ts'
import type { ByteSource } from './reader.ts'

const BUFFER_BYTES = 16_384
const MAX_STRING_BYTES = 1 << 20
const TWO_32 = 4_294_967_296

/** The bytes as a source; errors name `name`. */
export function toByteSource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    readInto(offset, target) {
      const part = bytes.subarray(offset, offset + target.length)
      target.set(part)
      return part.length
    },
  }
}

/** Fills `target` from byte `offset`, however short the source's single reads are; returns fewer bytes only at the end. */
export function readFully(source: ByteSource, offset: number, target: Uint8Array): number {
  let done = source.readInto(offset, target)
  while (done < target.length) {
    const more = done === 0 ? 0 : source.readInto(offset + done, target.subarray(done))
    if (more <= 0) break
    done += more
  }
  return done
}

export interface CursorOptions {
  readonly littleEndian: boolean
  /** First byte; 0 if absent. */
  readonly start?: number
  /** One past the last byte; the source's size if absent. */
  readonly end?: number
  /** Reported instead of the cursor's own position: the bytes were unpacked from this place of the file. */
  readonly position?: number
}

/** Reads numbers and strings in order. All bounds of binary metadata are checked here; what is missing throws `truncated`. */
export class Cursor {
  readonly source: ByteSource
  littleEndian: boolean
  readonly end: number
  readonly #position: number | undefined
  readonly #buffer: Uint8Array
  readonly #view: DataView
  #bufferStart = 0
  #bufferLength = 0
  #at: number

  constructor(source: ByteSource, options: CursorOptions) {
    this.source = source
    this.littleEndian = options.littleEndian
    this.end = Math.min(options.end ?? source.size, source.size)
    this.#at = options.start ?? 0
    this.#position = options.position
    this.#buffer = new Uint8Array(Math.max(8, Math.min(BUFFER_BYTES, source.size)))
    this.#view = new DataView(this.#buffer.buffer)
    if (this.#at > this.end) throw this.error('truncated', this.#past(0))
  }

  get at(): number {
    return this.#at
  }

  get remaining(): number {
    return this.end - this.#at
  }

  u8(): number {
    return this.#view.getUint8(this.#need(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#need(2), this.littleEndian)
  }

  u32(): number {
    return this.#view.getUint32(this.#need(4), this.littleEndian)
  }

  /** A file offset, a size or a count: rounded above 2^53, which no bounds check lets pass. */
  u64(): number {
    const at = this.#need(8)
    const first = this.#view.getUint32(at, this.littleEndian)
    const second = this.#view.getUint32(at + 4, this.littleEndian)
    return this.littleEndian ? second * TWO_32 + first : first * TWO_32 + second
  }

  /** A u64 as its low and high 32 bits. */
  u64Bits(): [lo: number, hi: number] {
    const at = this.#need(8)
    const first = this.#view.getUint32(at, this.littleEndian)
    const second = this.#view.getUint32(at + 4, this.littleEndian)
    return this.littleEndian ? [first, second] : [second, first]
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#need(8), this.littleEndian)
  }

  bigU64(): bigint {
    return this.#view.getBigUint64(this.#need(8), this.littleEndian)
  }

  skip(bytes: number): void {
    this.#check(bytes)
    this.#at += bytes
  }

  seek(offset: number): void {
    if (!(offset >= 0 && offset <= this.end))
      throw new TraceParseError(
        'bad_offset',
        this.source.name,
        { unit: 'byte', at: this.#position ?? offset },
        `the input points here, but ends after ${this.end} bytes: it is cut off or damaged`,
      )
    this.#at = offset
  }

  copyBytes(length: number): Uint8Array {
    this.#check(length)
    const bytes = new Uint8Array(length)
    const read = readFully(this.source, this.#at, bytes)
    if (read < length) throw this.error('truncated', this.#past(length))
    this.#at += length
    return bytes
  }

  text(length: number): string {
    return toText(this.copyBytes(length))
  }

  /** Up to and without the next NUL, which is consumed. */
  cString(): string {
    const parts: number[] = []
    const start = this.#at
    for (let byte = this.u8(); byte !== 0; byte = this.u8()) {
      parts.push(byte)
      if (parts.length > MAX_STRING_BYTES) {
        this.#at = start
        throw this.error('string_too_long', `a string has more than ${MAX_STRING_BYTES} bytes`)
      }
    }
    return toText(Uint8Array.from(parts))
  }

  error(code: string, what: string, cause?: unknown): TraceParseError {
    const at = this.#position ?? this.#at
    return new TraceParseError(
      code,
      this.source.name,
      { unit: 'byte', at },
      what,
      cause === undefined ? undefined : { cause },
    )
  }

  #past(length: number): string {
    const left = Math.max(0, this.end - this.#at)
    return `the input ends after ${left} more ${left === 1 ? 'byte' : 'bytes'}; ${length} were expected`
  }

  #check(length: number): void {
    if (!(length >= 0 && length <= this.end - this.#at))
      throw this.error('truncated', this.#past(length))
  }

  /** Index in the buffer of `length` (at most 8) bytes, and steps over them. */
  #need(length: number): number {
    let index = this.#at - this.#bufferStart
    if (index < 0 || index + length > this.#bufferLength) {
      this.#check(length)
      this.#bufferStart = this.#at
      this.#bufferLength = readFully(
        this.source,
        this.#at,
        this.#buffer.subarray(0, Math.min(this.#buffer.length, this.end - this.#at)),
      )
      index = 0
      if (this.#bufferLength < length) throw this.error('truncated', this.#past(length))
    }
    this.#at += length
    return index
  }
}

const utf8 = new TextDecoder('utf-8')

/** Kernel strings are bytes; what is not UTF-8 becomes U+FFFD. */
export function toText(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}
