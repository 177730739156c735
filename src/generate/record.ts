import type { EventLayout, LayoutField } from './layout-fields.ts'
import {
  argIndex,
  DATA_HIGH,
  PayloadText,
  PREEMPTED,
  SHRINKERS,
  symbolAddressLow,
  TEXT_HIGH,
} from './text-values.ts'

/** A machine's byte order and the size of its `long`. */
export interface Abi {
  readonly littleEndian: boolean
  readonly long: 4 | 8
}

/** A field placed in the record, with its arguments' numbers looked up once. */
interface PlacedField {
  readonly spec: LayoutField
  readonly offset: number
  readonly size: number
  readonly mode: 'comm' | 'tail' | 'noText' | 'entry' | 'pointer' | 'number'
  /** Index of the (first) argument; -1 = none. */
  readonly arg: number
  readonly offsetArg: number
}

/** Takes one event's fields one by one. */
export interface FieldTaker {
  number(name: string, value: number): void
  wide(name: string, high: number, low: number): void
  text(name: string, bytes: Uint8Array): void
}

/** Bytes before the event's own fields: common_type, flags, preempt_count, pid. */
const COMMON_BYTES = 8

/** Encodes one event's records as one kernel on one machine lays them out (struct trace_entry and the TP_STRUCT fields, naturally aligned). */
export class RecordEncoder {
  readonly layout: EventLayout
  readonly id: number
  readonly #abi: Abi
  readonly #fields: readonly PlacedField[]
  /** Where the NUL of an empty dynamic string lies. */
  readonly #noTextAt: number
  readonly #fixedBytes: number
  readonly #strings: readonly Uint8Array[]
  readonly #text: PayloadText

  /** `strings` are the scenario's strings, borrowed; `encoded` the same as UTF-8. */
  constructor(
    layout: EventLayout,
    id: number,
    abi: Abi,
    strings: readonly string[],
    encoded: readonly Uint8Array[],
  ) {
    this.layout = layout
    this.id = id
    this.#abi = abi
    this.#strings = encoded
    this.#text = new PayloadText(layout, strings)
    const fields: PlacedField[] = []
    let offset = COMMON_BYTES
    for (const spec of layout.fields) {
      const size = spec.size === 'long' ? abi.long : spec.size
      const align = spec.suffix === undefined ? Math.min(size, 8) : 1
      offset = Math.ceil(offset / align) * align
      fields.push(placed(layout, spec, offset, size))
      offset += size
    }
    this.#fields = fields
    this.#noTextAt = offset
    this.#fixedBytes = offset + (fields.some(({ mode }) => mode === 'noText') ? 1 : 0)
  }

  /** The `format` file of the event. */
  formatText(): string {
    const common = [
      ['unsigned short common_type', 0, 2, 0],
      ['unsigned char common_flags', 2, 1, 0],
      ['unsigned char common_preempt_count', 3, 1, 0],
      ['int common_pid', 4, 4, 1],
    ] as const
    const line = (declaration: string, offset: number, size: number, signed: number) =>
      `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:${signed};\n`
    return (
      `name: ${this.layout.name}\nID: ${this.id}\nformat:\n` +
      common.map(([name, offset, size, signed]) => line(name, offset, size, signed)).join('') +
      '\n' +
      this.#fields
        .map(({ spec, offset, size }) =>
          line(`${spec.type} ${spec.name}${spec.suffix ?? ''}`, offset, size, spec.signed ? 1 : 0),
        )
        .join('') +
      `\nprint fmt: ${this.#text.printFmt()}\n`
    )
  }

  /** Payload as the kernel prints it in text form. */
  payloadText(args: Float64Array): string {
    return this.#text.render(args)
  }

  /** Bytes that `encode` will write. */
  byteLength(args: Float64Array): number {
    const tail = this.#fields.at(-1)
    if (tail === undefined || tail.mode !== 'tail') return this.#fixedBytes
    return this.#fixedBytes + this.#string(args, tail.arg).length + 1
  }

