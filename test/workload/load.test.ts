import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { loadRecording } from '../../src/workload/load.ts'
import { EVENT, type Recording } from '../../src/workload/recording.ts'
import { ingestBytes } from '../generate/domain-rows.ts'

const TEXT = 'text/trace-6.12.txt'
const BINARY = 'zram-lz4-6.1/trace.dat'

/** The recording of the last file, from a database that took in all of them. */
async function loadLast(files: readonly string[]): Promise<Recording> {
  const database = await Database.open(':memory:', { mode: 'write' })
  try {
    let traceId = 0
    for (const file of files) {
      const path = fileURLToPath(new URL(`../../fixtures/${file}`, import.meta.url))
      traceId = await ingestBytes(database, readFileSync(path), { raw: 'all' })
    }
    return await loadRecording(database, traceId)
  } finally {
    database.close()
  }
}

/** Of everything that was read of the events. */
function digestOf({ kind, a, b, c, d }: Recording): string {
  const hash = createHash('sha256')
  for (const column of [kind, a, b, c, d]) hash.update(column)
  return hash.digest('hex')
}

describe('a recording that shares its database with another', () => {
  it.each([
    { own: TEXT, other: BINARY, holds: 'flags and states as text after numbers' },
    { own: BINARY, other: TEXT, holds: 'flags and states as numbers after text' },
  ])('is read the same as alone: $holds', async ({ own, other }) => {
    expect(digestOf(await loadLast([other, own]))).toBe(digestOf(await loadLast([own])))
  })
})

describe('a trace without events that a workload is made of', () => {
  const kswapd =
    '  kswapd0-51 [000] d..2.     1.000000: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL\n'
  it.each([
    ['holds none', '  a-7 [000] d..2.     1.000000: irq_exit: x=1\n', 'all', 'the trace holds no'],
    ['was ingested without its raw events', kswapd, 'none', 'ingest the trace with --raw all'],
  ])('is refused for what it lacks: it %s', async (_, text, raw, reason) => {
    const database = await Database.open(':memory:', { mode: 'write' })
    try {
      const traceId = await ingestBytes(database, new TextEncoder().encode(text), { raw })
      await expect(loadRecording(database, traceId)).rejects.toThrow(reason)
    } finally {
      database.close()
    }
  })
})

describe('fallbacks of allocations to another mobility type', () => {
  it('tell when unmovable ones took a whole chunk for good: not a part of one, nor single pages, nor movable ones', async () => {
    const fallback = (seconds: string, fields: string): string =>
      `  a-7 [000] d..2.     ${seconds}: mm_page_alloc_extfrag: page=000000001 pfn=0x400 ${fields}`
    const text = [
      '  kswapd0-51 [000] d..2.     1.000000: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL',
      fallback(
        '1.100000',
        'alloc_order=0 fallback_order=9 pageblock_order=10 alloc_migratetype=0 fallback_migratetype=2 fragmenting=1 change_ownership=1',
      ),
      fallback(
        '1.200000',
        'alloc_order=0 fallback_order=10 pageblock_order=10 alloc_migratetype=0 fallback_migratetype=1 fragmenting=0 change_ownership=1',
      ),
      fallback(
        '1.300000',
        'alloc_order=0 fallback_order=10 pageblock_order=10 alloc_migratetype=1 fallback_migratetype=0 fragmenting=0 change_ownership=1',
      ),
      fallback(
        '1.400000',
        'alloc_order=0 fallback_order=10 pageblock_order=11 alloc_migratetype=0 fallback_migratetype=1 fragmenting=1 change_ownership=0',
      ),
    ].join('\n')
    const database = await Database.open(':memory:', { mode: 'write' })
    try {
      const bytes = new TextEncoder().encode(`${text}\n`)
      const traceId = await ingestBytes(database, bytes, { raw: 'all' })
      const { chunkClaims } = await loadRecording(database, traceId)
      expect(chunkClaims).toEqual(Float64Array.of(200_000_000))
    } finally {
      database.close()
    }
  })
})

describe('a store', () => {
  it('is of as many pages as the gate told last of its entry, where its own probe does not say', async () => {
    const event = (what: string, at: number) =>
      `  kswapd0-51 [000] d..2. ${at.toFixed(6)}: ${what}\n`
    const lines = [
      'swap_writepage: (swap_writepage+0x0/0x10) entry=64 order=2',
      'pst_write: (pst_write+0x0/0x10) entry=64',
      'swap_writepage: (swap_writepage+0x0/0x10) entry=128 order=1',
      // What its own probe tells holds.
      'pst_write: (pst_write+0x0/0x10) entry=128 order=3',
      // The slot was given back, and taken again for a single page.
      'swap_writepage: (swap_writepage+0x0/0x10) entry=64 order=0',
      'pst_write: (pst_write+0x0/0x10) entry=64',
    ]
    const database = await Database.open(':memory:', { mode: 'write' })
    try {
      const text = lines.map((line, i) => event(line, 1 + i / 1000)).join('')
      const traceId = await ingestBytes(database, new TextEncoder().encode(text), { raw: 'all' })
      const { kind, b, length } = await loadRecording(database, traceId)
      const orders: number[] = []
      for (let i = 0; i < length; i++) if (kind[i] === EVENT.store) orders.push(b[i] ?? -1)
      expect(orders).toEqual([2, 3, 0])
    } finally {
      database.close()
    }
  })
})
