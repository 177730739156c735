import { expect, it } from 'vitest'
import { TaskClock } from '../../src/workload/clocks.ts'
import type { Touch } from '../../src/workload/page-events.ts'
import { RecordingBuilder } from '../../src/workload/recording.ts'
import { buildTask, type TaskParts } from '../../src/workload/tasks.ts'
import { TASK_OPS, type WorkloadTask } from '../../src/workload/types.ts'
import { APP, madeRecording } from './made-recording.ts'

const OTHER = 101
const RESIDENT = 10
const NOTHING = new Float64Array()

/** On CPU for every other nanosecond. */
function clockOf(tid: number): TaskClock {
  const clock = new TaskClock(tid)
  for (const ns of [0, 1000]) {
    clock.wall.push(ns)
    clock.own.push(ns / 2)
  }
  return clock
}

/** Pages 10 and 11 are allocated by the first task and the second; the second one's swap-in at 600 ns brings page 3. */
const SEEN: Touch = { ns: 600, entry: 7, space: 0, address: 0, task: 1, node: 0, own: 300 }

function tasksWith(unseen: readonly number[]): WorkloadTask[] {
  const parts: TaskParts = {
    startNs: 0,
    halfNs: 500,
    resident: RESIDENT,
    allocations: { length: 2, task: Int32Array.of(0, 1), own: Float64Array.of(100, 100) },
    touches: [SEEN],
    unseenTouches: {
      length: unseen.length,
      withTouch: new Int32Array(unseen.length),
      page: Int32Array.from(unseen),
    },
    identities: { ofTouch: Int32Array.of(3), folio: undefined },
    file: { total: 0, task: -1, ns: NOTHING, pages: NOTHING },
    users: { uses: new Map(), owners: new Set(), demanders: new Set() },
    memcgs: { list: [], ofTask: new Map() },
  }
  const recording = madeRecording(new RecordingBuilder(), { endNs: 1000 })
  return [APP, OTHER].map((tid, row) => buildTask(recording, clockOf(tid), row, parts))
}

/** Pages that a task is taken to touch, with its own time of each. */
function referencesOf({ op, cpuNs, arg }: WorkloadTask): (readonly [page: number, own: number])[] {
  const found: (readonly [number, number])[] = []
  let own = 0
  op.forEach((each, index) => {
    own += cpuNs[index] ?? 0
    if (TASK_OPS[each] === 'reference') found.push([arg[index] ?? -1, own])
  })
  return found
}

it('unseen touches are made by who allocated the page, at its own time of the seen one; of the pages of the start by who makes that', () => {
  const [first, second] = tasksWith([10, 11, 5]).map(referencesOf)
  expect(first).toEqual([[10, 300]])
  expect(second).toEqual([
    [11, 300],
    [5, 300],
  ])
})
