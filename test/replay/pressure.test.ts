import { describe, expect, it } from 'vitest'
import { findPolicy } from '../../src/policies/index.ts'
import { Pressure } from '../../src/replay/pressure.ts'
import { replay } from '../../src/replay/replay.ts'
import { IO, LOCK, RUNNABLE, RUNNING, SLEEPING, type Thread } from '../../src/replay/thread.ts'
import { CountingBackend, plainContents, plan } from './build.ts'
import { RowCollector } from './rows.ts'
import { pressure } from './scenarios.ts'

const S = 1_000_000_000

/** Threads as the accounting sees them. */
function machine(cpus: number) {
  const made = new Pressure(cpus, 1_000_000)
  let index = 0
  return {
    made,
    thread(cpu: number) {
      const thread = { index: index++, cpu, state: SLEEPING } as unknown as Thread & {
        state: number
        cpu: number
      }
      return {
        thread,
        to(state: number, now: number, onCpu = thread.cpu) {
          thread.state = state
          thread.cpu = onCpu
          made.changed(thread, now)
        },
        enter: (now: number) => made.enter(thread, now),
        leave: (now: number, entered: boolean) => made.leave(thread, now, entered),
      }
    },
  }
}

describe('memory pressure by the rules of psi.c', () => {
  it('one task that reclaims alone on its CPU is some and full', () => {
    const { made, thread } = machine(1)
    const a = thread(0)
    a.to(RUNNING, 0)
    const entered = a.enter(1 * S)
    a.leave(1.5 * S, entered)
    made.finish(2 * S)
    expect([made.someNs, made.fullNs]).toEqual([0.5 * S, 0.5 * S])
  })

  it('a stalled task that sleeps beside one that works is some, not full', () => {
    const { made, thread } = machine(1)
    const a = thread(0)
    const b = thread(0)
    a.to(RUNNING, 0)
    const entered = a.enter(1 * S)
    a.to(LOCK, 1 * S)
    b.to(RUNNING, 1 * S)
    b.to(SLEEPING, 1.4 * S)
    a.to(RUNNING, 1.6 * S)
    a.leave(1.6 * S, entered)
    made.finish(2 * S)
    // Full from 1.4 s on, when nobody could work any more.
    expect([made.someNs, made.fullNs]).toEqual([0.6 * S, 0.2 * S])
  })

  it('a reclaimer on the CPU is full even where others wait for that CPU', () => {
    const { made, thread } = machine(1)
    const a = thread(0)
    const b = thread(0)
    a.to(RUNNING, 0)
    b.to(RUNNABLE, 0)
    const entered = a.enter(1 * S)
    a.leave(1.25 * S, entered)
    made.finish(2 * S)
    expect([made.someNs, made.fullNs]).toEqual([0.25 * S, 0.25 * S])
  })

  it('each CPU counts by how long it was not idle', () => {
    const { made, thread } = machine(2)
    const a = thread(0)
    const b = thread(1)
    // CPU 0: busy for 0.5 s, all of it stalled. CPU 1: busy for 1.5 s, never stalled.
    const entered = a.enter(0)
    a.to(RUNNING, 0)
    a.leave(0.5 * S, entered)
    a.to(SLEEPING, 0.5 * S)
    b.to(RUNNING, 0)
    b.to(SLEEPING, 1.5 * S)
    made.finish(2 * S)
    expect(made.someNs).toBe((0.5 * S * 500) / 2000)
  })

  it('a wake-up on another CPU takes the stall along, and waiting for the disk is not idle', () => {
    const { made, thread } = machine(2)
    const a = thread(0)
    a.to(RUNNING, 0)
    const entered = a.enter(0)
    a.to(IO, 0.5 * S)
    a.to(RUNNING, 1 * S, 1)
    a.leave(2 * S, entered)
    made.finish(2 * S)
    // Both CPUs were busy for 1 s each, stalled all the time.
    expect([made.someNs, made.fullNs]).toEqual([1 * S, 1 * S])
  })

  it('a section inside another one does not end it', () => {
    const { made, thread } = machine(1)
    const a = thread(0)
    a.to(RUNNING, 0)
    const outer = a.enter(0)
    const inner = a.enter(0.25 * S)
    expect([outer, inner]).toEqual([true, false])
    a.leave(0.5 * S, inner)
    a.leave(1 * S, outer)
    made.finish(2 * S)
    expect(made.someNs).toBe(1 * S)
  })

  it('windows of 2 s are averaged one by one', () => {
    const { made, thread } = machine(2)
    const a = thread(0)
    const b = thread(1)
    const ends: number[] = []
    made.onWindow = (ns) => ends.push(ns)
    a.to(RUNNING, 0)
    const entered = a.enter(0)
    a.leave(2 * S, entered)
    a.to(SLEEPING, 2 * S)
    b.to(RUNNING, 2 * S)
    made.finish(5 * S)
    expect(ends).toEqual([2 * S, 4 * S, 5 * S])
    expect(made.someNs).toBe(2 * S)
  })
})

describe('memory pressure of a run', () => {
  const run = (workload = pressure({ pages: 6000, touches: 3000 }), policy = 'kswapd') => {
    const rows = new RowCollector()
    const { summary, endNs } = replay(workload, {
      policy: findPolicy(policy) as NonNullable<ReturnType<typeof findPolicy>>,
      backend: new CountingBackend(3),
      contents: plainContents,
      sink: rows.sink,
    })
    return { summary, endNs, rows }
  }

  it('is none where memory suffices', () => {
    const { summary } = run(
      plan({
        free: 1000,
        min: 10,
        low: 20,
        high: 30,
        tasks: [
          {
            rows: [
              { op: 'alloc', cpuNs: 1000, arg: -1 },
              { op: 'sleep', arg: 3e9 },
            ],
          },
        ],
      }),
    )
    expect([summary.psiSomeNs, summary.psiFullNs]).toEqual([0, 0])
  })

  it('is full at least as long as tasks alone on one CPU reclaim, and some at least as long as full', () => {
    const { summary, endNs } = run(pressure({ pages: 6000, touches: 3000, cpus: 1 }))
    expect(summary.psiFullNs).toBeLessThanOrEqual(summary.psiSomeNs)
    expect(summary.psiSomeNs).toBeLessThanOrEqual(endNs)
    const stalled = summary.all.totalNs + summary.all.throttledNs
    expect(summary.psiSomeNs).toBeGreaterThanOrEqual(stalled * 0.9)
  })

  it('is sampled every 2 s, and the last sample is the run’s total', () => {
    const { rows, summary, endNs } = run()
    const some = rows.of('samples').filter((row) => row['name'] === 'psi.memory.some_ns')
    expect(some.map((row) => row['ts_ns'])).toEqual([
      ...Array.from({ length: Math.floor(endNs / (2 * S)) + 1 }, (_, window) => window * 2 * S),
      endNs,
    ])
    expect(some.at(-1)?.['value']).toBe(summary.psiSomeNs)
    expect(summary.psiSomeNs).toBeGreaterThan(0)
  })

  it('grows with the cost of a store', () => {
    const dear = replay(pressure({ pages: 6000, touches: 3000 }), {
      policy: findPolicy('kswapd') as NonNullable<ReturnType<typeof findPolicy>>,
      backend: new CountingBackend(3),
      contents: plainContents,
      costScale: { store: 3 },
    })
    expect(dear.summary.psiSomeNs / dear.endNs).toBeGreaterThan(
      run().summary.psiSomeNs / run().endNs,
    )
  })
})
