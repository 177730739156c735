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

async function readRecorded(sql: string) {
  const database = await Database.open(':memory:', { mode: 'write' })
  const source = openTestFile(join(FOLDER, 'trace.dat'))
  try {
    const snapshots = readSnapshots(FOLDER)
    const reader = await openTrace(source)
    await ingestTrace({ database, reader, name: 't', path: 't', raw: 'none', snapshots })
    await createViews(database.connection, await selectEverything(database.connection))
    return await database.query(sql)
  } finally {
    source.close()
    database.close()
  }
}

it('every reclaim for a cgroup is counted as the kernel counts it, and waits for memory.high are those of the one it could not help', async () => {
  const stalls = await readRecorded(
    `SELECT cgroup, count(*) FILTER (kinds = 'memcg') AS reclaims, coalesce(sum(nr_reclaimed), 0) AS reclaimed,
       count(*) FILTER (kinds = 'throttle') AS waits
     FROM stalls GROUP BY cgroup ORDER BY cgroup`,
  )
  const [a, b, c] = ['/a', '/b', '/c'].map((cgroup) => ({
    cgroup,
    reclaims: counted(cgroup, 'memory.events', cgroup === '/a' ? 'max' : 'high'),
    reclaimed: counted(cgroup, 'memory.stat', 'pgsteal'),
    waits: 0,
  }))
  // 17 of /c's 294 reclaims before each wait, the others where the delay was too short for one.
  expect(stalls).toEqual([a, b, { ...c, waits: 17 }])
})

it('stalls are summed by the control group whose task stalled, worst first', async () => {
  const [a, b, c] = ['/a', '/b', '/c'].map((cgroup) => counted(cgroup, 'memory.stat', 'pgsteal'))
  const rows = await readRecorded(
    'SELECT cgroup, stalled, tasks, stalls, rounds, reclaimed_pages FROM stall_cgroups',
  )
  // In /b the process itself reclaimed once, beside its thread; /d has no limit, and memory was plentiful.
  const own = { stalled: 'application', rounds: 0 }
  expect(rows).toEqual([
    { ...own, cgroup: '/c', tasks: 1, stalls: 311, reclaimed_pages: c },
    { ...own, cgroup: '/b', tasks: 2, stalls: 43, reclaimed_pages: b },
    { ...own, cgroup: '/a', tasks: 1, stalls: 47, reclaimed_pages: a },
  ])
})
