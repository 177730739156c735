import { expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { type MadeEvent, readerOf } from './event-source.ts'

const slab = (ts: number, event: string, fields: Readonly<Record<string, number>>): MadeEvent => ({
  ts,
  tid: 5,
  event: `vmscan:mm_shrink_slab_${event}`,
  fields: { nid: 0, ...fields },
})

async function shrinkersWith(snapshots: ReadonlyMap<string, string>) {
  const database = await Database.open(':memory:', { mode: 'write' })
  try {
    const events = [
      slab(1, 'start', { shrink: 0x8123_4560, total_scan: 9 }),
      slab(2, 'end', { shrink: 0x8123_4560, total_scan: 2, retval: 7 }),
    ]
    await ingestTrace({ database, reader: readerOf({ events }), name: 't', path: 't', snapshots })
    const [row] = await database.query(
      'SELECT (SELECT shrinker FROM slab_shrinks) AS shrinker, (SELECT snapshot::VARCHAR FROM traces) AS kept',
    )
    return row
  } finally {
    database.close()
  }
}

it('a copy of kallsyms beside the trace names shrinkers, and is not kept itself', async () => {
  const symbols = '81234560 t zs_shrinker_scan\t[zsmalloc]'
  expect(
    await shrinkersWith(
      new Map([
        ['kallsyms', symbols],
        ['ncpu', '2'],
      ]),
    ),
  ).toEqual({
    shrinker: 'zs_shrinker_scan',
    kept: '{"ncpu":"2"}',
  })
  expect(await shrinkersWith(new Map([['ncpu', '2']]))).toMatchObject({ shrinker: '0x81234560' })
})
