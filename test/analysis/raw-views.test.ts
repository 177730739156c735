import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resolveSubjects, selectEverything } from '../../src/analysis/selection.ts'
import { createRawViews, createViews } from '../../src/analysis/views.ts'
import { resolveSelection, type SelectionOptions } from '../../src/config/selection.ts'
import { Database } from '../../src/database/database.ts'
import { ingestBytes } from '../generate/domain-rows.ts'
import type { Row } from '../generate/expected.ts'
import { generated, scenarioNamed } from '../generate/file.ts'

const folder = mkdtempSync(join(tmpdir(), 'pstrace-raw-'))
const path = join(folder, 'raw-views.duckdb')
const EVENT = 'vmscan:mm_vmscan_direct_reclaim_begin'
const { bytes, truth } = generated({ scenario: scenarioNamed('phone') })
/** Beginnings of direct reclaim, in order. */
const begun = (truth.tables?.['reclaim_spans'] ?? [])
  .filter(({ kind }) => kind === 'direct')
  .sort((a, b) => Number(a['start_ns']) - Number(b['start_ns']))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeAll(async () => {
  const database = await Database.open(path, { mode: 'write' })
  await ingestBytes(database, bytes, { raw: 'all' })
  const cut = await ingestBytes(database, bytes, { raw: 'all' })
  // As a writer leaves it that was killed: rows are there, the trace is not complete.
  await database.connection.run(`UPDATE traces SET state = 'loading' WHERE trace_id = ${cut}`)
  database.close()
})

async function startsOf(options: SelectionOptions | undefined): Promise<unknown[]> {
  const database = await Database.open(path, { mode: 'read' })
  try {
    const { connection } = database
    const selection =
      options === undefined
        ? await selectEverything(connection)
        : await resolveSubjects(connection, resolveSelection(options), { runs: 'default' })
    await createViews(connection, selection)
    await createRawViews(connection, selection)
    const [traces] = await database.query('SELECT count(*) AS n FROM traces')
    expect(traces?.['n']).toBe(1)
    const rows = await database.query(`SELECT ts_ns FROM raw."${EVENT}" ORDER BY seq`)
    return rows.map((row) => row['ts_ns'])
  } finally {
    database.close()
  }
}

const startsWhere = (isIn: (span: Row) => boolean): unknown[] => {
  const chosen = begun.filter(isIn)
  expect(chosen.length).toBeGreaterThan(0)
  return chosen.map((span) => span['start_ns'])
}

describe('raw rows', () => {
  it('of a trace whose reading was cut are not seen', async () => {
    expect(begun).toHaveLength(truth.events[EVENT] ?? 0)
    expect(await startsOf(undefined)).toEqual(startsWhere(() => true))
  })

  it('are those of the selected time, CPU, thread and name', async () => {
    const within = (span: Row): boolean => {
      const at = Number(span['start_ns']) - truth.startNs
      return at >= 10e6 && at < 30e6
    }
    expect(await startsOf({ from: '10ms', to: '30ms' })).toEqual(startsWhere(within))
    expect(await startsOf({ cpu: ['1'] })).toEqual(startsWhere(({ cpu }) => cpu === 1))
    expect(await startsOf({ tid: ['1000'] })).toEqual(startsWhere(({ tid }) => tid === 1000))
    expect(await startsOf({ comm: ['Binder*'] })).toEqual(startsWhere(({ tid }) => tid === 1001))
  })
})
