import { expect, it } from 'vitest'
import { describeWorkload } from '../../src/workload/describe.ts'
import { findMemcgs, memcgOfPages, withoutKeptLimits } from '../../src/workload/memcgs.ts'
import { type RecordedTask, RecordingBuilder } from '../../src/workload/recording.ts'
import { TASK_OPS } from '../../src/workload/types.ts'
import { plan } from '../replay/build.ts'
import { madeRecording } from './made-recording.ts'

const MEMCGS = `/sys/fs/cgroup/apps/memory.max:1048576
/sys/fs/cgroup/apps/one/memory.low:409600
/sys/fs/cgroup/apps/two/memory.high:819200
/sys/fs/cgroup/apps/two/memory.swap.high:40960
/sys/fs/cgroup/apps/two/memory.swap.max:0
/sys/fs/cgroup/apps/two/memory.current:40960
/sys/fs/cgroup/apps/two/memory.zswap.max:8192
/sys/fs/cgroup/apps/two/memory.zswap.writeback:0
/sys/fs/cgroup/other/memory.min:4096
/sys/fs/cgroup/memory.max:9
`

function recordingOf(groups: readonly (string | undefined)[], snapshot: Record<string, unknown>) {
  const tasks = groups.map((cgroup, tid): readonly [number, RecordedTask] => [
    tid,
    { taskId: tid + 1, tgid: tid, tid, comm: 'app', kind: 'user', cgroup },
  ])
  return madeRecording(new RecordingBuilder(), { endNs: 1, tasks: new Map(tasks), snapshot })
}

it('cgroups come with those above them, each after its parent, with the settings beside the trace in pages', () => {
  const recording = recordingOf(['/apps/one', '/apps/two', '/', undefined, '/apps/one'], {
    memcgs: MEMCGS,
  })
  const { list, ofTask } = findMemcgs(recording, [0, 1, 2, 3, 4])
  expect(list).toEqual([
    { name: '/apps', maxPages: 256, basis: 'event' },
    { name: '/apps/one', parent: 0, lowPages: 100, basis: 'event' },
    {
      name: '/apps/two',
      parent: 0,
      highPages: 200,
      swapHighPages: 10,
      swapMaxPages: 0,
      zswapMaxPages: 2,
      writeback: false,
      basis: 'event',
    },
  ])
  expect([...ofTask]).toEqual([
    [0, 1],
    [1, 2],
    [4, 1],
  ])
})

it('where no task has a cgroup but the root there are none', () => {
  const { list, ofTask } = findMemcgs(recordingOf(['/', undefined], {}), [0, 1])
  expect([list, ofTask.size]).toEqual([[], 0])
})

it('a page without an owner is of the cgroup that it was reclaimed for first, else of that of the task that used it first', () => {
  const touch = (task: number) => ({ task })
  const found = memcgOfPages(Int32Array.of(-1, 0, -1, -1, -1), [{ memcg: 5 }, {}], {
    touches: [touch(1), touch(0), touch(0), touch(0), touch(0)],
    ofTouch: Int32Array.of(2, 2, 0, 1, 4),
    stores: [{}, { forMemcgOf: 70 }, { forMemcgOf: 71 }, { forMemcgOf: 70 }, { forMemcgOf: 99 }],
    ofStore: Int32Array.of(4, 4, 4, 1, 0),
    ofTask: new Map([
      [70, 6],
      [71, 7],
    ]),
  })
  expect([...found]).toEqual([5, -1, -1, -1, 6])
})

it('a limit that recorded reclaim kept is not put on top of it, others and protections stay', () => {
  const list = [
    { name: '/a', highPages: 300, minPages: 10 },
    { name: '/a/b', parent: 0, maxPages: 200 },
    { name: '/c', maxPages: 100 },
  ]
  const reclaims = { memcg: 1, op: Uint8Array.of(TASK_OPS.indexOf('reclaim')) }
  const others = { memcg: 2, op: Uint8Array.of(TASK_OPS.indexOf('alloc')) }
  expect(withoutKeptLimits(list, [reclaims, others])).toEqual([
    { name: '/a', minPages: 10 },
    { name: '/a/b', parent: 0 },
    { name: '/c', maxPages: 100 },
  ])
})

it.each([
  ['that were recorded rest on the files beside the trace', 'event', 'snapshot'],
  ['that were written by hand rest on nothing', undefined, 'default'],
] as const)('settings of cgroups %s', (_of, basis, saved) => {
  const given = {
    highPages: 255,
    maxPages: 256,
    swapHighPages: 8,
    swapMaxPages: 0,
    zswapMaxPages: 9,
    ...(basis === undefined ? {} : { basis }),
  }
  const workload = plan({
    ...{ free: 100, min: 1, low: 2, high: 3 },
    memcgs: [
      { name: '/apps', ...given },
      { name: '/apps/one', parent: 0, ...given },
    ],
    tasks: [{ memcg: 1, rows: [] }],
  })
  const facts = describeWorkload(workload).filter(({ name }) => name.startsWith('memcg./apps/one'))
  expect(facts.map((fact) => [fact.name, fact.value, fact.basis, fact.from])).toEqual([
    ['memcg./apps/one.tasks', 1, basis ?? 'default', 'of the demand; below /apps'],
    ['memcg./apps/one.pages', 0, basis ?? 'default', 'pages with a name'],
    ['memcg./apps/one.high', 255, saved, ''],
    ['memcg./apps/one.max', 256, saved, ''],
    ['memcg./apps/one.swap_high', 8, saved, ''],
    ['memcg./apps/one.swap_max', 0, saved, ''],
    ['memcg./apps/one.zswap_max', 9, saved, ''],
  ])
})
