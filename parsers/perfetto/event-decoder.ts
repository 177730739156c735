import type { IssueLog } from '../issues.ts'
import { ByteDictionary } from '../string-dictionary.ts'
import {
  bitOf,
  NARROW,
  type RecordWriter,
  type Shape,
  type ShapeField,
  type ShapeKind,
  Shapes,
  TEXT,
} from './shapes.ts'
import { TYPED_EVENTS } from './typed-events.ts'
import { BYTES, FieldWalker } from './wire.ts'

/** FtraceEvent (protos/perfetto/trace/ftrace/ftrace_event.proto). */
const EVENT = { timestamp: 1, pid: 2, commonFlags: 5 } as const
const SCHED_SWITCH = 4
const SCHED_WAKING = 20
/** GenericFtraceEvent in FtraceEvent; its fields (generic.proto). */
const GENERIC = 327
const GENERIC_EVENT = { name: 1, field: 2 } as const
const GENERIC_FIELD = { name: 1, text: 3, signed: 4, unsigned: 5 } as const
/** Fields from here on are described in the bundles (denser_generic_event_encoding). */
const FIRST_DESCRIBED = 65_536
/** GenericEventDescriptor, and DescriptorProto and FieldDescriptorProto in it. */
const DESCRIPTOR = { fieldId: 1, event: 2, group: 3 } as const
const MESSAGE = { name: 1, field: 2 } as const
const FIELD = { name: 1, number: 3, type: 5 } as const
const FIELD_KINDS: Readonly<Record<number, ShapeKind>> = {
  3: 'i64',
  4: 'u64',
  5: 'i32',
  8: 'u32',
  9: 'string',
  12: 'string',
  13: 'u32',
  14: 'i32',
  17: 'i32',
  18: 'i64',
}
const MAX_FIELDS = 256
const MAX_FIELD_NUMBER = 4096
const MAX_NAME_BYTES = 1 << 22

interface GenericShape {
  readonly shape: Shape
  /** Of each field, as bytes: compared, not decoded. */
  readonly names: readonly Uint8Array[]
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Writes FtraceEvents as records. The result of the last `decode` lies in its fields. */
export class EventDecoder {
  readonly shapes = new Shapes()
  readonly schedSwitch: Shape
  readonly schedWaking: Shape
  /** Tracepoint groups by event name, where the recording's configuration names them. */
  readonly groups = new Map<string, string>()
  tsHi = 0
  tsLo = 0
  /** -1 = the event does not say. */
  tid = -1
  /** The switched-to thread of a sched_switch, else -1. */
  nextTid = -1
  isSwitch = false
  /** Bytes of the record. */
  size = 0
  readonly #issues: IssueLog
  readonly #typed: (Shape | undefined)[] = []
  readonly #described = new Map<number, Shape>()
  readonly #descriptors = new Map<number, Uint8Array>()
  readonly #names = new ByteDictionary()
  /** By code of the event's name: the layout met last. */
  readonly #generic: (GenericShape | undefined)[] = []
  readonly #genericByKey = new Map<string, GenericShape>()
  readonly #event = new FieldWalker()
  readonly #body = new FieldWalker()
  readonly #part = new FieldWalker()
  readonly #nextTidAt: number
  /** Kinds seen, by field number. */
  readonly #noted = new Uint8Array(4096)
  #id = 0
  #flags = 0
  #bodyStart = 0
  #bodyEnd = 0
  #mask = 0

  constructor(issues: IssueLog) {
    this.#issues = issues
    this.schedSwitch = this.#addTyped(SCHED_SWITCH)
    this.schedWaking = this.#addTyped(SCHED_WAKING)
    this.#nextTidAt = this.schedSwitch.offsets[5] as number
    // Only what the trace holds counts as its formats: these two are added again when met.
    this.shapes.formats.length = 0
  }

  /** Reads an event's head; false when it is damaged or has no time. */
  head(bytes: Uint8Array, start: number, end: number): boolean {
    const walker = this.#event
    walker.begin(bytes, start, end)
    this.#id = 0
    this.#flags = 0
    this.tid = -1
    let timed = false
    while (walker.next()) {
      const { field } = walker
      if (field === EVENT.timestamp) {
        this.tsHi = walker.hi
        this.tsLo = walker.lo
        timed = true
      } else if (field === EVENT.pid) this.tid = walker.lo | 0
      else if (field === EVENT.commonFlags) this.#flags = walker.lo
      else if (walker.wire === BYTES) {
        this.#id = field
        this.#bodyStart = walker.start
        this.#bodyEnd = walker.end
      }
    }
    return timed && !walker.bad
  }

