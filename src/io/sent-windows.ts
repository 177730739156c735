import type {
  Column,
  EventBatch,
  EventFormat,
  EventWindow,
  FieldSpec,
  StringDictionary,
} from '../../parsers/batch.ts'
import type { ImportIssue, Loss, TraceInfo, TraceReader } from '../../parsers/reader.ts'
import { WatchedMap } from '../../parsers/watched-map.ts'

// Windows of events on their way from the thread that reads a trace, in memory that both threads share.

type Numbers = Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array
const TYPES = [Float64Array, Int32Array, Uint32Array, Uint16Array, Uint8Array] as const

/** What batches of an event have in common; `type` is the array's place in TYPES. */
interface Layout {
  readonly format: number
  readonly instance: number
  readonly columns: readonly {
    readonly kind: Column['kind']
    readonly hasValid: boolean
    readonly type: number
  }[]
}

/** What a reader says of its trace before the first window. */
export type OpenedTrace = Pick<TraceReader, 'info' | 'formats' | 'issues'>

/** All losses, and with them what one without a number of events got only when all was read. */
interface SentLosses {
  /** Their numbers in the reader's order. */
  readonly order: readonly number[]
  readonly events: readonly Loss['events'][]
  /** Those that have the next numbers. */
  readonly added: readonly Loss[]
}

/** What became known with a window; of losses undefined = there are no others. */
interface News {
  readonly bytesRead: number
  readonly losses: SentLosses | undefined
  readonly issues: readonly ImportIssue[]
  readonly tgids: readonly (readonly [number, number])[]
}

export interface SentWindow extends News {
  readonly firstSeq: number
  readonly length: number
  /** Byte where its arrays begin. */
  readonly at: number
  /** Of each batch: layout, rows, and for each column of strings the dictionary, of variable length the elements. */
  readonly head: Int32Array
}

/** Descriptions that windows refer to. */
export interface Descriptions {
  readonly layouts: readonly Layout[]
  readonly formats: readonly EventFormat[]
  readonly strings: readonly { readonly dictionary: number; readonly strings: readonly string[] }[]
  /** Dictionaries that no window will refer to any more. */
  readonly dropped: readonly number[]
}

/** What is known when all is read. */
export interface TraceEnd extends News {
  readonly info: TraceInfo
  /** All issues with their counts. */
  readonly allIssues: readonly ImportIssue[]
}

/** Copies windows of a reader into shared memory. */
export class WindowSender {
  readonly #reader: TraceReader
  readonly #tgids: ReadonlyMap<number, number>
  readonly #formats = new Map<EventFormat, number>()
  readonly #layouts = new Map<EventFormat, { readonly id: number; readonly layout: Layout }[]>()
  readonly #dictionaries = new WeakMap<StringDictionary, { readonly id: number; length: number }>()
  readonly #losses = new Map<Loss, number>()
  #lossesSent = 0
  #layoutCount = 0
  #dictionaryCount = 0
  #issuesSent = 0
  #newLayouts: Layout[] = []
  #newFormats: EventFormat[] = []
  #dropped: number[] = []
  /** Dictionaries of the windows since the last descriptions. */
  readonly #used = new Set<StringDictionary>()
  readonly #registry = new FinalizationRegistry<number>((id) => this.#dropped.push(id))

