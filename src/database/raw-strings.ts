import type { DuckDBConnection } from '@duckdb/node-api'
import type { StringDictionary } from '../../parsers/batch.ts'
import { RowBuffer } from '../model/rows.ts'
import { TableAppender } from './append.ts'
import { qualifiedName } from './packed.ts'
import { NO_STRING, RAW_STRINGS } from './packed-raw.ts'
import { queryRows } from './query.ts'
import { kindsOf } from './schema.ts'

/** Strings that are told apart at a time; more are numbered anew. */
const MOST_STRINGS = 65_536

/** The database's numbers of the strings of one dictionary, by code. */
interface Numbered {
  numbers: Int32Array
  length: number
}

/** Numbers the strings that raw rows of one trace refer to. */
export class RawStrings {
  readonly #appender: TableAppender
  readonly #traceId: number
  readonly #dictionaries = new WeakMap<StringDictionary, Numbered>()
  #known = new Map<string, number>()
  #rows = newRows()
  #next: number

  private constructor(appender: TableAppender, traceId: number, next: number) {
    this.#appender = appender
    this.#traceId = traceId
    this.#next = next
  }

  static async open(connection: DuckDBConnection, traceId: number): Promise<RawStrings> {
    const appender = await TableAppender.open(connection, RAW_STRINGS)
    const [last] = await queryRows(
      connection,
      `SELECT max(string) AS string FROM ${qualifiedName(RAW_STRINGS)}`,
    )
    return new RawStrings(appender, traceId, Number(last?.['string'] ?? NO_STRING) + 1)
  }

  /** The number of each of the dictionary's strings; borrowed until the next call. */
  of(dictionary: StringDictionary): Int32Array {
    let numbered = this.#dictionaries.get(dictionary)
    if (numbered === undefined) {
      numbered = { numbers: new Int32Array(64), length: 0 }
      this.#dictionaries.set(dictionary, numbered)
    }
    const { length } = dictionary
    if (numbered.numbers.length < length) {
      const grown = new Int32Array(length * 2)
      grown.set(numbered.numbers)
      numbered.numbers = grown
    }
    for (; numbered.length < length; numbered.length++)
      numbered.numbers[numbered.length] = this.#numberOf(dictionary.get(numbered.length))
    return numbered.numbers
  }

  flush(): void {
    this.#append()
    this.#appender.flush()
  }

  /** Closes without the rows that are not flushed. */
  discard(): void {
    this.#appender.discard()
  }

  close(): void {
    this.#append()
    this.#appender.close()
  }

  #numberOf(text: string): number {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    if (this.#known.size === MOST_STRINGS) {
      this.#append()
      this.#rows = newRows()
      this.#known = new Map()
    }
    const number = this.#next++
    this.#known.set(text, number)
    const row = this.#rows.add()
    this.#rows.number(row, 'string', number)
    this.#rows.number(row, 'trace_id', this.#traceId)
    this.#rows.text(row, 'text', text)
    return number
  }

  #append(): void {
    this.#appender.append(this.#rows, { traceId: this.#traceId })
    this.#rows.clear()
  }
}

function newRows(): RowBuffer {
  return new RowBuffer(RAW_STRINGS.name, kindsOf(RAW_STRINGS.columns))
}
