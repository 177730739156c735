/**
 * Perfetto TrackEvents from analysis rows (protos/perfetto/trace/trace_packet.proto, track_event/track_event.proto,
 * track_event/track_descriptor.proto, track_event/debug_annotation.proto). Only what ui.perfetto.dev needs to show slices,
 * counters and instants on the threads they belong to.
 */

export interface PerfettoProcess {
  readonly pid: number
  readonly name: string
}
export interface PerfettoThread {
  readonly pid: number
  readonly tid: number
  readonly name: string
}
export type PerfettoArguments = Readonly<Record<string, number | bigint | string | null>>

export interface PerfettoSlice {
  readonly kind: 'slice'
  readonly pid: number
  readonly tid: number
  readonly name: string
  readonly category: string
  readonly startNs: bigint
  readonly endNs: bigint
  readonly args: PerfettoArguments
}
export interface PerfettoInstant {
  readonly kind: 'instant'
  readonly pid: number
  readonly tid: number
  readonly name: string
  readonly ns: bigint
}
export interface PerfettoCounter {
  readonly kind: 'counter'
  readonly pid: number
  readonly name: string
  readonly ns: bigint
  readonly value: number
}
export type PerfettoRow = PerfettoSlice | PerfettoInstant | PerfettoCounter

/** trusted_packet_sequence_id: any number, the same on all packets of one writer. */
const SEQUENCE = 1
const SLICE_BEGIN = 1
const SLICE_END = 2
const INSTANT = 3
const COUNTER = 4

/** Encodes packets one by one; track descriptors come before the first event on their track. */
export class PerfettoWriter {
  readonly #uuids = new Map<string, bigint>()

  process({ pid, name }: PerfettoProcess): Uint8Array {
    const process = new Message().int(1, BigInt(pid)).text(6, name)
    return this.#descriptor(`process ${pid}`, new Message().message(3, process))
  }

  thread({ pid, tid, name }: PerfettoThread): Uint8Array {
    const thread = new Message().int(1, BigInt(pid)).int(2, BigInt(tid)).text(5, name)
    return this.#descriptor(`thread ${pid} ${tid}`, new Message().message(4, thread))
  }

  /** One packet, or two for a slice, each preceded by its counter track's descriptor where that is new. */
  row(row: PerfettoRow): Uint8Array[] {
    if (row.kind === 'counter') return this.#counter(row)
    const track = this.#uuid(`thread ${row.pid} ${row.tid}`)
    if (row.kind === 'instant')
      return [
        packet(row.ns, new Message().int(9, BigInt(INSTANT)).int(11, track).text(23, row.name)),
      ]
    const begin = new Message()
      .int(9, BigInt(SLICE_BEGIN))
      .int(11, track)
      .text(22, row.category)
      .text(23, row.name)
    for (const [name, value] of Object.entries(row.args)) {
      if (value === null) continue
      const annotation = new Message().text(10, name)
      if (typeof value === 'string') annotation.text(6, value)
      else if (typeof value === 'bigint' || Number.isInteger(value))
        annotation.int(4, BigInt(value))
      else annotation.double(5, value)
      begin.message(4, annotation)
    }
    const end = new Message().int(9, BigInt(SLICE_END)).int(11, track)
    return [packet(row.startNs, begin), packet(row.endNs, end)]
  }

  #counter({ pid, name, ns, value }: PerfettoCounter): Uint8Array[] {
    const key = `counter ${pid} ${name}`
    const packets: Uint8Array[] = []
    if (!this.#uuids.has(key)) {
      const track = new Message().text(2, name).int(5, this.#uuid(`process ${pid}`))
      packets.push(this.#descriptor(key, track.message(8, new Message())))
    }
    const event = new Message().int(9, BigInt(COUNTER)).int(11, this.#uuid(key)).double(44, value)
    packets.push(packet(ns, event))
    return packets
  }

  #descriptor(key: string, track: Message): Uint8Array {
    const descriptor = new Message().int(1, this.#uuid(key)).append(track)
    return wrap(new Message().int(10, BigInt(SEQUENCE)).message(60, descriptor))
  }

  #uuid(key: string): bigint {
    let uuid = this.#uuids.get(key)
    if (uuid === undefined) {
      uuid = BigInt(this.#uuids.size + 1)
      this.#uuids.set(key, uuid)
    }
    return uuid
  }
}

function packet(ns: bigint, event: Message): Uint8Array {
  return wrap(new Message().int(8, ns).int(10, BigInt(SEQUENCE)).message(11, event))
}

/** Trace.packet is field 1 of the file's one message. */
function wrap(message: Message): Uint8Array {
  return new Message().message(1, message).finish()
}

const VARINT = 0
const FIXED64 = 1
const BYTES = 2

/** A protobuf message under construction; fields are written in the order of the calls. */
class Message {
  readonly #bytes: number[] = []

  int(field: number, value: bigint): this {
    this.#tag(field, VARINT)
    this.#varint(BigInt.asUintN(64, value))
    return this
  }

  double(field: number, value: number): this {
    this.#tag(field, FIXED64)
    const view = new DataView(new ArrayBuffer(8))
    view.setFloat64(0, value, true)
    for (let i = 0; i < 8; i++) this.#bytes.push(view.getUint8(i))
    return this
  }

  text(field: number, value: string): this {
    return this.#block(field, Buffer.from(value, 'utf8'))
  }

  message(field: number, message: Message): this {
    return this.#block(field, message.#bytes)
  }

  /** The other message's fields become fields of this one. */
  append(message: Message): this {
    for (const byte of message.#bytes) this.#bytes.push(byte)
    return this
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }

  #block(field: number, bytes: ArrayLike<number>): this {
    this.#tag(field, BYTES)
    this.#varint(BigInt(bytes.length))
    for (let i = 0; i < bytes.length; i++) this.#bytes.push(bytes[i] ?? 0)
    return this
  }

  #tag(field: number, type: number): void {
    this.#varint(BigInt(field * 8 + type))
  }

  #varint(value: bigint): void {
    let rest = value
    while (rest > 127n) {
      this.#bytes.push(Number(rest & 127n) | 128)
      rest >>= 7n
    }
    this.#bytes.push(Number(rest))
  }
}