  /** Notes the kind of the event whose head was read, so that `shapes.formats` names it. */
  note(bytes: Uint8Array): void {
    const id = this.#id
    if (id < this.#noted.length) {
      if (this.#noted[id] === 1) return
      if (id !== GENERIC) this.#noted[id] = 1
    }
    if (id === GENERIC) {
      const code = this.#genericName(bytes)
      if (code >= 0 && this.#generic[code] === undefined) this.#learnGeneric(bytes, code)
    } else if (id === SCHED_SWITCH || id === SCHED_WAKING) this.noteSched(id === SCHED_SWITCH)
    else if (this.#typed[id] === undefined && TYPED_EVENTS.has(id)) this.#addTyped(id)
  }

  /** The trace has sched_switch (or sched_waking) events. */
  noteSched(isSwitch: boolean): void {
    const shape = isSwitch ? this.schedSwitch : this.schedWaking
    const { formats } = this.shapes
    if (!formats.some(({ name, system }) => name === shape.name && system === shape.system))
      formats.push(shape.formatOf(shape.fullMask))
  }

  /** Appends the event whose head was read to `out`; false when it gives no record, which is counted. */
  body(bytes: Uint8Array, out: RecordWriter, at: number): boolean {
    const id = this.#id
    this.isSwitch = id === SCHED_SWITCH
    this.nextTid = -1
    const shape = id === GENERIC ? this.#fillGeneric(bytes, out) : this.#fillNumbered(bytes, out)
    if (shape === undefined) {
      this.#reportUnknown(id, at)
      return false
    }
    if (out.cut)
      this.#issues.add(
        'text_cut',
        'data_loss',
        at,
        `A text of ${shape.name} is longer than a record can hold; its end is missing.`,
        shape.name,
      )
    if (this.isSwitch && (this.#mask & bitOf(5)) !== 0)
      this.nextTid = (out.words[(out.used + this.#nextTidAt) >>> 2] as number) | 0
    const type = shape.typeOf(this.#mask)
    if (type < 0) {
      this.#reportFull(at)
      return false
    }
    this.size = out.finish(type, this.#flags, this.tid)
    return true
  }

  /** Learns an event that a bundle describes. */
  describe(bytes: Uint8Array, start: number, end: number, at: number): void {
    const walker = this.#part
    walker.begin(bytes, start, end)
    let id = 0
    let from = 0
    let to = 0
    let group = ''
    while (walker.next()) {
      if (walker.field === DESCRIPTOR.fieldId) id = walker.lo
      else if (walker.wire !== BYTES) continue
      else if (walker.field === DESCRIPTOR.group) group = textOf(walker)
      else if (walker.field === DESCRIPTOR.event) {
        from = walker.start
        to = walker.end
      }
    }
    const known = this.#descriptors.get(id)
    if (known !== undefined) {
      if (!equals(known, bytes, from, to))
        this.#issues.add(
          'descriptor_conflict',
          'error',
          at,
          `Event ${id} is described twice, differently; the first description is used.`,
          id,
        )
      return
    }
    const event = this.#parseMessage(bytes, from, to)
    if (id < FIRST_DESCRIBED || event === undefined) {
      this.#issues.add('bad_descriptor', 'error', at, `The description of event ${id} is damaged.`)
      return
    }
    const shape = this.shapes.add({ system: group || this.#groupOf(event.name), id, ...event })
    if (shape === undefined) {
      this.#reportFull(at)
      return
    }
    this.#described.set(id, shape)
    this.#descriptors.set(id, bytes.slice(from, to))
  }

  #parseMessage(
    bytes: Uint8Array,
    start: number,
    end: number,
  ): { name: string; fields: ShapeField[] } | undefined {
    const message = this.#body
    const part = this.#event
    message.begin(bytes, start, end)
    let name = ''
    const fields: ShapeField[] = []
    while (message.next()) {
      if (message.wire !== BYTES) continue
      if (message.field === MESSAGE.name) name = textOf(message)
      else if (message.field === MESSAGE.field && fields.length < MAX_FIELDS) {
        let fieldName = ''
        let number = 0
        let kind: ShapeKind | undefined
        part.begin(bytes, message.start, message.end)
        while (part.next()) {
          if (part.field === FIELD.name && part.wire === BYTES) fieldName = textOf(part)
          else if (part.field === FIELD.number) number = part.lo
          else if (part.field === FIELD.type) kind = FIELD_KINDS[part.lo]
        }
        const isNew = !fields.some((field) => field.number === number || field.name === fieldName)
        if (kind !== undefined && number > 0 && number <= MAX_FIELD_NUMBER && isNew)
          fields.push({ number, name: fieldName, kind })
      }
    }
    return message.bad || name === '' ? undefined : { name, fields }
  }

  #addTyped(id: number): Shape {
    const event = TYPED_EVENTS.get(id) ?? { id, system: '', name: '', fields: [] }
    const shape = this.shapes.add(event)
    if (shape === undefined) throw new RangeError('there are more typed events than shapes')
    this.#typed[id] = shape
    return shape
  }

  #fillNumbered(bytes: Uint8Array, out: RecordWriter): Shape | undefined {
    const id = this.#id
    const shape =
      id >= FIRST_DESCRIBED
        ? this.#described.get(id)
        : (this.#typed[id] ?? (TYPED_EVENTS.has(id) ? this.#addTyped(id) : undefined))
    if (shape === undefined) return undefined
    const walker = this.#body
    const { byNumber, offsets, classes } = shape
    out.begin(shape, this.#bodyEnd - this.#bodyStart)
    walker.begin(bytes, this.#bodyStart, this.#bodyEnd)
    let mask = 0
    while (walker.next()) {
      const { field } = walker
      const index = field < byNumber.length ? (byNumber[field] as number) : -1
      if (index < 0) continue
      const offset = offsets[index] as number
      const kind = classes[index] as number
      if (walker.wire === BYTES) {
        if (kind !== TEXT) continue
        // Of a field that is there twice the last counts; its first bytes stay behind unused.
        out.text(offset, bytes, walker.start, walker.end)
      } else if (kind === TEXT) continue
      else if (kind === NARROW) out.number(offset, walker.lo)
      else out.wide(offset, walker.hi, walker.lo)
      mask |= bitOf(index)
    }
    this.#mask = mask
    return walker.bad ? undefined : shape
  }

  /** Code of a generic event's name; -1 when it has none or there are too many. */
  #genericName(bytes: Uint8Array): number {
    const walker = this.#body
    walker.begin(bytes, this.#bodyStart, this.#bodyEnd)
    while (walker.next())
      if (walker.field === GENERIC_EVENT.name && walker.wire === BYTES) {
        if (this.#names.bytesUsed + (walker.end - walker.start) > MAX_NAME_BYTES) return -1
        return this.#names.intern(bytes, walker.start, walker.end)
      }
    return -1
  }

  #fillGeneric(bytes: Uint8Array, out: RecordWriter): Shape | undefined {
    const code = this.#genericName(bytes)
    if (code < 0) return undefined
    const known = this.#generic[code]
    if (known !== undefined && this.#tryGeneric(bytes, out, known)) return known.shape
    const learnt = this.#learnGeneric(bytes, code)
    return learnt !== undefined && this.#tryGeneric(bytes, out, learnt) ? learnt.shape : undefined
  }

  /** False when the event has other fields than `generic`. */
  #tryGeneric(bytes: Uint8Array, out: RecordWriter, generic: GenericShape): boolean {
    const { shape, names } = generic
    const { offsets, fields } = shape
    const walker = this.#body
    const part = this.#part
    out.begin(shape, this.#bodyEnd - this.#bodyStart)
    walker.begin(bytes, this.#bodyStart, this.#bodyEnd)
    let index = 0
    while (walker.next()) {
      if (walker.field !== GENERIC_EVENT.field || walker.wire !== BYTES) continue
      const name = names[index]
      if (name === undefined) return false
      const offset = offsets[index] as number
      const kind = (fields[index] as ShapeField).kind
      part.begin(bytes, walker.start, walker.end)
      let named = false
      let valued = false
      while (part.next()) {
        if (part.field === GENERIC_FIELD.name) {
          if (part.wire !== BYTES || !equals(name, bytes, part.start, part.end)) return false
          named = true
        } else if (part.wire === BYTES) {
          if (part.field !== GENERIC_FIELD.text) continue
          if (kind !== 'string') return false
          out.text(offset, bytes, part.start, part.end)
          valued = true
        } else if (part.field === GENERIC_FIELD.signed || part.field === GENERIC_FIELD.unsigned) {
          if (kind !== (part.field === GENERIC_FIELD.signed ? 'i64' : 'u64')) return false
          out.wide(offset, part.hi, part.lo)
          valued = true
        }
      }
      if (!named || !valued || part.bad) return false
      index++
    }
    if (walker.bad || index !== names.length) return false
    this.#mask = shape.fullMask
    return true
  }

  /** The layout of the generic event at hand, known or new; `undefined` when it is damaged or there are too many. */
  #learnGeneric(bytes: Uint8Array, code: number): GenericShape | undefined {
    const fields = this.#genericFields(bytes)
    if (fields === undefined) return undefined
    const key = `${code} ${fields.map(({ name, kind }) => `${kind} ${name}`).join('\n')}`
    let generic = this.#genericByKey.get(key)
    if (generic === undefined) {
      const name = this.#names.get(code)
      const shape = this.shapes.add({ system: this.#groupOf(name), name, id: -1, fields })
      if (shape === undefined) return undefined
      generic = { shape, names: fields.map((field) => encoder.encode(field.name)) }
      this.#genericByKey.set(key, generic)
    }
    this.#generic[code] = generic
    return generic
  }

  #genericFields(bytes: Uint8Array): ShapeField[] | undefined {
    const walker = this.#body
    const part = this.#part
    const fields: ShapeField[] = []
    walker.begin(bytes, this.#bodyStart, this.#bodyEnd)
    while (walker.next()) {
      if (walker.field !== GENERIC_EVENT.field || walker.wire !== BYTES) continue
      let name = ''
      let kind: ShapeKind | undefined
      part.begin(bytes, walker.start, walker.end)
      while (part.next()) {
        if (part.field === GENERIC_FIELD.name && part.wire === BYTES) name = textOf(part)
        else if (part.field === GENERIC_FIELD.text && part.wire === BYTES) kind = 'string'
        else if (part.field === GENERIC_FIELD.signed) kind = 'i64'
        else if (part.field === GENERIC_FIELD.unsigned) kind = 'u64'
      }
      if (part.bad || kind === undefined || name === '' || fields.length >= MAX_FIELDS)
        return undefined
      fields.push({ number: 0, name, kind })
    }
    return walker.bad ? undefined : fields
  }

  /** Generic events come without their group unless the configuration has it. */
  #groupOf(name: string): string {
    const known = this.groups.get(name)
    if (known !== undefined) return known
    if (name.startsWith('mm_vmscan_') || name.startsWith('mm_shrink_slab_')) return 'vmscan'
    if (name === 'reclaim_retry_zone' || name === 'compact_retry') return 'oom'
    return name.startsWith('mm_compaction_') ? 'compaction' : ''
  }

  #reportUnknown(id: number, at: number): void {
    if (id === 0)
      this.#issues.add('empty_event', 'info', at, 'An ftrace event has a time but no contents.')
    else if (id === GENERIC)
      this.#issues.add(
        'bad_event',
        'error',
        at,
        'A generic ftrace event has no name, or is damaged.',
      )
    else if (id >= FIRST_DESCRIBED)
      this.#issues.add(
        'unknown_event',
        'error',
        at,
        `The trace does not describe ftrace event ${id}.`,
        id,
      )
    else if (TYPED_EVENTS.has(id))
      this.#issues.add('bad_event', 'error', at, `An ftrace event ${id} is damaged.`, id)
    else
      this.#issues.add(
        'event_not_read',
        'info',
        at,
        `Events of FtraceEvent field ${id} are not about memory, scheduling or block devices and were not read.`,
        id,
      )
  }

  #reportFull(at: number): void {
    this.#issues.add('too_many_formats', 'data_loss', at, 'The trace has too many kinds of events.')
  }
}

/** The bytes of the walker's current field as UTF-8. */
export function textOf(walker: FieldWalker): string {
  return decoder.decode(walker.bytes.subarray(walker.start, walker.end))
}

function equals(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}
