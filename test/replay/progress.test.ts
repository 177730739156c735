import { expect, it } from 'vitest'
import { kswapd } from '../../src/policies/kswapd.ts'
import { DemandProgress } from '../../src/replay/demand-progress.ts'
import { type RunResult, replay } from '../../src/replay/replay.ts'
import { type CostValues, CountingBackend, plainContents, plan, type TaskPlan } from './build.ts'
import { threadOn } from './cpus.ts'

function run(speed: number, costs: CostValues, ...tasks: readonly TaskPlan[]): RunResult {
  const marks = { free: 1000, min: 20, low: 30, high: 40 }
  return replay(plan({ cpus: 1, speeds: [speed], ...marks, tasks, costs }), {
    policy: kswapd,
    backend: new CountingBackend(),
    contents: plainContents,
  })
}

const busy = (cpuNs: number): TaskPlan => ({ rows: [{ op: 'mark', cpuNs }] })

it('two tasks on a slow CPU get on although a switch takes all that one does in its time', () => {
  const { endNs } = run(0.01, { switchAnyRun: 150_000 }, busy(1_000_000), busy(1_000_000))
  expect(endNs).toBeGreaterThan(200_000_000)
  expect(endNs).toBeLessThan(500_000_000)
})

it('a slow CPU that is disturbed again and again does no less in all', () => {
  const wakeUps = Array.from({ length: 20_000 }, () => ({ op: 'sleep' as const, arg: 500 }))
  const load: TaskPlan = { kind: 'background', rows: wakeUps }
  const { endNs } = run(0.001, {}, busy(10_000), load)
  expect(endNs).toBeGreaterThanOrEqual(10_000_000)
  expect(endNs).toBeLessThan(10_100_000)
})

it('times with parts of a ns do not end in a standstill', () => {
  const rows = Array.from({ length: 300 }, (_, row) => ({
    op: row % 3 === 0 ? ('sleep' as const) : ('mark' as const),
    cpuNs: 1000.3 + row / 7,
    arg: 700.1,
  }))
  const { progress } = run(1, { switchAnyRun: 100 }, { rows }, { rows }, { rows })
  expect(progress.map(({ done }) => done)).toEqual([300, 300, 300])
})

it('a task gets further by a row, or by the CPU time of a long one, not by work that is added', () => {
  const thread = threadOn(0, [1])
  const progress = { ...run(1, {}, busy(1)).progress[0], done: 0 } as RunResult['progress'][number]
  const demand = new DemandProgress()
  demand.add(thread, progress)
  const looks = [1000, 1000, 1500, 900, 950, 0].map((work) => {
    thread.work = work
    return demand.isFurther()
  })
  expect(looks).toEqual([true, false, false, true, false, false])
  progress.done = 1
  expect([demand.isFurther(), demand.isFurther()]).toEqual([true, false])
})
