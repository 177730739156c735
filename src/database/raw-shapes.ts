import type { DuckDBConnection } from '@duckdb/node-api'
import type { EventBatch } from '../../parsers/batch.ts'
import { RowBuffer } from '../model/rows.ts'
import { type RowOwner, TableAppender } from './append.ts'
import type { Halves } from './chunk.ts'
import { readShapeNumbers, type ShapeNumbers } from './packed-appender.ts'
import { RAW_SHAPES } from './packed-raw.ts'
import { kindsOf } from './schema.ts'

/** More than the cpus that a kernel can have (CONFIG_NR_CPUS, 8,192), and -1. */
const CPUS = 1 << 16

/** Rows of a block lie within so many nanoseconds and so many events. */
const BLOCK = 4294967296
const PER_BLOCK = 1 / BLOCK
/** Blocks whose shapes are remembered: rows of rare events come late, and one of a forgotten block gets a shape of its own. */
const MOST_BLOCKS = 8
/** Shapes that wait to be written. */
const MOST_WAITING = 4096

/** Shapes of a block, by CPU and task. */
interface Block {
  readonly seq: number
  readonly ts: number
  readonly known: Map<number, number>
  /** The last task of each CPU, and its shape. */
  readonly tids: number[]
  readonly shapes: number[]
}

/** Numbers what raw rows of one trace have in common: block, CPU and task. */
export class RawShapes {
  readonly #appender: TableAppender
  readonly #numbers: ShapeNumbers
  readonly #owner: RowOwner
  readonly #rows = new RowBuffer(RAW_SHAPES.name, kindsOf(RAW_SHAPES.columns))
  readonly #blocks = new Map<string, Block>()
  #block: Block
  #found = new Int32Array(0)

  private constructor(appender: TableAppender, numbers: ShapeNumbers, owner: RowOwner) {
    this.#appender = appender
    this.#numbers = numbers
    this.#owner = owner
    this.#block = this.#blockOf(0, 0)
  }

  static async open(
    connection: DuckDBConnection,
    traceId: number,
    base: Halves,
  ): Promise<RawShapes> {
    const appender = await TableAppender.open(connection, RAW_SHAPES)
    const numbers = await readShapeNumbers(connection, RAW_SHAPES)
    return new RawShapes(appender, numbers, { traceId, base })
  }

  /** The shape of each row of the batch; borrowed until the next call. */
  of({ length, ts, cpu, tid }: EventBatch, seq: Float64Array): Int32Array {
    if (this.#found.length < length) this.#found = new Int32Array(length * 2)
    const found = this.#found
    let block = this.#block
    for (let row = 0; row < length; row++) {
      const seqs = Math.floor((seq[row] ?? 0) * PER_BLOCK)
      const time = Math.floor((ts[row] ?? 0) * PER_BLOCK)
      if (seqs !== block.seq || time !== block.ts) block = this.#blockOf(seqs, time)
      const on = (cpu[row] ?? -1) + 1
      const task = tid[row] ?? -1
      found[row] = block.tids[on] === task ? (block.shapes[on] ?? 0) : this.#find(block, on, task)
    }
    this.#block = block
    if (this.#rows.length >= MOST_WAITING) this.#append()
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
    this.#appender.append(this.#rows, this.#owner)
    this.#rows.clear()
  }

  #blockOf(seq: number, ts: number): Block {
    const key = `${seq}/${ts}`
    let block = this.#blocks.get(key)
    if (block === undefined) {
      block = { seq, ts, known: new Map(), tids: [], shapes: [] }
      const [oldest] = this.#blocks.keys()
      if (oldest !== undefined && this.#blocks.size === MOST_BLOCKS) this.#blocks.delete(oldest)
      this.#blocks.set(key, block)
    }
    return block
  }

  #find({ seq, ts, known, tids, shapes }: Block, on: number, tid: number): number {
    const key = tid * CPUS + on
    let shape = known.get(key)
    if (shape === undefined) {
      shape = this.#numbers.next++
      known.set(key, shape)
      const rows = this.#rows
      const row = rows.add()
      rows.number(row, 'shape', shape)
      rows.number(row, 'trace_id', this.#owner.traceId)
      rows.number(row, 'first_seq', seq * BLOCK)
      rows.number(row, 'first_ns', ts * BLOCK)
      rows.number(row, 'cpu', on - 1)
      rows.number(row, 'tid', tid)
    }
    tids[on] = tid
    shapes[on] = shape
    return shape
  }
}
