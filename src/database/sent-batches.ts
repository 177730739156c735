import type { Column, EventBatch, EventFormat, StringDictionary } from '../../parsers/batch.ts'
import { GatheredBatch, type Numbers, numbersOf } from './gathered-batches.ts'
import { Slabs } from './slabs.ts'
import type { RawBatch } from './writer.ts'

// Batches of raw events on their way to the writing thread.

export interface SentBatch {
  /** Number of the format; its description comes with its first batch. */
  readonly id: number
  readonly format: EventFormat | undefined
  readonly length: number
  readonly instance: number
  readonly ts: Float64Array
  readonly cpu: Int32Array
  readonly tid: Int32Array
  readonly columns: readonly SentColumn[]
  readonly seq: Float64Array
}

/** A column without its field, which the format describes. */
export type SentColumn = Fieldless<Exclude<Column, { kind: 'string' }>> | SentStrings
type Fieldless<C> = C extends Column ? Omit<C, 'field'> : never

export interface SentStrings {
  readonly kind: 'string'
  readonly valid: Uint8Array | undefined
  readonly codes: Uint32Array
  /** Strings that follow those sent before; with `restart`, a new dictionary's first. */
  readonly strings: readonly string[]
  readonly restart: boolean
}

/** What of a dictionary the writing thread has, by place of the column. */
class SentDictionaries {
  readonly #sent = new Map<string, { dictionary: StringDictionary; length: number }>()

  next(place: string, dictionary: StringDictionary): { strings: string[]; restart: boolean } {
    let sent = this.#sent.get(place)
    const restart = sent === undefined || sent.dictionary !== dictionary
    if (sent === undefined || restart) {
      sent = { dictionary, length: 0 }
      this.#sent.set(place, sent)
    }
    const strings: string[] = []
    for (; sent.length < dictionary.length; sent.length++) strings.push(dictionary.get(sent.length))
    return { strings, restart }
  }
}

/** What goes to the writing thread at once, and the memory that moves there with it. */
export interface Parcel {
  readonly batches: readonly SentBatch[]
  readonly buffers: ArrayBuffer[]
}

/** Copies batches, whose memory is borrowed, for the writing thread. */
export class BatchSender {
  readonly #slabs = new Slabs()
  readonly #formats = new Map<EventFormat, number>()
  readonly #dictionaries = new SentDictionaries()
  /** By format, then instance. */
  readonly #gathered = new Map<EventFormat, (GatheredBatch | undefined)[]>()
  /** Buffers that came back, by size. */
  readonly #spare = new Map<number, ArrayBuffer[]>()
  readonly #ready: SentBatch[] = []
  #buffers: ArrayBuffer[] = []

  add(raw: RawBatch): void {
    const { batch } = raw
    const numbers = numbersOf(raw)
    const known = this.#gathered.get(batch.format)?.[batch.instance]
    if (known !== undefined && !(numbers !== undefined && known.takes(batch, numbers)))
      this.#pack(known)
    if (numbers === undefined) this.#ready.push(this.#toSent(this.#copy(raw)))
    else this.#gather(batch, numbers)
  }

  /** What is ready to travel: batches that are full, or with `all` whatever was added. */
  take(options: { all: boolean }): Parcel | undefined {
    if (options.all)
      for (const instances of this.#gathered.values())
        for (const gathered of instances) if (gathered !== undefined) this.#pack(gathered)
    if (this.#ready.length === 0) return undefined
    const parcel = {
      batches: this.#ready.splice(0),
      buffers: [...this.#slabs.take(), ...this.#buffers],
    }
    this.#buffers = []
    return parcel
  }

  giveBack(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers)
      if (!this.#slabs.giveBack(buffer)) {
        const spare = this.#spare.get(buffer.byteLength) ?? []
        this.#spare.set(buffer.byteLength, spare)
        if (spare.length < MOST_SPARE) spare.push(buffer)
      }
  }

  /** Forgets what was added and not taken. */
  discard(): void {
    this.#gathered.clear()
    this.#ready.length = 0
  }

  #gather(batch: EventBatch, numbers: readonly Numbers[]): void {
    const instances = this.#gathered.get(batch.format) ?? []
    this.#gathered.set(batch.format, instances)
    for (let from = 0; from < batch.length; ) {
      const gathered = instances[batch.instance] ?? this.#newGathered(batch, numbers)
      instances[batch.instance] = gathered
      from += gathered.add(numbers, from, batch.length)
      if (gathered.isFull) this.#pack(gathered)
    }
  }

  #newGathered(batch: EventBatch, numbers: readonly Numbers[]): GatheredBatch {
    const newBuffer = (bytes: number): ArrayBuffer =>
      this.#spare.get(bytes)?.pop() ?? new ArrayBuffer(bytes)
    return new GatheredBatch(batch, numbers, newBuffer)
  }

