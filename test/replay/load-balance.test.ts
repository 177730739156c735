import { describe, expect, it } from 'vitest'
import { Cpu } from '../../src/replay/cpu.ts'
import { LoadBalance } from '../../src/replay/load-balance.ts'
import type { Thread } from '../../src/replay/thread.ts'
import { machine } from './cpus.ts'

const MS = 1_000_000

function balanced(of: ReturnType<typeof machine>, draw = 0): LoadBalance {
  return new LoadBalance(of.cpus, of.threads, { draw: () => draw, rationsNewidle: true })
}

describe('a CPU that becomes idle', () => {
  it('takes who has waited longest of those that have not run for half a millisecond', () => {
    const of = machine([0, 0], [1, 2])
    const [idle, busy] = of.cpus as [Cpu, Cpu]
    const [first] = busy.queue as [Thread, Thread]
    expect(balanced(of).newlyIdle(idle, 10 * MS)).toEqual({ from: busy, place: 0 })
    first.ranUntil = 9.6 * MS
    expect(balanced(of).newlyIdle(idle, 10 * MS)?.place).toBe(1)
  })

  it('never takes the only thread of a CPU that is about to run it', () => {
    const of = machine([0, 0], [0, 1])
    expect(balanced(of).newlyIdle(of.cpus[0] as Cpu, MS)).toBeUndefined()
  })

  it('does not look where a look costs more than it is idle for, nor more often than it helps', () => {
    const of = machine([0, 0], [1, 1])
    const costly = new Cpu(0, 0, 1, { ratio: 512, costNs: 600_000 })
    of.cpus[0] = costly
    expect(balanced(of).newlyIdle(costly, MS)).toBeDefined()
    // Idle for 200 us again and again: the average falls.
    for (let idle = 0; idle < 10; idle++) {
      costly.idleSince = 0
      costly.endIdle(200_000)
    }
    expect(costly.avgIdleNs).toBeLessThan(600_000)
    expect(balanced(of).newlyIdle(costly, MS)).toBeUndefined()
    const seldom = new Cpu(0, 0, 1, { ratio: 100, costNs: 0 })
    of.cpus[0] = seldom
    expect(balanced(of, 1024 + 101).newlyIdle(seldom, MS)).toBeDefined()
    expect(balanced(of, 1024 + 102).newlyIdle(seldom, MS)).toBeUndefined()
  })

  it('looks each time where the kernel has no dice, and learns nothing from it', () => {
    const of = machine([0, 0], [1, 1])
    const seldom = new Cpu(0, 0, 1, { ratio: 0, costNs: 0 })
    of.cpus[0] = seldom
    const balance = new LoadBalance(of.cpus, of.threads, {
      draw: () => 1023,
      rationsNewidle: false,
    })
    for (let look = 0; look < 600; look++) expect(balance.newlyIdle(seldom, 10 * MS)).toBeDefined()
  })

  it('counts looks in vain while no look has found that nothing waits any more', () => {
    const of = machine([0, 0], [1, 1])
    const [idle, busy] = of.cpus as [Cpu, Cpu]
    const seldom = new Cpu(0, 0, 1, { ratio: 0, costNs: 0 })
    of.cpus[0] = seldom
    const draws: number[] = []
    const balance = new LoadBalance(of.cpus, of.threads, {
      draw: () => draws.shift() ?? 0,
      rationsNewidle: true,
    })
    busy.queue.pop()
    // The dice forbid 511 looks, and each counts; the next sees that no CPU has two threads, and then there is nothing to look for.
    draws.push(...Array.from({ length: 511 }, () => 1023))
    for (let look = 0; look < 600; look++) balance.newlyIdle(seldom, 10 * MS)
    expect(draws).toEqual([])
    busy.queue.push(of.threads[1] as Thread)
    expect(balance.newlyIdle(seldom, 10 * MS)).toBeUndefined()
    balance.joined(busy)
    expect(balance.newlyIdle(seldom, 10 * MS)).toEqual({ from: busy, place: 0 })
    expect(idle.newidleRatio).toBe(512)
  })

  it('looks as often as looking helped, once 1,024 looks are counted', () => {
    const cpu = new Cpu(0, 0, 1, { ratio: 512, costNs: 0 })
    for (let look = 0; look < 511; look++) cpu.countNewidle(0)
    expect(cpu.newidleRatio).toBe(512)
    cpu.countNewidle(0)
    expect(cpu.newidleRatio).toBe(256)
  })
})