  constructor(reader: TraceReader) {
    this.#reader = reader
    this.#tgids = reader.info.tgids
    // They went with the reader's info.
    if (this.#tgids instanceof WatchedMap) this.#tgids.takeChanges()
    for (const format of reader.formats) this.#formats.set(format, this.#formats.size)
    this.#issuesSent = reader.issues.length
  }

  /** Bytes that the window needs. */
  sizeOf(window: EventWindow): number {
    let bytes = 0
    for (const array of orderOf(window)) bytes += padded(array.BYTES_PER_ELEMENT * window.length)
    for (const batch of window.batches)
      for (const [array, count] of arraysOf(batch)) bytes += padded(array.BYTES_PER_ELEMENT * count)
    return bytes
  }

  /** Copies a window to memory[at ..), where there must be room; to be called before the next is read. */
  send(window: EventWindow, memory: Uint8Array, at: number): SentWindow {
    const { firstSeq, length, batches } = window
    let to = at
    for (const array of orderOf(window)) to = copy(array, length, memory, to)
    const head: number[] = []
    for (const batch of batches) {
      head.push(this.#layoutOf(batch), batch.length)
      for (const column of batch.columns)
        if (column.kind === 'string') head.push(this.#numberOf(column.dictionary))
        else if ('starts' in column) head.push(column.starts[batch.length] ?? 0)
      for (const [array, count] of arraysOf(batch)) to = copy(array, count, memory, to)
    }
    return { firstSeq, length, at, head: Int32Array.from(head), ...this.#news() }
  }

  /** To be called when all is read. */
  end(): TraceEnd {
    const { info, issues } = this.#reader
    return { ...this.#news(), losses: this.#allLosses(), info, allIssues: issues }
  }

  /** What the windows since the last call refer to. */
  takeDescriptions(): Descriptions {
    for (const format of this.#reader.formats) this.#numberFormat(format)
    const strings = [...this.#used].flatMap((dictionary) => {
      const known = this.#dictionaries.get(dictionary)
      if (known === undefined || known.length === dictionary.length) return []
      const added: string[] = []
      for (; known.length < dictionary.length; known.length++)
        added.push(dictionary.get(known.length))
      return [{ dictionary: known.id, strings: added }]
    })
    this.#used.clear()
    const taken = {
      layouts: this.#newLayouts,
      formats: this.#newFormats,
      strings,
      dropped: this.#dropped,
    }
    this.#newLayouts = []
    this.#newFormats = []
    this.#dropped = []
    return taken
  }

  #news(): News {
    const { bytesRead, issues } = this.#reader
    const added = issues.slice(this.#issuesSent)
    this.#issuesSent = issues.length
    const tgids = this.#tgids instanceof WatchedMap ? this.#tgids.takeChanges() : []
    return { bytesRead, losses: this.#newLosses(), issues: added, tgids }
  }

  #newLosses(): SentLosses | undefined {
    return this.#reader.losses.length === this.#lossesSent ? undefined : this.#allLosses()
  }

  #allLosses(): SentLosses {
    const { losses } = this.#reader
    this.#lossesSent = losses.length
    const added = losses.filter((loss) => !this.#losses.has(loss))
    for (const loss of added) this.#losses.set(loss, this.#losses.size)
    const order = losses.map((loss) => this.#losses.get(loss) ?? 0)
    return { order, added, events: losses.map(({ events }) => events) }
  }

  #numberFormat(format: EventFormat): number {
    const known = this.#formats.get(format)
    if (known !== undefined) return known
    const number = this.#formats.size
    this.#formats.set(format, number)
    this.#newFormats.push(format)
    return number
  }

  #numberOf(dictionary: StringDictionary): number {
    this.#used.add(dictionary)
    let known = this.#dictionaries.get(dictionary)
    if (known === undefined) {
      known = { id: this.#dictionaryCount++, length: 0 }
      this.#dictionaries.set(dictionary, known)
      this.#registry.register(dictionary, known.id)
    }
    return known.id
  }

  #layoutOf(batch: EventBatch): number {
    let layouts = this.#layouts.get(batch.format)
    if (layouts === undefined) {
      layouts = []
      this.#layouts.set(batch.format, layouts)
    }
    for (const { id, layout } of layouts) if (isOf(layout, batch)) return id
    const layout = {
      format: this.#numberFormat(batch.format),
      instance: batch.instance,
      columns: batch.columns.map((column) => ({
        kind: column.kind,
        hasValid: column.valid !== undefined,
        type: typeOf(column),
      })),
    }
    const id = this.#layoutCount++
    layouts.push({ id, layout })
    this.#newLayouts.push(layout)
    return id
  }
}

function isOf({ instance, columns }: Layout, batch: EventBatch): boolean {
  if (instance !== batch.instance) return false
  for (let i = 0; i < columns.length; i++) {
    const column = batch.columns[i] as Column
    const known = columns[i] as Layout['columns'][number]
    if (known.kind !== column.kind || known.hasValid !== (column.valid !== undefined)) return false
    if ('values' in column && !(column.values instanceof (TYPES[known.type] as typeof Uint8Array)))
      return false
  }
  return true
}

function typeOf(column: Column): number {
  return 'values' in column ? TYPES.findIndex((Type) => column.values instanceof Type) : -1
}

/** The arrays of a window that have an element for each event. */
function orderOf({ batch, row, ts, cpu, tid }: EventWindow): Numbers[] {
  return [batch, row, ts, cpu, tid]
}

/** The arrays of a batch, in the order in which they are copied, and how many elements count. */
function arraysOf(batch: EventBatch): [Numbers, number][] {
  const { length } = batch
  const arrays: [Numbers, number][] = [
    [batch.ts, length],
    [batch.cpu, length],
    [batch.tid, length],
    [batch.flags, length],
  ]
  for (const column of batch.columns) {
    if (column.valid !== undefined) arrays.push([column.valid, length])
    if ('values' in column) arrays.push([column.values, length])
    else if ('codes' in column) arrays.push([column.codes, length])
    else if (!('starts' in column)) arrays.push([column.lo, length], [column.hi, length])
    else {
      const elements = column.starts[length] ?? 0
      arrays.push([column.starts, length + 1])
      if (column.kind === 'bytes') arrays.push([column.bytes, elements])
      else arrays.push([column.lo, elements], [column.hi, elements])
    }
  }
  return arrays
}

/** Returns where the next array begins: every one where one of doubles may. */
function copy(array: Numbers, count: number, memory: Uint8Array, at: number): number {
  const bytes = count * array.BYTES_PER_ELEMENT
  memory.set(new Uint8Array(array.buffer, array.byteOffset, bytes), at)
  return at + padded(bytes)
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7
}

/** A dictionary that is filled from the other side. */
class ReceivedDictionary implements StringDictionary {
  readonly strings: string[] = []

  get length(): number {
    return this.strings.length
  }

  get(code: number): string {
    const text = this.strings[code]
    if (text === undefined) throw new RangeError(`no string has code ${code}`)
    return text
  }
}

/** Turns sent windows back into windows, whose formats, dictionaries and losses keep their identity. */
export class WindowReceiver {
  readonly formats: EventFormat[]
  info: TraceInfo
  losses: readonly Loss[] = []
  issues: ImportIssue[]
  bytesRead = 0
  readonly #layouts: Layout[] = []
  readonly #dictionaries = new Map<number, ReceivedDictionary>()
  readonly #losses: Loss[] = []
  readonly #tgids: Map<number, number>

  constructor(opened: OpenedTrace) {
    this.formats = [...opened.formats]
    this.#tgids = new Map(opened.info.tgids)
    this.info = { ...opened.info, tgids: this.#tgids }
    this.issues = [...opened.issues]
  }

  describe({ layouts, formats, strings, dropped }: Descriptions): void {
    this.formats.push(...formats)
    this.#layouts.push(...layouts)
    for (const number of dropped) this.#dictionaries.delete(number)
    for (const { dictionary, strings: added } of strings) {
      const to = this.#dictionaryOf(dictionary).strings
      for (const text of added) to.push(text)
    }
  }

  receive(sent: SentWindow, memory: SharedArrayBuffer): EventWindow {
    this.#learn(sent)
    const { firstSeq, length, head, at } = sent
    const arrays = new ArrayCursor(memory, at)
    const order = {
      batch: arrays.next(Uint16Array, length),
      row: arrays.next(Uint32Array, length),
      ts: arrays.next(Float64Array, length),
      cpu: arrays.next(Int32Array, length),
      tid: arrays.next(Int32Array, length),
    }
    const batches: EventBatch[] = []
    for (let i = 0; i < head.length; ) {
      const layout = this.#layouts[head[i++] as number] as Layout
      const rows = head[i++] as number
      const format = this.formats[layout.format] as EventFormat
      const ts = arrays.next(Float64Array, rows)
      const cpu = arrays.next(Int32Array, rows)
      const tid = arrays.next(Int32Array, rows)
      const flags = arrays.next(Uint16Array, rows)
      const columns = layout.columns.map((column, c): Column => {
        const isPlain =
          column.kind !== 'string' && column.kind !== 'bytes' && column.kind !== 'list'
        const extra = isPlain ? 0 : (head[i++] as number)
        return this.#columnOf(column, { field: format.fields[c] as FieldSpec, rows, extra, arrays })
      })
      const { instance } = layout
      batches.push({ format, length: rows, ts, cpu, tid, flags, columns, instance })
    }
    return { firstSeq, length, batches, ...order }
  }

  end(end: TraceEnd): void {
    this.#learn(end)
    this.info = { ...end.info, tgids: this.#tgids }
    this.issues = [...end.allIssues]
  }

  #columnOf(
    { kind, hasValid, type }: Layout['columns'][number],
    of: { field: FieldSpec; rows: number; extra: number; arrays: ArrayCursor },
  ): Column {
    const { field, rows, extra, arrays } = of
    const base = hasValid ? { field, valid: arrays.next(Uint8Array, rows) } : { field }
    switch (kind) {
      case 'i32':
      case 'u32':
      case 'f64': {
        const values = arrays.next(TYPES[type] as typeof Int32Array, rows)
        return { kind, ...base, values }
      }
      case 'i64':
      case 'u64': {
        const lo = arrays.next(Uint32Array, rows)
        return { kind, ...base, lo, hi: arrays.next(Uint32Array, rows) }
      }
      case 'string': {
        const codes = arrays.next(Uint32Array, rows)
        return { kind, ...base, codes, dictionary: this.#dictionaryOf(extra) }
      }
      case 'bytes': {
        const starts = arrays.next(Uint32Array, rows + 1)
        return { kind, ...base, starts, bytes: arrays.next(Uint8Array, extra) }
      }
      case 'list': {
        const starts = arrays.next(Uint32Array, rows + 1)
        const lo = arrays.next(Uint32Array, extra)
        return { kind, ...base, starts, lo, hi: arrays.next(Uint32Array, extra) }
      }
    }
  }

  #dictionaryOf(number: number): ReceivedDictionary {
    let dictionary = this.#dictionaries.get(number)
    if (dictionary === undefined) {
      dictionary = new ReceivedDictionary()
      this.#dictionaries.set(number, dictionary)
    }
    return dictionary
  }

  #learn({ bytesRead, losses, issues, tgids }: News): void {
    this.bytesRead = bytesRead
    this.issues.push(...issues)
    for (const [tid, tgid] of tgids) this.#tgids.set(tid, tgid)
    if (losses === undefined) return
    for (const loss of losses.added) this.#losses.push({ ...loss })
    this.losses = losses.order.map((number, i) =>
      Object.assign(this.#losses[number] as Loss, { events: losses.events[i] }),
    )
  }
}

/** Arrays that lie one behind the other. */
class ArrayCursor {
  readonly #memory: SharedArrayBuffer
  #at: number

  constructor(memory: SharedArrayBuffer, at: number) {
    this.#memory = memory
    this.#at = at
  }

  next<Of extends Numbers>(
    Type: new (buffer: SharedArrayBuffer, at: number, length: number) => Of,
    length: number,
  ): Of {
    const array = new Type(this.#memory, this.#at, length)
    this.#at += padded(array.byteLength)
    return array
  }
}
