import type { Column, EventFormat, StringDictionary } from '../../parsers/batch.ts'
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

export interface SentColumn {
  readonly column: Exclude<Column, { kind: 'string' }> | SentStrings
}

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

/** Copies batches, whose memory is borrowed, for the writing thread. */
export class BatchSender {
  readonly slabs = new Slabs()
  readonly #formats = new Map<EventFormat, number>()
  readonly #dictionaries = new SentDictionaries()

  copy({ batch, seq }: RawBatch): SentBatch {
    const { format, length, instance } = batch
    const { slabs } = this
    const known = this.#formats.get(format)
    const id = known ?? this.#formats.size
    this.#formats.set(format, id)
    return {
      id,
      format: known === undefined ? format : undefined,
      length,
      instance,
      ts: slabs.copy(batch.ts, length),
      cpu: slabs.copy(batch.cpu, length),
      tid: slabs.copy(batch.tid, length),
      columns: batch.columns.map((column, i) =>
        this.#copyColumn(column, length, `${id}/${instance}/${i}`),
      ),
      seq: slabs.copy(seq, length),
    }
  }

  #copyColumn(column: Column, length: number, place: string): SentColumn {
    const { slabs } = this
    const valid = column.valid === undefined ? undefined : slabs.copy(column.valid, length)
    const own = valid === undefined ? {} : { valid }
    const { field } = column
    switch (column.kind) {
      case 'i32':
      case 'u32':
      case 'f64': {
        const values = slabs.copy(column.values, length)
        return { column: { kind: column.kind, field, values, ...own } }
      }
      case 'i64':
      case 'u64': {
        const { kind } = column
        const [lo, hi] = [slabs.copy(column.lo, length), slabs.copy(column.hi, length)]
        return { column: { kind, field, lo, hi, ...own } }
      }
      case 'bytes': {
        const starts = slabs.copy(column.starts, length + 1)
        const bytes = slabs.copy(column.bytes, starts[length] ?? 0)
        return { column: { kind: 'bytes', field, starts, bytes, ...own } }
      }
      case 'list': {
        const starts = slabs.copy(column.starts, length + 1)
        const elements = starts[length] ?? 0
        const [lo, hi] = [slabs.copy(column.lo, elements), slabs.copy(column.hi, elements)]
        return { column: { kind: 'list', field, starts, lo, hi, ...own } }
      }
      case 'string': {
        const codes = slabs.copy(column.codes, length)
        const { strings, restart } = this.#dictionaries.next(place, column.dictionary)
        return { column: { kind: 'string', valid, codes, strings, restart } }
      }
    }
  }
}

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
    const columns = sent.columns.map(({ column }, i): Column => {
      const field = format.fields[i]
      if (column.kind !== 'string' || field === undefined) return column as Column
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
