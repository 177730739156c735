import { describe, expect, it } from 'vitest'
import { Cfs } from '../../src/replay/cfs.ts'
import { Cpu } from '../../src/replay/cpu.ts'
import { Eevdf } from '../../src/replay/eevdf.ts'
import type { FairClass } from '../../src/replay/fair-class.ts'
import { rootMemcg } from '../../src/replay/memcgs.ts'
import type { Steps } from '../../src/replay/steps.ts'
import { SLEEPING, type Thread } from '../../src/replay/thread.ts'
import { schedulerOf, threadOn } from './cpus.ts'

const MS = 1_000_000
const TIMES = { sliceNs: 1.4 * MS, tickNs: MS }
const eevdf = new Eevdf({ ...TIMES, delaysDequeue: true, keepsEstimateOfWaiters: true })
const cfs = new Cfs({
  latencyNs: 12 * MS,
  minGranularityNs: 1.5 * MS,
  wakeupGranularityNs: 2 * MS,
})

function join(fair: FairClass, cpu: Cpu): Thread {
  const thread = threadOn(0, [1])
  fair.place(cpu, thread)
  cpu.queue.push(thread)
  return thread
}

function run(fair: FairClass, cpu: Cpu, ns = 0): Thread {
  cpu.current = fair.takeNext(cpu)
  const current = cpu.current as Thread
  current.vruntime += ns
  return current
}

function leave(fair: FairClass, cpu: Cpu): void {
  fair.sleep(cpu, cpu.current as Thread)
  cpu.current = undefined
}

