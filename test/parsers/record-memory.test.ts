import { describe, expect, it } from 'vitest'
import { RecordMemory } from '../../parsers/record-memory.ts'

describe('memory for records', () => {
  it('that is too small ends in an error with the place that was read', () => {
    const memory = new RecordMemory(32)
    memory.readingAt('trace.dat', 4096)
    expect(memory.bytes(1 << 20)).toHaveLength(1 << 20)
    expect(() => memory.bytes(1 << 20)).toThrow(
      'trace.dat, byte 4096: the records that must be held at a time take 3 MiB; at most 2 MiB were expected',
    )
  })

  it('takes places that were given back', () => {
    const memory = new RecordMemory(32)
    for (let n = 0; n < 10; n++) memory.free(memory.bytes(1 << 20))
    expect(memory.buffer.byteLength).toBeLessThanOrEqual(32 * 65_536)
  })
})
