import { describe, expect, it } from 'vitest'
import { calibratedGenerator, storedBytesOf } from '../../src/cli/run-contents.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { openPool } from '../../src/memory/pools/index.ts'
import type { Basis, Workload } from '../../src/workload/types.ts'
import { based, plan } from '../replay/build.ts'

const PAGES = 20_000
const PER_STORED = 0.46
const RECORDS = 0.0065

function recorded(value: number, basis: Basis): Workload {
  const workload = plan({ free: 100, min: 1, low: 2, high: 3, tasks: [] })
  const machine = {
    ...workload.machine,
    recordPagesPerSlot: based(RECORDS),
    backendParameters: { poolPagesPerStoredPage: { value, basis } },
  }
  return { ...workload, machine }
}

/** Pages that a stored one takes, of a pool that is filled. */
async function poolPagesPerStored(workload: Workload): Promise<number> {
  const { machine } = workload
  const contents = calibratedGenerator(workload, 'lz4', 3, storedBytesOf(machine) ?? 0)
  const codec = await openCodec('lz4')
  const pool = openPool('zsmalloc', { pageSize: machine.pageSize, chain: 8 })
  const page = new Uint8Array(machine.pageSize)
  const output = new Uint8Array(2 * machine.pageSize)
  let stored = 0
  for (let id = 0; id < PAGES; id++) {
    contents?.fill(id, 0, -1, page)
    if (page.every((byte) => byte === page[0])) continue
    const bytes = codec.compress(page, output)
    pool.alloc(bytes >= pool.hugeClassSize ? machine.pageSize : bytes)
    stored++
  }
  return pool.pages / stored
}

describe('contents by what the recorded pool took', () => {
  it('take as much', async () => {
    const taken = await poolPagesPerStored(recorded(PER_STORED, 'snapshot'))
    expect(Math.abs(taken / PER_STORED - 1)).toBeLessThan(0.05)
  })

  it('take less than free memory falls by, which holds the records too, but not less than counters of the pool tell', () => {
    const shareOfPool = (perStored: number, basis: Basis): number => {
      const { machine } = recorded(perStored, basis)
      return (storedBytesOf(machine) ?? 0) / (PER_STORED * machine.pageSize)
    }
    expect(shareOfPool(PER_STORED + RECORDS, 'event')).toBeCloseTo(0.98, 6)
    // compr_data_size over mem_used_total, as recordings end.
    expect(shareOfPool(PER_STORED, 'snapshot')).toBeGreaterThan(0.951)
    expect(shareOfPool(PER_STORED, 'snapshot')).toBeLessThan(0.964)
  })

  it('are not made where a page takes nothing, or hardly less than itself', () => {
    expect(storedBytesOf(recorded(0, 'event').machine)).toBeUndefined()
    expect(storedBytesOf(recorded(0.95, 'event').machine)).toBeUndefined()
  })
})