describe('balancing on ticks', () => {
  it('moves a thread to a CPU with less load in its second round, when half the load is asked for', () => {
    const of = machine([1, 0], [1, 1])
    const [less, more] = of.cpus as [Cpu, Cpu]
    for (const thread of of.threads) thread.signalsAt = 100 * MS
    const balance = balanced(of)
    expect(balance.dueAt(less)).toBe(31 * MS)
    expect(balance.balance(less, 100 * MS)).toBeUndefined()
    expect(balance.balance(less, 100 * MS)).toEqual({ from: more, place: 0 })
  })

  it('leaves CPUs alone that have as much to do, and looks again after twice as long', () => {
    const of = machine([1, 1], [1, 1])
    const [first] = of.cpus as [Cpu]
    const balance = balanced(of)
    expect(balance.balance(first, 100 * MS)).toBeUndefined()
    expect(balance.dueAt(first)).toBe(163 * MS)
  })

  it('tells wake-ups how many CPUs to look at: none where all are busy', () => {
    const of = machine([1, 0], [1, 0])
    for (const thread of of.threads) thread.signalsAt = 100 * MS
    const balance = balanced(of)
    expect(balance.idleScanOf(of.cpus[0] as Cpu)).toBe(2)
    balance.balance(of.cpus[0] as Cpu, 100 * MS)
    expect(balance.idleScanOf(of.cpus[0] as Cpu)).toBe(0)
  })

  it('counts threads that have just been woken by what they are expected to use', () => {
    const of = machine([1, 0], [1, 0])
    for (const thread of of.threads) {
      thread.signalsAt = 100 * MS
      thread.utilAvg = 300
    }
    const balance = balanced(of)
    balance.balance(of.cpus[0] as Cpu, 100 * MS)
    expect(balance.idleScanOf(of.cpus[0] as Cpu)).toBe(1)
    for (const thread of of.threads) thread.utilEst = 700
    balance.balance(of.cpus[0] as Cpu, 100 * MS)
    expect(balance.idleScanOf(of.cpus[0] as Cpu)).toBe(0)
  })
})

describe('CPUs of two nodes', () => {
  const nodes = (
    ...loads: readonly (readonly [current: 0 | 1, waiting: number])[]
  ): ReturnType<typeof machine> => {
    const of = machine(...loads)
    of.cpus.forEach((cpu, index) => {
      Object.assign(cpu, { node: index >> 1 })
    })
    return of
  }
  const calm = ({ threads }: ReturnType<typeof machine>): void => {
    for (const thread of threads)
      Object.assign(thread, { loadAvg: 100, utilAvg: 100, signalsAt: 100 * MS })
  }

  it('look at their own node first, even if another has more', () => {
    const of = nodes([1, 2], [1, 2], [0, 0], [1, 1])
    const [, , idle, peer] = of.cpus as [Cpu, Cpu, Cpu, Cpu]
    expect(balanced(of).newlyIdle(idle, 10 * MS)).toEqual({ from: peer, place: 0 })
  })

  it('leave a small difference to other nodes, and take from a node that has too much to do', () => {
    const of = nodes([1, 1], [0, 0], [0, 0], [1, 0])
    calm(of)
    const [, , idle] = of.cpus as [Cpu, Cpu, Cpu]
    expect(balanced(of).newlyIdle(idle, 100 * MS)).toBeUndefined()
    const crowded = nodes([1, 2], [1, 1], [0, 0], [1, 0])
    const [from, , other] = crowded.cpus as [Cpu, Cpu, Cpu]
    expect(balanced(crowded).newlyIdle(other, 100 * MS)).toEqual({ from, place: 0 })
    calm(crowded)
    expect(balanced(crowded).newlyIdle(other, 100 * MS)).toEqual({ from, place: 0 })
  })

  it('do not look that far where they are idle for too short a time', () => {
    const of = nodes([1, 2], [1, 2], [0, 0], [1, 0])
    const costly = new Cpu(2, 1, 1, { ratio: 512, costNs: 300_000 })
    of.cpus[2] = costly
    expect(balanced(of).newlyIdle(costly, MS)).toBeDefined()
    for (let idle = 0; idle < 20; idle++) {
      costly.idleSince = 0
      costly.endIdle(400_000)
    }
    expect(balanced(of).newlyIdle(costly, MS)).toBeUndefined()
  })

  it('are looked for by one of a node while all are busy', () => {
    const of = nodes([1, 2], [1, 2], [1, 0], [1, 0])
    const [from, , first, second] = of.cpus as [Cpu, Cpu, Cpu, Cpu]
    for (const thread of of.threads) thread.signalsAt = 100 * MS
    const balance = balanced(of)
    expect(balance.balance(second, 100 * MS)).toBeUndefined()
    expect(balance.balance(first, 100 * MS)).toEqual({ from, place: 0 })
  })

  it('tell wake-ups of their own node how many to look at', () => {
    const of = nodes([1, 0], [1, 0], [0, 0], [0, 0])
    const [first, , other] = of.cpus as [Cpu, Cpu, Cpu]
    for (const thread of of.threads) thread.signalsAt = 100 * MS
    const balance = balanced(of)
    balance.balance(first, 100 * MS)
    expect([balance.idleScanOf(first), balance.idleScanOf(other)]).toEqual([0, 2])
  })
})
