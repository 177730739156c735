import { describe, expect, it } from 'vitest'
import { type ByteSource, openTrace } from '../../parsers/index.ts'
import { SYSTEMS, smallRecord } from './sample-traces.ts'
import { buildVersion6, PageBuilder } from './trace-dat-builder.ts'

const PC = { littleEndian: true, longSize: 8, pageBytes: 4096 } as const
const TABLE_ENTRY = 16

/** A version 6 file of two cpus with `pages` pages each, made while it is read. */
function endlessTrace(pages: number): ByteSource {
  const page = new PageBuilder(PC, 0n)
  while (page.bytesUsed < 4000) page.record(100, smallRecord(true, 1))
  const template = page.toBytes()
  const stamped = Buffer.from(template)
  const head = Buffer.from(
    buildVersion6({ ...PC, systems: SYSTEMS, cpus: new Map([[1, [template]]]) }),
  )
  const table = head.indexOf('flyrecord') + 10
  const start = Number(head.readBigUInt64LE(table + TABLE_ENTRY))
  const size = pages * PC.pageBytes
  for (const cpu of [0, 1]) {
    head.writeBigUInt64LE(BigInt(start + cpu * size), table + cpu * TABLE_ENTRY)
    head.writeBigUInt64LE(BigInt(size), table + cpu * TABLE_ENTRY + 8)
  }
  return {
    name: 'endless',
    size: start + 2 * size,
    readInto(offset, target) {
      if (offset < start) {
        const part = head.subarray(offset, Math.min(start, offset + target.length))
        target.set(part)
        return part.length
      }
      const at = offset - start
      const within = at % PC.pageBytes
      const length = Math.min(target.length, PC.pageBytes - within)
      stamped.writeBigUInt64LE(BigInt(Math.floor((at % size) / PC.pageBytes)) * 100_000n)
      target.set(stamped.subarray(within, within + length))
      return length
    },
  }
}

async function peakBuffers(pages: number): Promise<{ events: number; bytes: number }> {
  const reader = await openTrace(endlessTrace(pages))
  let events = 0
  let bytes = 0
  let count = 0
  for (let window = reader.read(); window !== undefined; window = reader.read()) {
    events += window.length
    if (count++ > 2) {
      let held = 0
      const seen = new Set<ArrayBufferLike>()
      const add = (array: ArrayBufferView) => {
        if (!seen.has(array.buffer)) held += array.buffer.byteLength
        seen.add(array.buffer)
      }
      for (const batch of window.batches) {
        for (const array of [batch.ts, batch.cpu, batch.tid, batch.flags]) add(array)
        for (const column of batch.columns) if ('values' in column) add(column.values)
      }
      add(window.batch)
      add(window.row)
      bytes = Math.max(bytes, held)
    }
  }
  return { events, bytes }
}

describe('reading memory', () => {
  it('does not grow with the size of the file', async () => {
    const small = await peakBuffers(500)
    const before = process.memoryUsage().arrayBuffers
    const large = await peakBuffers(8000)
    const after = process.memoryUsage().arrayBuffers
    expect(large.events).toBe(small.events * 16)
    expect(large.bytes).toBe(small.bytes)
    // The file is 65 MB.
    expect(after - before).toBeLessThan(24_000_000)
  })
})
