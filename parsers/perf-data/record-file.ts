import { readFully } from '../cursor.ts'
import { TraceParseError } from '../error.ts'
import type { IssueLog } from '../issues.ts'
import type { ByteSource } from '../reader.ts'
import type { RecordMemory } from '../record-memory.ts'

// tools/lib/perf/include/perf/event.h (6.12); COMPRESSED2 is of 6.16.
const COMPRESSED = 81
const COMPRESSED2 = 83
/** The size field of a record has 16 bits. */
export const MAX_RECORD_BYTES = 1 << 16
const READ_BYTES = 1 << 22
/** A piece of data that unpacks to more is no recording. */
const MAX_RATIO = 4096
const MAX_UNPACKED = 1 << 26
const TWO_32 = 2 ** 32
/** An empty raw block that ends a frame: RFC 8878 section 3.1.1.2. */
const LAST_BLOCK = Uint8Array.of(1, 0, 0)

export type ZstdStream = (packed: Iterable<Uint8Array>) => Generator<Uint8Array, void>

/** Records that lie one after another at multiples of 4, from byte `from` on. */
export interface RecordRun {
  /** Of the file's memory, with so many more behind them as the file's `slackBytes`. */
  bytes: Uint8Array
  from: number
  to: number
  /** In the file, of byte 0. */
  position: number
  /** 1, or 0 when all have one position: they were unpacked. */
  positionStep: 0 | 1
}

export interface RecordFileOptions {
  readonly source: ByteSource
  /** Where records are read to. */
  readonly memory: RecordMemory
  /** Records are in byte start .. end. */
  readonly start: number
  readonly end: number
  readonly littleEndian: boolean
  readonly issues: IssueLog
  /** `undefined` while no compressed record is expected. */
  readonly zstd: ZstdStream | undefined
  /** Bytes of memory to read to; at least one record fits. */
  readonly readBytes?: number
  /** What may be read behind records. */
  readonly slackBytes: number
}

export interface RecordHandlers {
  /** Handles the record at `at`. */
  readonly one: (type: number, size: number) => void
  /** May handle some of the records of a run; returns where the first begins that it did not. */
  readonly run: (run: RecordRun) => number
}

/** One section of records, given one by one or in runs to the handlers; those inside COMPRESSED records are unpacked. */
export class RecordFile {
  readonly source: ByteSource
  /** The record that is being handled: its bytes, where it starts there and in the file. */
  bytes: Uint8Array
  at = 0
  position = 0
  /** A compressed record was met, and there was nothing to unpack it with. */
  needsZstd = false
  readonly #options: RecordFileOptions
  readonly #handlers: RecordHandlers
  readonly #buffer: Uint8Array
  readonly #run: RecordRun
  #bufferAt: number
  #bufferLength = 0
  #index = 0
  #plain: Generator<Uint8Array, void> | undefined
  /** Unpacked records, and what is left of them: the begin of the next. */
  #unpacked: Uint8Array = new Uint8Array(0)
  #rest = new Uint8Array(0)
  #packedEnded = false
  #packedBytes = 0
  #plainBytes = 0

  constructor(options: RecordFileOptions, handlers: RecordHandlers) {
    const { source, start, end, slackBytes } = options
    this.source = source
    this.#options = options
    this.#handlers = handlers
    const readBytes = Math.min(options.readBytes ?? READ_BYTES, end - start + slackBytes)
    const buffer = options.memory.bytes(Math.max(MAX_RECORD_BYTES + slackBytes, readBytes))
    this.#buffer = buffer.subarray(0, -slackBytes)
    this.#run = { bytes: this.#buffer, from: 0, to: 0, position: 0, positionStep: 1 }
    this.bytes = this.#buffer
    this.#bufferAt = start
  }

  get bytesRead(): number {
    return this.#bufferAt + this.#index - this.#options.start
  }