  #pack(gathered: GatheredBatch): void {
    const instances = this.#gathered.get(gathered.format)
    const raw = gathered.toBatch()
    if (instances !== undefined) instances[raw.batch.instance] = undefined
    this.#ready.push(this.#toSent(raw))
    this.#buffers.push(gathered.buffer)
  }

  #toSent({ batch, seq }: RawBatch): SentBatch {
    const { format, length, instance, ts, cpu, tid } = batch
    const known = this.#formats.get(format)
    const id = known ?? this.#formats.size
    this.#formats.set(format, id)
    const columns = batch.columns.map((column, i): SentColumn => {
      const { field: _, ...rest } = column
      if (rest.kind !== 'string') return rest
      const { kind, codes, valid, dictionary } = rest
      const place = `${id}/${instance}/${i}`
      return { kind, valid, codes, ...this.#dictionaries.next(place, dictionary) }
    })
    const described = known === undefined ? format : undefined
    return { id, format: described, length, instance, ts, cpu, tid, columns, seq }
  }

  #copy({ batch, seq }: RawBatch): RawBatch {
    const { length } = batch
    const slabs = this.#slabs
    const copied = {
      ...batch,
      ts: slabs.copy(batch.ts, length),
      cpu: slabs.copy(batch.cpu, length),
      tid: slabs.copy(batch.tid, length),
      columns: batch.columns.map((column) => this.#copyColumn(column, length)),
    }
    return { batch: copied, seq: slabs.copy(seq, length) }
  }

  #copyColumn(column: Column, length: number): Column {
    const slabs = this.#slabs
    const valid = column.valid === undefined ? undefined : slabs.copy(column.valid, length)
    const own = valid === undefined ? {} : { valid }
    switch (column.kind) {
      case 'i32':
      case 'u32':
      case 'f64':
        return { ...column, values: slabs.copy(column.values, length), ...own }
      case 'i64':
      case 'u64': {
        const [lo, hi] = [slabs.copy(column.lo, length), slabs.copy(column.hi, length)]
        return { ...column, lo, hi, ...own }
      }
      case 'bytes': {
        const starts = slabs.copy(column.starts, length + 1)
        return { ...column, starts, bytes: slabs.copy(column.bytes, starts[length] ?? 0), ...own }
      }
      case 'list': {
        const starts = slabs.copy(column.starts, length + 1)
        const elements = starts[length] ?? 0
        const [lo, hi] = [slabs.copy(column.lo, elements), slabs.copy(column.hi, elements)]
        return { ...column, starts, lo, hi, ...own }
      }
      case 'string':
        return { ...column, codes: slabs.copy(column.codes, length), ...own }
    }
  }
}

/** Buffers of one size that are kept. */
const MOST_SPARE = 8

/** A dictionary that is filled from the other side. */
class ReceivedDictionary implements StringDictionary {
  readonly #strings: string[] = []

  get length(): number {
    return this.#strings.length
  }

  get(code: number): string {
    return this.#strings[code] ?? ''
  }

  add(strings: readonly string[]): void {
    for (const text of strings) this.#strings.push(text)
  }
}

/** Turns sent batches back into batches whose formats and dictionaries keep their identity. */
export class BatchReceiver {
  readonly #formats: EventFormat[] = []
  readonly #dictionaries = new Map<string, ReceivedDictionary>()

  receive(sent: SentBatch): RawBatch {
    if (sent.format !== undefined) this.#formats[sent.id] = sent.format
    const format = this.#formats[sent.id]
    if (format === undefined) throw new RangeError(`no format ${sent.id}`)
    const { length, instance, ts, cpu, tid, seq } = sent
    const columns = sent.columns.map((column, i): Column => {
      const field = format.fields[i]
      if (field === undefined) throw new RangeError(`format ${sent.id} has no field ${i}`)
      if (column.kind !== 'string') return { ...column, field }
      const dictionary = this.#dictionaryOf(`${sent.id}/${instance}/${i}`, column)
      const { codes, valid } = column
      const base = { kind: 'string', field, codes, dictionary } as const
      return valid === undefined ? base : { ...base, valid }
    })
    const batch = { format, length, instance, ts, cpu, tid, flags: NO_FLAGS, columns }
    return { batch, seq }
  }

  #dictionaryOf(place: string, column: SentStrings): ReceivedDictionary {
    let dictionary = this.#dictionaries.get(place)
    if (dictionary === undefined || column.restart) {
      dictionary = new ReceivedDictionary()
      this.#dictionaries.set(place, dictionary)
    }
    dictionary.add(column.strings)
    return dictionary
  }
}

const NO_FLAGS = new Uint16Array(0)
