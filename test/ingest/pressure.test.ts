import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { readFigures } from '../../src/analysis/figures.ts'
import { resolveSubjects } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { openInput } from '../../src/io/input.ts'
import { readSnapshots } from '../../src/io/snapshots.ts'

const TRACE = fileURLToPath(new URL('../../fixtures/zram-lz4-6.1/trace.dat', import.meta.url))

const file = (some: number, full: number): string =>
  `some avg10=3.21 avg60=1.00 avg300=0.40 total=${some}\nfull avg10=1.10 avg60=0.30 avg300=0.10 total=${full}\n`

it('memory pressure is what /proc/pressure/memory grew by between the snapshots, as a share of the recording', async () => {
  const database = await Database.open(':memory:', { mode: 'write' })
  const input = await openInput(TRACE)
  try {
    await ingestTrace({
      database,
      reader: await openTrace(input.source),
      name: 'with pressure',
      path: TRACE,
      raw: 'none',
      snapshots: new Map([
        ...readSnapshots(dirname(TRACE)),
        ['pressure.before', file(1_000_000, 400_000)],
        ['pressure.after', file(3_500_000, 900_000)],
      ]),
    })
    await createViews(database.connection, await resolveSubjects(database.connection))
    const [recording] = await readFigures(database.connection)
    const value = (name: string) => recording?.figures.find(({ metric }) => metric === name)?.value
    const length = value('work_ns') ?? Number.NaN
    expect((value('psi_some_share') ?? Number.NaN) * length).toBeCloseTo(2_500_000_000, 0)
    expect((value('psi_full_share') ?? Number.NaN) * length).toBeCloseTo(500_000_000, 0)
  } finally {
    input.close()
    database.close()
  }
})
