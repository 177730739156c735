import { describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { liveBytes } from '../shared/live-bytes.ts'
import { type MadeEvent, readerOf } from './event-source.ts'

/** Swap-outs and swap-ins over a small swap device: everything that ingest keeps per entry comes round again. */
function* swapping(folios: number): Iterable<MadeEvent> {
  for (let i = 0; i < folios; i++) {
    const entry = i % 5000
    const ts = i * 1000
    yield { ts, tid: 5, event: 'pstrace:swap_writepage', fields: { entry } }
    yield {
      ts: ts + 400,
      tid: 5,
      event: 'vmscan:mm_vmscan_write_folio',
      fields: { pfn: i % 9000, reclaim_flags: 1 },
    }
    yield { ts: ts + 500, tid: 6, event: 'pstrace:swap_read_folio', fields: { entry } }
    yield { ts: ts + 600, tid: 6, event: 'pstrace:zram_slot_free', fields: { index: entry } }
  }
}

async function heapAfter(folios: number): Promise<number> {
  const database = await Database.open(':memory:', { mode: 'write' })
  try {
    const reader = readerOf({ events: swapping(folios), windowRows: 4096 })
    let peak = 0
    let windows = 0
    await ingestTrace({
      database,
      reader,
      name: 't',
      path: 't',
      raw: 'none',
      progress() {
        if (++windows % 16 !== 0) return
        peak = Math.max(peak, liveBytes())
      },
    })
    const [count] = await database.query('SELECT count(*) AS n FROM swapouts')
    expect(count).toEqual({ n: folios })
    return peak
  } finally {
    database.close()
  }
}

describe('ingest', () => {
  it('keeps no more in memory for a trace four times as long', async () => {
    await heapAfter(20_000)
    const short = await heapAfter(80_000)
    const long = await heapAfter(320_000)
    // 240,000 more swap-outs and swap-ins are over 60 MB as rows.
    expect(long - short).toBeLessThan(6_000_000)
  })
})
