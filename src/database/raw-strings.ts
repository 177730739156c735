import type { DuckDBConnection } from '@duckdb/node-api'
import type { StringDictionary } from '../../parsers/batch.ts'
import { TableAppender } from './append.ts'
import { qualifiedName } from './packed.ts'
import { NO_STRING, RAW_STRINGS } from './packed-raw.ts'
import { queryRows } from './query.ts'
import { WaitingRows } from './waiting-rows.ts'

/** Strings that are told apart at a time; more are numbered anew. */
const MOST_STRINGS = 65_536

/** The database's numbers of the strings of one dictionary, by code. */
interface Numbered {
  numbers: Int32Array
  length: number
}

/** Numbers the strings that raw rows of one trace refer to. */
export class RawStrings {
  readonly rows: WaitingRows
  readonly #traceId: number
  readonly #dictionaries = new WeakMap<StringDictionary, Numbered>()
  #known = new Map<string, number>()
  #next: number

  private constructor(rows: WaitingRows, traceId: number, next: number) {
    this.rows = rows
    this.#traceId = traceId
    this.#next = next
  }

  static async open(connection: DuckDBConnection, traceId: number): Promise<RawStrings> {
    const appender = await TableAppender.open(connection, RAW_STRINGS)
    const [last] = await queryRows(
      connection,
      `SELECT max(string) AS string FROM ${qualifiedName(RAW_STRINGS)}`,
    )
    const rows = new WaitingRows(RAW_STRINGS, appender, { traceId })
    return new RawStrings(rows, traceId, Number(last?.['string'] ?? NO_STRING) + 1)
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

  #numberOf(text: string): number {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    if (this.#known.size === MOST_STRINGS) {
      this.rows.renew()
      this.#known = new Map()
    }
    const number = this.#next++
    this.#known.set(text, number)
    this.rows.add({ string: number, trace_id: this.#traceId, text })
    return number
  }
}