  /** Handles one record, or the records of one unpacked piece; false at the end. */
  advance(): boolean {
    if (this.#plain === undefined) return this.#rawRecord()
    let piece: IteratorResult<Uint8Array, void>
    try {
      piece = this.#plain.next()
    } catch (error) {
      if (error instanceof TraceParseError) throw error
      // The stream is flushed after each record but never closed, which the decoder takes for a missing end.
      if (this.#packedEnded) return this.#endOfPlain()
      return this.#reportPacked()
    }
    if (piece.done) return this.#endOfPlain()
    this.#plainBytes += piece.value.length
    if (this.#plainBytes > MAX_RATIO * this.#packedBytes + MAX_UNPACKED) {
      this.#options.issues.add(
        'compression_bomb',
        'data_loss',
        this.position,
        `${this.#packedBytes} compressed bytes hold more than ${this.#plainBytes}; everything after this place is missing.`,
      )
      return false
    }
    return this.#handlePiece(piece.value)
  }

  /** A copy of what follows the record that is being handled, outside its size. */
  copyAhead(length: number): Uint8Array {
    const at = this.#bufferAt + this.#index
    if (at + length > this.#options.end)
      throw new TraceParseError(
        'truncated',
        this.source.name,
        { unit: 'byte', at },
        `${length} bytes were expected behind a record; the file ends before`,
      )
    const bytes = new Uint8Array(length)
    readFully(this.source, at, bytes)
    return bytes
  }

  /** Steps over what follows the record that is being handled. */
  skip(bytes: number): void {
    const to = Math.min(this.#options.end, this.#bufferAt + this.#index + bytes)
    if (to <= this.#bufferAt + this.#bufferLength) this.#index = to - this.#bufferAt
    else {
      this.#bufferAt = to
      this.#bufferLength = 0
      this.#index = 0
    }
  }

  #reportPacked(): false {
    this.#options.issues.add(
      'corrupt_compressed',
      'data_loss',
      this.position,
      'The compressed records cannot be unpacked; everything after this place is missing.',
    )
    return false
  }

  #endOfPlain(): false {
    if (this.#rest.length > 0)
      this.#options.issues.add(
        'data_truncated',
        'data_loss',
        this.position,
        'The last unpacked record is cut off.',
      )
    return false
  }

  /** False when nothing after it can be read. */
  #handlePiece(piece: Uint8Array): boolean {
    const bytes = this.#joinRest(piece)
    const { position } = this
    const run: RecordRun = { bytes, from: 0, to: bytes.length, position, positionStep: 0 }
    let at = 0
    this.bytes = bytes
    while (at + 8 <= bytes.length) {
      run.from = at
      const taken = (at & 3) === 0 ? this.#handlers.run(run) : at
      if (taken > at) {
        at = taken
        continue
      }
      const size = this.#sizeAt(at)
      if (size < 8) {
        this.#reportBadRecord(size)
        return false
      }
      if (at + size > bytes.length) break
      this.at = at
      this.#handlers.one(this.#u32(at), size)
      at += size
    }
    this.#rest = bytes.slice(at)
    this.bytes = this.#buffer
    return true
  }

  /** The rest of what was unpacked before, and this behind it. */
  #joinRest(piece: Uint8Array): Uint8Array {
    const { memory, slackBytes } = this.#options
    const rest = this.#rest
    const length = rest.length + piece.length
    if (length + slackBytes > this.#unpacked.length) {
      memory.free(this.#unpacked)
      this.#unpacked = memory.bytes(2 * length + slackBytes)
    }
    this.#unpacked.set(rest)
    this.#unpacked.set(piece, rest.length)
    return this.#unpacked.subarray(0, length)
  }

