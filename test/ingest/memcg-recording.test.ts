import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { selectEverything } from '../../src/analysis/selection.ts'
import { createViews } from '../../src/analysis/views.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { readSnapshots } from '../../src/io/snapshots.ts'
import { openTestFile } from '../parsers/open-bytes.ts'
import { ROOT } from '../shared/binary.ts'

const FOLDER = join(ROOT, 'fixtures/memcg-limits-6.12')

/** What the kernel counted: `FILE:NAME NUMBER` lines of /sys/fs/cgroup. */
function counted(cgroup: string, file: string, name: string): number {
  const text = readFileSync(join(FOLDER, 'cgroups.after'), 'utf8')
  const [, number] = text.match(new RegExp(`${cgroup}/${file}:${name} (\\d+)`)) ?? []
  return Number(number)
}

async function readStalls() {
  const database = await Database.open(':memory:', { mode: 'write' })
  const source = openTestFile(join(FOLDER, 'trace.dat'))
  try {
    const snapshots = readSnapshots(FOLDER)
    const reader = await openTrace(source)
    await ingestTrace({ database, reader, name: 't', path: 't', raw: 'none', snapshots })
    await createViews(database.connection, await selectEverything(database.connection))
    return await database.query(
      `SELECT cgroup, count(*) FILTER (kinds = 'memcg') AS reclaims, coalesce(sum(nr_reclaimed), 0) AS reclaimed,
         count(*) FILTER (kinds = 'throttle') AS waits
       FROM stalls GROUP BY cgroup ORDER BY cgroup`,
    )
  } finally {
    source.close()
    database.close()
  }
}

it('every reclaim for a cgroup is counted as the kernel counts it, and waits for memory.high are those of the one it could not help', async () => {
  const stalls = await readStalls()
  const [a, b, c] = ['/a', '/b', '/c'].map((cgroup) => ({
    cgroup,
    reclaims: counted(cgroup, 'memory.events', cgroup === '/a' ? 'max' : 'high'),
    reclaimed: counted(cgroup, 'memory.stat', 'pgsteal'),
    waits: 0,
  }))
  // 17 of /c's 294 reclaims before each wait, the others where the delay was too short for one.
  expect(stalls).toEqual([a, b, { ...c, waits: 17 }])
})
