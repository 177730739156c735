import type { RecordEncoder } from '../record.ts'
import type { Output } from './writer.ts'

/** Time deltas above this need a time-extend record (27 bits, kernel/trace/ring_buffer.c). */
const MAX_DELTA = 2 ** 27 - 1
const MISSED_EVENTS = 2 ** 31
const MISSED_STORED = 2 ** 30
const TYPE_TIME_EXTEND = 30
/** Payloads above 28 words carry their length in the first word (type_len 0). */
const MAX_TYPE_LEN = 28

export interface RingBufferShape {
  readonly pageSize: number
  readonly long: 4 | 8
  readonly littleEndian: boolean
}

/**
 * Writes one cpu's sub-buffers: u64 time stamp, kernel-long commit, records of a 27-bit time delta and 5-bit length each.
 * Source: kernel/trace/ring_buffer.c (struct buffer_data_page, ring_buffer_event).
 */
export class RingBufferPages {
  readonly #shape: RingBufferShape
  readonly #out: Output
  readonly #page: Uint8Array
  readonly #view: DataView
  readonly #dataStart: number
  #used = 0
  #lastTs = 0
  #open = false
  #missed = 0
  pages = 0

  constructor(shape: RingBufferShape, out: Output) {
    this.#shape = shape
    this.#out = out
    this.#page = new Uint8Array(shape.pageSize)
    this.#view = new DataView(this.#page.buffer)
    this.#dataStart = 8 + shape.long
  }

  /** The text of tracefs' events/header_page for this shape. */
  static headerPage({ pageSize, long }: RingBufferShape): string {
    const line = (declaration: string, offset: number, size: number, signed: number) =>
      `\tfield: ${declaration};\toffset:${offset};\tsize:${size};\tsigned:${signed};\n`
    return (
      line('u64 timestamp', 0, 8, 0) +
      line('local_t commit', 8, long, 1) +
      line('int overwrite', 8, 1, 1) +
      line('char data', 8 + long, pageSize - 8 - long, 0)
    )
  }

  /** The text of tracefs' events/header_event; the same on every kernel. */
  static readonly HEADER_EVENT =
    '# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n\tarray       :   32 bits\n\n' +
    '\tpadding     : type == 29\n\ttime_extend : type == 30\n\ttime_stamp : type == 31\n\tdata max type_len  == 28\n'

  /** Events were lost since the last one; the next page says so. */
  lost(count: number): void {
    this.flush()
    this.#missed += count
  }

  record(encoder: RecordEncoder, ts: number, tid: number, args: Float64Array): void {
    const payload = Math.ceil(encoder.byteLength(args) / 4) * 4
    const header = payload / 4 <= MAX_TYPE_LEN ? 4 : 8
    const extend = this.#open && ts - this.#lastTs > MAX_DELTA ? 8 : 0
    // A long follows the data when events were missed: leave room for it.
    if (
      this.#open &&
      this.#used + extend + header + payload > this.#shape.pageSize - this.#shape.long
    )
      this.flush()
    if (!this.#open) this.#start(ts)
    const { littleEndian } = this.#shape
    let delta = ts - this.#lastTs
    if (delta > MAX_DELTA) {
      this.#word(TYPE_TIME_EXTEND, delta % 2 ** 27)
      this.#view.setUint32(this.#used, Math.floor(delta / 2 ** 27), littleEndian)
      this.#used += 4
      delta = 0
    }
    if (header === 4) this.#word(payload / 4, delta)
    else {
      this.#word(0, delta)
      this.#view.setUint32(this.#used, payload + 4, littleEndian)
      this.#used += 4
    }
    encoder.encode(this.#page, this.#view, this.#used, tid, args)
    this.#used += payload
    this.#lastTs = ts
  }

  /** Ends the open page, if any. */
  flush(): void {
    if (!this.#open) return
    const { littleEndian, long } = this.#shape
    let commit = this.#used - this.#dataStart
    if (this.#missed > 0) {
      commit += MISSED_EVENTS + MISSED_STORED
      this.#long(this.#used, this.#missed)
      this.#missed = 0
    }
    if (long === 8) {
      this.#view.setUint32(littleEndian ? 8 : 12, commit, littleEndian)
      this.#view.setUint32(littleEndian ? 12 : 8, 0, littleEndian)
    } else this.#view.setUint32(8, commit, littleEndian)
    this.#out.write(this.#page)
    this.pages++
    this.#open = false
  }

  #start(ts: number): void {
    const { littleEndian } = this.#shape
    this.#page.fill(0)
    this.#view.setUint32(littleEndian ? 4 : 0, Math.floor(ts / 2 ** 32), littleEndian)
    this.#view.setUint32(littleEndian ? 0 : 4, ts % 2 ** 32, littleEndian)
    this.#used = this.#dataStart
    this.#lastTs = ts
    this.#open = true
  }

  #word(typeLen: number, delta: number): void {
    const { littleEndian } = this.#shape
    const word = littleEndian ? delta * 32 + typeLen : typeLen * 2 ** 27 + delta
    this.#view.setUint32(this.#used, word, littleEndian)
    this.#used += 4
  }

  #long(at: number, value: number): void {
    const { littleEndian, long } = this.#shape
    this.#view.setUint32(at + (long === 8 && !littleEndian ? 4 : 0), value, littleEndian)
  }
}
