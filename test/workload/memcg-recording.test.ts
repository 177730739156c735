import { join } from 'node:path'
import { expect, it } from 'vitest'
import { findPolicy } from '../../src/policies/index.ts'
import { replay } from '../../src/replay/replay.ts'
import { extractWorkload } from '../../src/workload/extract.ts'
import { CountingBackend, plainContents } from '../replay/build.ts'
import { RowCollector } from '../replay/rows.ts'
import { ROOT } from '../shared/binary.ts'
import { openRecordings } from './recordings.ts'

it('a recording of limited cgroups replays with its reclaim in the same cgroups, call for call', async () => {
  const { close, database, traceIds } = await openRecordings([
    join(ROOT, 'fixtures/memcg-limits-6.12'),
  ])
  const { workload } = await extractWorkload(database, traceIds[0] ?? 0)
  close()
  // Memory was never short enough for an exact anchor: there is no distance from one to tell.
  expect(workload.residuals.filter(({ value }) => !Number.isFinite(value))).toEqual([])
  const policy = findPolicy('kswapd')
  if (policy === undefined) throw new Error('there is no policy')
  const rows = new RowCollector()
  replay(workload, {
    policy,
    backend: new CountingBackend(3),
    contents: plainContents,
    checkEveryNs: 100_000_000,
    sink: rows.sink,
  })
  const { tasks, machine, pages } = workload
  const calls = (comm: string) => {
    const task = tasks.find((each) => each.comm === comm)
    const spans = rows.of('reclaim_spans').filter(({ task_id: id }) => id === task?.taskId)
    const reclaimed = spans.reduce((sum, span) => sum + Number(span['nr_reclaimed']), 0)
    return { cgroup: machine.memcgs?.[task?.memcg ?? -1]?.name, calls: spans.length, reclaimed }
  }
  const [a, b] = [calls('app-0'), calls('app-1')]
  // memory.events counts 47 calls of app-0 and, with one of its process's first thread, 43 of app-1.
  expect([a.cgroup, a.calls, b.cgroup, b.calls]).toEqual(['/a', 47, '/b', 42])
  // memory.stat's pgsteal is 2991 and, less the 127 of that thread, 3038.
  expect(Math.abs(a.reclaimed / 2991 - 1)).toBeLessThan(0.1)
  expect(Math.abs(b.reclaimed / 3038 - 1)).toBeLessThan(0.1)
  // Nothing is taken of pages that are no cgroup's.
  const owners = new Set(
    rows.of('swapouts').map((row) => {
      const page = Number(row['page_id']) - 1
      const owner = pages.owner[page] ?? -1
      return owner < 0 ? pages.memcg?.[page] : tasks[owner]?.memcg
    }),
  )
  expect([...owners].sort()).toEqual([0, 1])
})