describe('earliest eligible virtual deadline first', () => {
  it('keeps a thread for its slice, and picks the other afterwards', () => {
    const cpu = new Cpu(0, 0, 1)
    const first = join(eevdf, cpu)
    const second = join(eevdf, cpu)
    expect(run(eevdf, cpu)).toBe(first)
    expect(eevdf.untilPreemption(cpu)).toBe(1.4 * MS)
    first.vruntime += 2 * MS
    expect(eevdf.expires(cpu)).toBe(true)
    cpu.queue.push(first)
    cpu.current = undefined
    expect(run(eevdf, cpu)).toBe(second)
  })

  it('lets a sleeper with too much compete until that is made up for, and one with its share go', () => {
    const cpu = new Cpu(0, 0, 1)
    const hungry = join(eevdf, cpu)
    const waits = join(eevdf, cpu)
    expect(run(eevdf, cpu, MS)).toBe(hungry)
    leave(eevdf, cpu)
    expect(hungry.delayed).toBe(true)
    expect(cpu.competitors).toBe(2)
    expect(run(eevdf, cpu, 3 * MS)).toBe(waits)
    leave(eevdf, cpu)
    expect(waits.delayed).toBe(true)
    expect(eevdf.takeNext(cpu)).toBeUndefined()
    expect(cpu.competitors).toBe(0)
    expect([hungry.delayed, waits.delayed]).toEqual([false, false])
    // What is owed for sleeping is forgotten.
    expect(hungry.lag).toBe(0)
  })

  it('lets every sleeper go before 6.12, and it owes afterwards what it had too much', () => {
    const before = new Eevdf({ ...TIMES, delaysDequeue: false, keepsEstimateOfWaiters: true })
    const cpu = new Cpu(0, 0, 1)
    const hungry = join(before, cpu)
    const other = join(before, cpu)
    run(before, cpu, MS)
    leave(before, cpu)
    expect([hungry.delayed, cpu.competitors, hungry.lag]).toEqual([false, 1, -0.5 * MS])
    run(before, cpu, 4 * MS)
    before.place(cpu, hungry)
    // Its place moves the average, from which it is to be as far as it was.
    expect(hungry.vruntime - other.vruntime).toBe(MS)
  })

  it('forgets, before 6.8, what a thread used that had to wait', () => {
    const estimateOf = (keepsEstimateOfWaiters: boolean): number => {
      const fair = new Eevdf({ ...TIMES, delaysDequeue: true, keepsEstimateOfWaiters })
      const cpu = new Cpu(0, 0, 1)
      const thread = join(fair, cpu)
      run(fair, cpu)
      Object.assign(thread, { utilEst: 800, utilAvg: 400, loadAvg: 900 })
      leave(fair, cpu)
      return thread.utilEst
    }
    expect([estimateOf(true), estimateOf(false)]).toEqual([800, 700])
  })

  it('does not owe a sleeper that was still in the queue', () => {
    const cpu = new Cpu(0, 0, 1)
    const sleeper = join(eevdf, cpu)
    const other = join(eevdf, cpu)
    run(eevdf, cpu, MS)
    leave(eevdf, cpu)
    run(eevdf, cpu, 5 * MS)
    cpu.progressAt = 6 * MS
    eevdf.requeue(cpu, sleeper)
    expect(sleeper.delayed).toBe(false)
    expect(sleeper.vruntime).toBe(other.vruntime)
  })

  it('lets a woken thread interrupt only one that has had more than its share', () => {
    const cpu = new Cpu(0, 0, 1)
    join(eevdf, cpu)
    run(eevdf, cpu)
    expect(eevdf.preempts(cpu, join(eevdf, cpu))).toBe(false)
    ;(cpu.current as Thread).vruntime += 1.2 * MS
    const woken = cpu.queue[0] as Thread
    expect(eevdf.preempts(cpu, woken)).toBe(true)
  })

  it('lets a woken thread that is owed nothing interrupt one whose slice ends then', () => {
    const cpu = new Cpu(0, 0, 1)
    join(eevdf, cpu)
    run(eevdf, cpu, 1.3 * MS)
    expect(eevdf.preempts(cpu, join(eevdf, cpu))).toBe(false)
    cpu.queue.length = 0
    ;(cpu.current as Thread).vruntime += 0.2 * MS
    const woken = join(eevdf, cpu)
    expect(woken.deadline).toBe((cpu.current as Thread).deadline)
    expect(eevdf.preempts(cpu, woken)).toBe(true)
  })

  it('begins another slice, that may be disturbed, where a thread joins after the end of the first', () => {
    const cpu = new Cpu(0, 0, 1)
    join(eevdf, cpu)
    const current = run(eevdf, cpu, 1.3 * MS)
    join(eevdf, cpu)
    expect([cpu.keepsSlice, current.deadline]).toEqual([true, 1.4 * MS])
    current.vruntime += 0.2 * MS
    join(eevdf, cpu)
    expect([cpu.keepsSlice, current.deadline]).toEqual([false, 2.9 * MS])
  })

  it('looks for another one where a thread joins after the end of a slice, if there is one already', () => {
    const cpu = new Cpu(0, 0, 1)
    join(eevdf, cpu)
    const current = run(eevdf, cpu, 1.5 * MS)
    join(eevdf, cpu)
    expect(cpu.needResched).toBe(false)
    current.vruntime += 1.5 * MS
    join(eevdf, cpu)
    expect(cpu.needResched).toBe(true)
  })

  it('looks for another one where a thread joins that finds one with more than its share', () => {
    const cpu = new Cpu(0, 0, 1)
    join(eevdf, cpu)
    const current = run(eevdf, cpu, 1.5 * MS)
    join(eevdf, cpu)
    current.vruntime += 0.1 * MS
    join(eevdf, cpu)
    expect(cpu.needResched).toBe(true)
    cpu.needResched = false
    cpu.keepsSlice = true
    current.vruntime += 0.1 * MS
    join(eevdf, cpu)
    expect(cpu.needResched).toBe(false)
  })

  it('renews the slice of a thread that is alone at ticks', () => {
    const cpu = new Cpu(0, 0, 1)
    join(eevdf, cpu)
    const current = run(eevdf, cpu, 5.5 * MS)
    cpu.progressAt = 5.5 * MS
    join(eevdf, cpu)
    // At 2 ms, the first tick after 1.4, and at 4, the first after 3.4.
    expect([cpu.keepsSlice, current.deadline]).toEqual([false, 6.9 * MS])
    const later = new Cpu(0, 0, 1)
    join(eevdf, later)
    run(eevdf, later, 5.2 * MS)
    later.progressAt = 5.2 * MS
    join(eevdf, later)
    expect(later.current?.deadline).toBe(5.4 * MS)
  })

  it('judges a sleeper in the queue by what was seen of the thread that runs', () => {
    const requeueAfter = (ns: number): readonly [Thread, Thread] => {
      const cpu = new Cpu(0, 0, 1)
      const sleeper = join(eevdf, cpu)
      const other = join(eevdf, cpu)
      run(eevdf, cpu, 0.3 * MS)
      leave(eevdf, cpu)
      run(eevdf, cpu, ns)
      cpu.progressAt = 0.3 * MS + ns
      eevdf.requeue(cpu, sleeper)
      cpu.queue.push(sleeper)
      expect(eevdf.preempts(cpu, sleeper)).toBe(sleeper.vruntime < other.vruntime)
      return [sleeper, other]
    }
    // No tick since: it is still thought to have had too much, and waits where it was.
    expect(requeueAfter(0.4 * MS)[0].vruntime).toBe(0.3 * MS)
    // The tick at 1 ms has seen 0.7 of 0.8 ms.
    expect(requeueAfter(0.8 * MS)[0].vruntime).toBe(0.7 * MS)
  })

  it('lets a sleeper leave the queue at the tick at which it would run', () => {
    const scheduler = schedulerOf([{ node: 0, speed: 1 }])
    const add = (name: string, program: (self: Thread) => Steps): Thread =>
      scheduler.add(
        {
          taskId: 1,
          tid: 1,
          name,
          kind: 'user',
          node: 0,
          allowed: Uint8Array.of(1),
          hasMemory: false,
          memcg: rootMemcg(),
        },
        program,
      )
    const sleeper = add('sleeper', function* (self): Steps {
      if (!scheduler.spend(self, 0.5 * MS)) yield
      scheduler.sleepUntil(self, 10 * MS, SLEEPING)
      yield
    })
    const isDelayed: boolean[] = []
    const other = add('other', function* (self): Steps {
      for (const ns of [0.3 * MS, 2 * MS]) {
        if (!scheduler.spend(self, ns)) yield
        isDelayed.push(sleeper.delayed)
      }
    })
    scheduler.start(sleeper, 0)
    scheduler.start(other, 0)
    scheduler.run()
    expect(isDelayed).toEqual([true, false])
  })

  it('keeps what a thread is owed, and the rest of its slice, when it moves', () => {
    const from = new Cpu(0, 0, 1)
    const to = new Cpu(1, 0, 1)
    join(eevdf, from)
    const moved = join(eevdf, from)
    run(eevdf, from, 2 * MS)
    for (let there = 0; there < 2; there++) join(eevdf, to)
    eevdf.detach(from, moved)
    eevdf.attach(to, moved)
    to.queue.push(moved)
    expect(moved.lag).toBe(MS)
    expect(moved.deadline - moved.vruntime).toBe(1.4 * MS)
    const mean = to.queue.reduce((sum, { vruntime }) => sum + vruntime, 0) / 3
    expect(mean - moved.vruntime).toBeCloseTo(MS, -1)
  })
})

