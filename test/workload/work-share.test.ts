import { expect, it } from 'vitest'
import { TaskClock } from '../../src/workload/clocks.ts'
import { endOfDemand, WorkTimes } from '../../src/workload/work-share.ts'

function sleeperUntil(ns: number): TaskClock {
  const clock = new TaskClock(7)
  clock.firstNs = 100
  clock.lastNs = ns
  for (const at of [100, 900, ns]) {
    clock.wall.push(at)
    clock.own.push((at - 100) / 10)
  }
  clock.sleepOwn.push((ns - 100) / 10)
  clock.sleeps.add(40, { isTold: true })
  return clock
}

const TOUCH = { entry: 1, space: 1, address: 2, node: 0 }

it('the demand ends with the last page or file asked for: a task that only sleeps and runs on makes it no longer', () => {
  const end = endOfDemand({
    startNs: 100,
    allocated: Float64Array.of(200, 500),
    touches: [
      { ...TOUCH, ns: 700, task: 0 },
      { ...TOUCH, ns: 5000, task: -1 },
    ],
    read: Float64Array.of(300, 650),
    clocks: [sleeperUntil(9000)],
  })
  expect(end).toBe(700)
})

it('reclaim for a memory cgroup is demand too: it ends when the own clock shows its moment', () => {
  const clock = sleeperUntil(9000)
  clock.memcgOwn.push(80)
  const end = endOfDemand({
    startNs: 100,
    allocated: Float64Array.of(200),
    touches: [],
    read: new Float64Array(0),
    clocks: [clock],
  })
  expect(end).toBe(900)
})

it('a read of many pages is as much work as that many allocations', () => {
  const read = { total: 6, ns: Float64Array.of(500, 600), pages: Float64Array.of(4, 2) }
  const work = new WorkTimes(Float64Array.of(100, 200, 300), [400], read)
  expect(Array.from(work.sharesAt(Float64Array.of(0, 300, 400, 500, 600)))).toEqual([
    0, 0.3, 0.4, 0.8, 1,
  ])
  expect(work.at(0.5)).toBe(500)
})
