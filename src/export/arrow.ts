import {
  Binary,
  Bool,
  type DataType,
  Decimal,
  Field,
  Float64,
  Int64,
  makeBuilder,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Uint64,
  Utf8,
} from 'apache-arrow'
import type { CellType, ResultColumn, ResultStream, Value } from '../analysis/result.ts'
import { toJson } from './json.ts'

/** Encoded bytes that may wait for a slow reader before the next batch is built. */
const MOST_BYTES_AHEAD = 64 * 1024 * 1024

/** Arrow IPC: `stream` for pipes, `file` (seekable, with a footer) for files. */
export async function* toArrow(
  stream: ResultStream,
  form: 'stream' | 'file',
): AsyncGenerator<Uint8Array> {
  const schema = new Schema(
    stream.columns.map(({ name, type }) => new Field(name, toArrowType(type), true)),
  )
  const writer = form === 'file' ? new RecordBatchFileWriter() : new RecordBatchStreamWriter()
  let encoded = 0
  let taken = 0
  async function* batches(): AsyncGenerator<RecordBatch> {
    let any = false
    for await (const rows of stream.pieces) {
      const batch = toBatch(schema, stream.columns, rows)
      any = true
      encoded += batch.data.byteLength
      yield batch
      while (encoded - taken > MOST_BYTES_AHEAD)
        await new Promise<void>((resolve) => setImmediate(resolve))
    }
    if (!any) yield toBatch(schema, stream.columns, [])
  }
  const written = writer.writeAll(batches())
  written.catch(() => undefined)
  for await (const bytes of writer) {
    taken += bytes.byteLength
    yield bytes
  }
  await written
}

function toArrowType(type: CellType): DataType {
  switch (type) {
    case 'boolean':
      return new Bool()
    case 'integer':
      return new Int64()
    case 'unsigned':
      return new Uint64()
    case 'huge':
      return new Decimal(0, 38)
    case 'number':
      return new Float64()
    case 'bytes':
      return new Binary()
    default:
      return new Utf8()
  }
}

function toBatch(
  schema: Schema,
  columns: readonly ResultColumn[],
  rows: readonly (readonly Value[])[],
): RecordBatch {
  const children = columns.map(({ type }, index) => {
    const builder = makeBuilder({ type: toArrowType(type), nullValues: [null] })
    for (const row of rows) builder.append(toArrowValue(type, row[index] ?? null))
    const vector = builder.finish().toVector()
    return vector.data[0] ?? makeData({ type: toArrowType(type) })
  })
  const data = makeData({
    type: new Struct(schema.fields),
    length: rows.length,
    nullCount: 0,
    children,
  })
  return new RecordBatch(schema, data)
}

function toArrowValue(type: CellType, value: Value): unknown {
  if (value === null) return null
  if (type === 'integer' || type === 'unsigned') return toWhole(value)
  if (type === 'huge') return toDecimalWords(toWhole(value))
  if (type === 'number') return Number(value)
  if (type === 'boolean' || type === 'bytes') return value
  return typeof value === 'string' ? value : toJson(value)
}

function toWhole(value: Value): bigint {
  return typeof value === 'bigint' ? value : BigInt(Math.trunc(Number(value)))
}

/** 128-bit two's complement, low word first, as Arrow stores decimals. */
function toDecimalWords(value: bigint): Uint32Array {
  const words = new Uint32Array(4)
  for (let i = 0; i < 4; i++) words[i] = Number((value >> BigInt(32 * i)) & 0xffffffffn)
  return words
}
