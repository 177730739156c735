import type { DuckDBConnection } from '@duckdb/node-api'
import type { EventBatch } from '../../parsers/batch.ts'
import { RowBuffer } from '../model/rows.ts'
import { TableAppender } from './append.ts'
import { readShapeNumbers, type ShapeNumbers } from './packed-appender.ts'
import { RAW_SHAPES } from './packed-raw.ts'
import { kindsOf } from './schema.ts'

/** More than the cpus that a kernel can have (CONFIG_NR_CPUS, 8,192), and -1. */
const CPUS = 1 << 16

/** Numbers what raw rows of one trace have in common: CPU and task. */
export class RawShapes {
  readonly #appender: TableAppender
  readonly #numbers: ShapeNumbers
  readonly #traceId: number
  readonly #rows = new RowBuffer(RAW_SHAPES.name, kindsOf(RAW_SHAPES.columns))
  readonly #known = new Map<number, number>()
  /** The last task of each CPU, and its shape. */
  readonly #tids: number[] = []
  readonly #shapes: number[] = []
  #found = new Int32Array(0)

  private constructor(appender: TableAppender, numbers: ShapeNumbers, traceId: number) {
    this.#appender = appender
    this.#numbers = numbers
    this.#traceId = traceId
  }

  static async open(connection: DuckDBConnection, traceId: number): Promise<RawShapes> {
    const appender = await TableAppender.open(connection, RAW_SHAPES)
    return new RawShapes(appender, await readShapeNumbers(connection, RAW_SHAPES), traceId)
  }

  /** The shape of each row of the batch; borrowed until the next call. */
  of({ length, cpu, tid }: EventBatch): Int32Array {
    if (this.#found.length < length) this.#found = new Int32Array(length * 2)
    const found = this.#found
    const tids = this.#tids
    for (let row = 0; row < length; row++) {
      const on = (cpu[row] ?? -1) + 1
      const task = tid[row] ?? -1
      found[row] = tids[on] === task ? (this.#shapes[on] ?? 0) : this.#find(on, task)
    }
    return found
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

  #append(): void {
    this.#appender.append(this.#rows, { traceId: this.#traceId })
    this.#rows.clear()
  }

  #find(on: number, tid: number): number {
    const key = tid * CPUS + on
    let shape = this.#known.get(key)
    if (shape === undefined) {
      shape = this.#numbers.next++
      this.#known.set(key, shape)
      const row = this.#rows.add()
      this.#rows.number(row, 'shape', shape)
      this.#rows.number(row, 'trace_id', this.#traceId)
      this.#rows.number(row, 'cpu', on - 1)
      this.#rows.number(row, 'tid', tid)
    }
    this.#tids[on] = tid
    this.#shapes[on] = shape
    return shape
  }
}
