import { expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { readerOf } from './event-source.ts'

const event = (ts: number, name: string, fields: Record<string, number>) => ({
  ts,
  tid: 5,
  event: name,
  fields,
})

/** One page that zswap_store left to zram; the kernel calls it whether zswap is switched on or not. */
const EVENTS = [
  event(1, 'pstrace:swap_writepage', { entry: 100 }),
  event(2, 'pstrace:zswap_store_ret', { ret: 0 }),
  event(3, 'vmscan:mm_vmscan_write_folio', { pfn: 7, reclaim_flags: 9 }),
  event(4, 'pstrace:swap_writepage_ret', { ret: 0 }),
]
const ZRAM = 'Filename Type Size Used Priority\n/dev/zram0 partition 786428 100 -2\n'

it.each([
  ['N', []],
  ['Y', [{ from_place: 'zswap', to_place: 'zram', reason: 'reject' }]],
])(
  'a page that zswap did not take is in zram, and was refused only where zswap is on: %s',
  async (enabled, moves) => {
    const database = await Database.open(':memory:', { mode: 'write' })
    try {
      await ingestTrace({
        database,
        reader: readerOf({ events: EVENTS, formats: ['pstrace:zswap_store_ret'] }),
        name: 't',
        path: 't',
        snapshots: new Map([
          ['swaps.after', ZRAM],
          ['zswap.params', `/sys/module/zswap/parameters/enabled:${enabled}\n`],
        ]),
      })
      expect(await database.query('SELECT place FROM swapouts')).toEqual([{ place: 'zram' }])
      const found = await database.query(
        "SELECT from_place, to_place, reason FROM pool_moves WHERE reason = 'reject'",
      )
      expect(found).toEqual(moves)
    } finally {
      database.close()
    }
  },
)
