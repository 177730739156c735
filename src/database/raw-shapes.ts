import type { DuckDBConnection } from '@duckdb/node-api'
import type { EventBatch } from '../../parsers/batch.ts'
import { TableAppender } from './append.ts'
import type { Halves } from './chunk.ts'
import { readShapeNumbers, type ShapeNumbers } from './packed-appender.ts'
import { RAW_SHAPES } from './packed-raw.ts'
import { WaitingRows } from './waiting-rows.ts'

/** More than the cpus that a kernel can have (CONFIG_NR_CPUS, 8,192), and -1. */
const CPUS = 1 << 16

/** Rows of a block lie within so many nanoseconds and so many events. */
const BLOCK = 4294967296
const PER_BLOCK = 1 / BLOCK
/** Blocks whose shapes are remembered: rows of rare events come late, and one of a forgotten block gets a shape of its own. */
const MOST_BLOCKS = 8
/** CPUs that a block has room for at first, and -1. */
const FEW_CPUS = 64
/** Shapes that wait to be written. */
const MOST_WAITING = 4096

/** Shapes of a block, by CPU and task. */
interface Block {
  readonly firstSeq: number
  readonly firstNs: number
  readonly known: Map<number, number>
  /** The last task of each CPU (-1 comes first), and its shape; 0 = none yet. */
  tids: Int32Array
  shapes: Int32Array
}

/** Numbers what raw rows of one trace have in common: block, CPU and task. */
export class RawShapes {
  readonly rows: WaitingRows
  readonly #numbers: ShapeNumbers
  readonly #traceId: number
  readonly #blocks = new Map<string, Block>()
  #block = newBlock(0, 0)
  #found = new Int32Array(0)

  private constructor(rows: WaitingRows, numbers: ShapeNumbers, traceId: number) {
    this.rows = rows
    this.#numbers = numbers
    this.#traceId = traceId
  }

  static async open(
    connection: DuckDBConnection,
    traceId: number,
    base: Halves,
  ): Promise<RawShapes> {
    const appender = await TableAppender.open(connection, RAW_SHAPES)
    const numbers = await readShapeNumbers(connection, RAW_SHAPES)
    const rows = new WaitingRows(RAW_SHAPES, appender, { traceId, base })
    return new RawShapes(rows, numbers, traceId)
  }

  /** The shape of each row of the batch; borrowed until the next call. */
  of({ length, ts, cpu, tid }: EventBatch, seq: Float64Array): Int32Array {
    if (this.#found.length < length) this.#found = new Int32Array(length * 2)
    const found = this.#found
    for (let row = 0; row < length; ) {
      const block = this.#blockOf(seq[row] ?? 0, ts[row] ?? 0)
      const end = endOfBlock(block, seq, ts, row, length)
      for (;;) {
        row = lookUp(block, cpu, tid, found, row, end)
        if (row === end) break
        found[row] = this.#find(block, (cpu[row] ?? -1) + 1, tid[row] ?? -1)
        row++
      }
    }
    if (this.rows.length >= MOST_WAITING) this.rows.append()
    return found
  }

  #blockOf(seq: number, ts: number): Block {
    if (isWithin(this.#block, seq, ts)) return this.#block
    const firstSeq = Math.floor(seq * PER_BLOCK) * BLOCK
    const firstNs = Math.floor(ts * PER_BLOCK) * BLOCK
    const key = `${firstSeq}/${firstNs}`
    let block = this.#blocks.get(key)
    if (block === undefined) {
      block = newBlock(firstSeq, firstNs)
      const [oldest] = this.#blocks.keys()
      if (oldest !== undefined && this.#blocks.size === MOST_BLOCKS) this.#blocks.delete(oldest)
      this.#blocks.set(key, block)
    }
    this.#block = block
    return block
  }

  /** The shape of a task on a CPU, which becomes the CPU's last one. */
  #find(block: Block, on: number, tid: number): number {
    const key = tid * CPUS + on
    let shape = block.known.get(key)
    if (shape === undefined) {
      shape = this.#numbers.next++
      block.known.set(key, shape)
      this.rows.add({
        shape,
        trace_id: this.#traceId,
        first_seq: block.firstSeq,
        first_ns: block.firstNs,
        cpu: on - 1,
        tid,
      })
    }
    if (on >= block.tids.length && on < CPUS) {
      block.tids = grown(block.tids, on)
      block.shapes = grown(block.shapes, on)
    }
    block.tids[on] = tid
    block.shapes[on] = shape
    return shape
  }
}

function newBlock(firstSeq: number, firstNs: number): Block {
  const [tids, shapes] = [new Int32Array(FEW_CPUS), new Int32Array(FEW_CPUS)]
  return { firstSeq, firstNs, known: new Map(), tids, shapes }
}

function grown(values: Int32Array, index: number): Int32Array {
  const larger = new Int32Array(index * 2)
  larger.set(values)
  return larger
}

function isWithin({ firstSeq, firstNs }: Block, seq: number, ts: number): boolean {
  return seq >= firstSeq && seq < firstSeq + BLOCK && ts >= firstNs && ts < firstNs + BLOCK
}

/** The first row from `row` on that is not within the block. */
function endOfBlock(
  block: Block,
  seq: Float64Array,
  ts: Float64Array,
  row: number,
  length: number,
): number {
  let end = row
  while (end < length && isWithin(block, seq[end] ?? 0, ts[end] ?? 0)) end++
  return end
}

/** Finds shapes of rows up to the first whose task was not its CPU's last one; returns that row, or `end`. */
function lookUp(
  { tids, shapes }: Block,
  cpu: Int32Array,
  tid: Int32Array,
  found: Int32Array,
  from: number,
  end: number,
): number {
  for (let row = from; row < end; row++) {
    const on = (cpu[row] ?? -1) + 1
    const shape = shapes[on] ?? 0
    if (shape === 0 || tids[on] !== tid[row]) return row
    found[row] = shape
  }
  return end
}