  /** Writes the record at `at` of `bytes`, of which `view` is a view from the same start; returns its length. */
  encode(bytes: Uint8Array, view: DataView, at: number, tid: number, args: Float64Array): number {
    const { littleEndian } = this.#abi
    const length = this.byteLength(args)
    bytes.fill(0, at, at + length)
    view.setUint16(at, this.id, littleEndian)
    view.setInt32(at + 4, tid, littleEndian)
    for (const field of this.#fields) this.#field(bytes, view, at + field.offset, field, args)
    return length
  }

  /** Every own field's value in order, for formats that do not keep the kernel's bytes. */
  eachField(args: Float64Array, take: FieldTaker): void {
    for (const { spec, size, mode, arg, offsetArg } of this.#fields) {
      const value = args[arg] ?? 0
      if (mode === 'comm') take.text(spec.name, this.#string(args, arg).subarray(0, size - 1))
      else if (mode === 'noText') take.text(spec.name, NO_BYTES)
      else if (mode === 'tail') take.text(spec.name, this.#string(args, arg))
      else if (mode === 'entry') {
        const offset = args[offsetArg] ?? 0
        take.wide(spec.name, value * 2 ** 26 + Math.floor(offset / 2 ** 32), offset)
      } else if (mode === 'pointer') {
        const { high, low } = address(spec, arg < 0 ? SHRINKERS.length : value)
        take.wide(spec.name, size === 8 ? high : 0, low)
      } else take.number(spec.name, plainValue(spec, value))
    }
  }

  #string(args: Float64Array, arg: number): Uint8Array {
    return this.#strings[args[arg] ?? 0] ?? NO_BYTES
  }

  #field(
    bytes: Uint8Array,
    view: DataView,
    at: number,
    field: PlacedField,
    args: Float64Array,
  ): void {
    const { size, spec } = field
    const value = args[field.arg] ?? 0
    switch (field.mode) {
      case 'comm':
        copy(this.#string(args, field.arg), bytes, at, size - 1)
        break
      case 'noText':
        // __data_loc: length << 16 | offset.
        this.#number(view, at, size, (1 << 16) | this.#noTextAt)
        break
      case 'tail':
        copy(this.#string(args, field.arg), bytes, at, 0xffff)
        break
      case 'entry': {
        // swp_entry_t on 64-bit: type in the top six bits (swapops.h), offset below.
        const offset = args[field.offsetArg] ?? 0
        this.#wide(view, at, value * 2 ** 26 + Math.floor(offset / 2 ** 32), offset)
        break
      }
      case 'pointer': {
        const { high, low } = address(spec, field.arg < 0 ? SHRINKERS.length : value)
        if (size === 8) this.#wide(view, at, high, low)
        else view.setUint32(at, low, this.#abi.littleEndian)
        break
      }
      case 'number':
        this.#number(view, at, size, plainValue(spec, value))
        break
    }
  }

  #number(view: DataView, at: number, size: number, value: number): void {
    const { littleEndian } = this.#abi
    if (size === 1) view.setUint8(at, value)
    else if (size === 2) view.setUint16(at, value, littleEndian)
    else if (size === 4) view.setUint32(at, value, littleEndian)
    else this.#wide(view, at, Math.floor(value / 2 ** 32), value)
  }

  #wide(view: DataView, at: number, high: number, low: number): void {
    const { littleEndian } = this.#abi
    view.setUint32(at + (littleEndian ? 4 : 0), high, littleEndian)
    view.setUint32(at + (littleEndian ? 0 : 4), low, littleEndian)
  }
}

function plainValue({ source }: LayoutField, value: number): number {
  if ('constant' in source) return source.constant
  return 'state' in source && value === PREEMPTED ? source.preempted : value
}

/** Where in the kernel's address space the shrinker or function number `index` lies. */
function address(spec: LayoutField, index: number): { high: number; low: number } {
  return spec.type.startsWith('struct')
    ? { high: DATA_HIGH, low: 0x0123_4000 + index * 64 }
    : { high: TEXT_HIGH, low: symbolAddressLow(index) }
}

const NO_BYTES = new Uint8Array(0)

function copy(from: Uint8Array, to: Uint8Array, at: number, max: number): void {
  const length = Math.min(from.length, max)
  for (let i = 0; i < length; i++) to[at + i] = from[i] ?? 0
}

function placed(layout: EventLayout, spec: LayoutField, offset: number, size: number): PlacedField {
  const { source } = spec
  const place = (mode: PlacedField['mode'], arg: string, second = ''): PlacedField => ({
    spec,
    offset,
    size,
    mode,
    arg: argIndex(layout, arg),
    offsetArg: argIndex(layout, second),
  })
  if ('comm' in source) return place('comm', source.comm)
  if ('tail' in source) return place('tail', source.tail)
  if ('noText' in source) return place('noText', '')
  if ('entry' in source) return place('entry', source.entry[0], source.entry[1])
  if ('pointer' in source) return place('pointer', source.pointer)
  return place('number', 'arg' in source ? source.arg : 'state' in source ? source.state : '')
}
