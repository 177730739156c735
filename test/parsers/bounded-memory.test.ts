import { describe, expect, it } from 'vitest'
import { type ByteSource, type EventWindow, openTrace } from '../../parsers/index.ts'
import { mostHeld } from './most-held.ts'
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

/** Bytes of all columns of a window. */
function columnBytes({ batches, batch, row }: EventWindow): number {
  const arrays: ArrayBufferView[] = [batch, row]
  for (const { ts, cpu, tid, flags, columns } of batches) {
    arrays.push(ts, cpu, tid, flags)
    for (const column of columns) if ('values' in column) arrays.push(column.values)
  }
  const buffers = new Set(arrays.map(({ buffer }) => buffer))
  return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/** Bytes of the largest window after the first few, and the events of all. */
async function largestWindow(pages: number): Promise<{ events: number; bytes: number }> {
  const reader = await openTrace(endlessTrace(pages))
  let events = 0
  let bytes = 0
  let count = 0
  for (let window = reader.read(); window !== undefined; window = reader.read()) {
    events += window.length
    if (count++ > 2) bytes = Math.max(bytes, columnBytes(window))
  }
  return { events, bytes }
}

describe('reading memory', () => {
  it('does not grow with the size of the file', async () => {
    const small = await largestWindow(500)
    const large = await largestWindow(8000)
    expect(large.events).toBe(small.events * 16)
    expect(large.bytes).toBe(small.bytes)
    const held = await mostHeld(endlessTrace(8000))
    expect(held.rows).toBe(large.events)
    // The file is 65 MB.
    expect(held.bytes).toBeLessThan(24_000_000)
  })
})