  /** Yields the payloads of COMPRESSED records; handles the others on its way. */
  *#packed(): Generator<Uint8Array, void> {
    for (;;) {
      const payload = this.#nextPacked()
      if (payload === undefined) {
        // perf never closes the frame, and a decoder keeps what did not fit into its last output until more input comes.
        yield LAST_BLOCK
        return
      }
      yield payload
    }
  }

  #nextPacked(): Uint8Array | undefined {
    for (;;) {
      this.bytes = this.#buffer
      const size = this.#loadRecord()
      if (size === 0) {
        this.#packedEnded = true
        return undefined
      }
      const type = this.#u32(this.at)
      this.#packedBytes += size
      if (type === COMPRESSED) return this.#buffer.subarray(this.at + 8, this.at + size)
      if (type === COMPRESSED2 && size >= 16) {
        const length = Math.min(this.#u64(this.at + 8), size - 16)
        return this.#buffer.subarray(this.at + 16, this.at + 16 + length)
      }
      this.#handlers.one(type, size)
    }
  }

  #rawRecord(): boolean {
    this.bytes = this.#buffer
    if (this.#takeRun()) return true
    const size = this.#loadRecord()
    if (size === 0) return false
    const type = this.#u32(this.at)
    if (type === COMPRESSED || type === COMPRESSED2) {
      const { zstd } = this.#options
      this.needsZstd = zstd === undefined
      if (zstd === undefined) return this.#reportPacked()
      this.#index -= size
      this.#plain = zstd(this.#packed())
      return true
    }
    this.#handlers.one(type, size)
    return true
  }

  #takeRun(): boolean {
    const run = this.#run
    const from = this.#index
    if ((from & 3) !== 0) return false
    run.from = from
    run.to = this.#bufferLength
    run.position = this.#bufferAt
    this.#index = this.#handlers.run(run)
    return this.#index > from
  }

  /** Makes the next raw record present at `at`; its size, 0 at the end. */
  #loadRecord(): number {
    if (!this.#have(8)) return this.#endOfData()
    const size = this.#sizeAt(this.#index)
    this.position = this.#bufferAt + this.#index
    if (size < 8) {
      this.#reportBadRecord(size)
      return 0
    }
    if (!this.#have(size)) return this.#endOfData()
    this.at = this.#index
    this.position = this.#bufferAt + this.#index
    this.#index += size
    return size
  }

  #endOfData(): number {
    const left = this.#bufferLength - this.#index
    if (left > 0)
      this.#options.issues.add(
        'data_truncated',
        'data_loss',
        this.#bufferAt + this.#index,
        `The data ends in the middle of a record, ${left} bytes after its start.`,
      )
    return 0
  }

  #have(bytes: number): boolean {
    if (this.#index + bytes <= this.#bufferLength) return true
    this.#buffer.copyWithin(0, this.#index, this.#bufferLength)
    this.#bufferLength -= this.#index
    this.#bufferAt += this.#index
    this.#index = 0
    const from = this.#bufferAt + this.#bufferLength
    const room = Math.min(this.#buffer.length - this.#bufferLength, this.#options.end - from)
    this.#options.memory.readingAt(this.source.name, from)
    if (room > 0)
      this.#bufferLength += readFully(
        this.source,
        from,
        this.#buffer.subarray(this.#bufferLength, this.#bufferLength + room),
      )
    return bytes <= this.#bufferLength
  }

  #reportBadRecord(size: number): void {
    this.#options.issues.add(
      'bad_record',
      'data_loss',
      this.position,
      `A record is said to have ${size} bytes, at least 8 were expected; everything after this place is missing.`,
    )
  }

  /** The u16 of struct perf_event_header that holds the record's size. */
  #sizeAt(at: number): number {
    const a = this.bytes[at + 6] as number
    const b = this.bytes[at + 7] as number
    return this.#options.littleEndian ? a | (b << 8) : b | (a << 8)
  }

  #u32(at: number): number {
    const { bytes } = this
    const a = bytes[at] as number
    const b = bytes[at + 1] as number
    const c = bytes[at + 2] as number
    const d = bytes[at + 3] as number
    return this.#options.littleEndian
      ? (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
      : (d | (c << 8) | (b << 16) | (a << 24)) >>> 0
  }

  #u64(at: number): number {
    const first = this.#u32(at)
    const second = this.#u32(at + 4)
    return this.#options.littleEndian ? second * TWO_32 + first : first * TWO_32 + second
  }
}
