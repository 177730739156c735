import { expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { rowKinds } from '../../src/database/schema.ts'
import { renumberPages } from '../../src/ingest/finish.ts'
import { PAGE_ALIASES } from '../../src/ingest/identities.ts'
import { RowBuffer } from '../../src/model/rows.ts'

const TABLES = ['swapouts', 'pool_moves'] as const

it('gives pages the number that they turned out to have, in their own trace alone', async () => {
  const database = await Database.open(':memory:', { mode: 'write' })
  const aliases = new RowBuffer(PAGE_ALIASES.name, { alias: 'number', page_id: 'number' })
  aliases.number(aliases.add(), 'alias', 3)
  aliases.number(0, 'page_id', 1)
  await database.createTemporary(PAGE_ALIASES)
  await database.append(aliases, { traceId: 1 })
  for (const table of TABLES)
    for (const traceId of [1, 2]) {
      const rows = new RowBuffer(table, rowKinds(table))
      for (const [i, page] of [2, 3, Number.NaN, 3].entries()) {
        const row = rows.add()
        rows.number(row, 'page_id', page)
        rows.number(row, 'ts_ns', i)
      }
      await database.append(rows, { traceId })
    }
  database.flush()
  // Of the first shape, which is trace 1's.
  await database.run(
    "INSERT INTO packed.swapouts_brief SELECT {'shape': 1, 'page_id': 3, 'ts_ns': 4, 'held_ns': 0, 'after_ns': 0}",
  )
  const run = async (sql: string): Promise<void> => {
    await database.run(sql)
  }
  for (const table of TABLES) {
    await renumberPages({ run }, table, 1)
    const rows = await database.query(
      `SELECT trace_id, list(page_id ORDER BY ts_ns) AS pages, list(ts_ns ORDER BY ts_ns) AS times
       FROM ${table} GROUP BY trace_id ORDER BY trace_id`,
    )
    const brief = table === 'swapouts' ? { pages: [1], times: [4] } : { pages: [], times: [] }
    expect(rows).toEqual([
      {
        trace_id: 1,
        pages: [2, 1, null, 1, ...brief.pages],
        times: [0, 1, 2, 3, ...brief.times],
      },
      { trace_id: 2, pages: [2, 3, null, 3], times: [0, 1, 2, 3] },
    ])
  }
  database.close()
})
