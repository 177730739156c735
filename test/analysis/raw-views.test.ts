import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readRows } from '../../src/analysis/query.ts'
import { resolveSubjects, selectEverything } from '../../src/analysis/selection.ts'
import { createRawViews, createViews } from '../../src/analysis/views.ts'
import { resolveSelection, type SelectionOptions } from '../../src/config/selection.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { readerOf } from '../ingest/event-source.ts'

const folder = mkdtempSync(join(tmpdir(), 'pstrace-raw-'))
const path = join(folder, 'raw-views.duckdb')
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeAll(async () => {
  const database = await Database.open(path, { mode: 'write' })
  for (const name of ['whole', 'cut'])
    await ingestTrace({
      database,
      reader: readerOf({
        comms: new Map([
          [5, 'kswapd0'],
          [6, 'app'],
        ]),
        events: [10, 20, 30, 40].map((ts) => ({
          ts,
          cpu: ts === 40 ? 1 : 0,
          tid: ts === 30 ? 6 : 5,
          event: 'vmscan:mm_vmscan_kswapd_wake',
          fields: { nid: 0, order: ts },
        })),
      }),
      name,
      path: name,
    })
  // As a writer leaves it that was killed: rows are there, the trace is not complete.
  await database.connection.run("UPDATE traces SET state = 'loading' WHERE name = 'cut'")
  database.close()
})

async function orders(options: SelectionOptions | undefined): Promise<unknown[]> {
  const database = await Database.open(path, { mode: 'read' })
  try {
    const { connection } = database
    const selection =
      options === undefined
        ? await selectEverything(connection)
        : await resolveSubjects(connection, resolveSelection(options), { runs: 'default' })
    await createViews(connection, selection)
    await createRawViews(connection, selection)
    const rows = await readRows<{ order: number }>(
      connection,
      'SELECT "order" FROM raw."vmscan:mm_vmscan_kswapd_wake" ORDER BY seq',
    )
    const [traces] = await readRows<{ n: number }>(connection, 'SELECT count(*) AS n FROM traces')
    expect(traces?.n).toBe(1)
    return rows.map(({ order }) => order)
  } finally {
    database.close()
  }
}

describe('raw rows', () => {
  it('of a trace whose reading was cut are not seen', async () => {
    expect(await orders(undefined)).toEqual([10, 20, 30, 40])
  })

  it('are those of the selected time, CPU, thread and name', async () => {
    expect(await orders({ from: '10ns', to: '25ns' })).toEqual([20, 30])
    expect(await orders({ cpu: ['1'] })).toEqual([40])
    expect(await orders({ tid: ['6'] })).toEqual([30])
    expect(await orders({ comm: ['kswapd*'] })).toEqual([10, 20, 40])
  })
})