describe('the completely fair scheduler', () => {
  it('shares a latency among the threads of a CPU', () => {
    const cpu = new Cpu(0, 0, 1)
    join(cfs, cpu)
    join(cfs, cpu)
    run(cfs, cpu)
    expect(cfs.untilPreemption(cpu)).toBe(6 * MS)
    join(cfs, cpu)
    expect(cfs.untilPreemption(cpu)).toBe(4 * MS)
    ;(cpu.current as Thread).vruntime += 4.5 * MS
    expect(cfs.expires(cpu)).toBe(true)
  })

  it('owes a sleeper half a latency, with which it interrupts who runs', () => {
    const cpu = new Cpu(0, 0, 1)
    const sleeper = join(cfs, cpu)
    join(cfs, cpu)
    run(cfs, cpu)
    leave(cfs, cpu)
    run(cfs, cpu, 50 * MS)
    cfs.place(cpu, sleeper)
    expect(sleeper.vruntime).toBe(44 * MS)
    cpu.queue.push(sleeper)
    expect(cfs.preempts(cpu, sleeper)).toBe(true)
    expect(cfs.expires(cpu)).toBe(true)
  })

  it('leaves who runs alone where the difference is small', () => {
    const cpu = new Cpu(0, 0, 1)
    join(cfs, cpu)
    run(cfs, cpu, MS)
    expect(cfs.preempts(cpu, join(cfs, cpu))).toBe(false)
  })
})
