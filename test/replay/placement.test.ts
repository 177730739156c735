import { describe, expect, it } from 'vitest'
import { Cpu } from '../../src/replay/cpu.ts'
import { rootMemcg } from '../../src/replay/memcgs.ts'
import { Moments } from '../../src/replay/moments.ts'
import { busiestFor, placeFor, unevenPair } from '../../src/replay/placement.ts'
import { Standstill } from '../../src/replay/standstill.ts'
import { RUNNING, Thread } from '../../src/replay/thread.ts'

function threadOn(cpu: number, allowed: readonly number[]): Thread {
  const thread = new Thread(0, {
    taskId: 1,
    tid: 1,
    name: 'app',
    kind: 'user',
    node: 0,
    allowed: Uint8Array.from(allowed),
    hasMemory: false,
    memcg: rootMemcg(),
  })
  thread.cpu = cpu
  return thread
}

/** CPUs by what each runs (1) and how many wait there. */
function machine(...loads: readonly (readonly [current: 0 | 1, waiting: number])[]): Cpu[] {
  const anywhere = loads.map(() => 1)
  return loads.map(([current, waiting], index) => {
    const cpu = new Cpu(index, 0, index === 1 ? 0.5 : 1)
    if (current === 1) cpu.current = threadOn(index, anywhere)
    for (let place = 0; place < waiting; place++) cpu.queue.push(threadOn(index, anywhere))
    return cpu
  })
}

describe('a woken thread', () => {
  it('stays on its CPU if that is idle, though a faster one is', () => {
    expect(placeFor(threadOn(1, [1, 1, 1]), machine([0, 0], [0, 0], [1, 0])).index).toBe(1)
  })

  it('goes to the fastest idle CPU if its own is busy', () => {
    expect(placeFor(threadOn(0, [1, 1, 1]), machine([1, 0], [0, 0], [0, 0])).index).toBe(2)
  })

  it('waits where it was if all are busy, and in the shortest queue if it may not', () => {
    const busy = machine([1, 2], [1, 3], [1, 1])
    expect(placeFor(threadOn(1, [1, 1, 1]), busy).index).toBe(1)
    expect(placeFor(threadOn(1, [1, 0, 1]), busy).index).toBe(2)
  })
})

describe('an idle CPU', () => {
  it('takes from the longest queue, never the only thread of a CPU that is about to run it', () => {
    const cpus = machine([0, 0], [0, 1], [1, 1])
    expect(busiestFor(cpus[0] as Cpu, cpus)?.index).toBe(2)
    const alone = machine([0, 0], [0, 1])
    expect(busiestFor(alone[0] as Cpu, alone)).toBeUndefined()
  })
})

describe('balancing', () => {
  it('moves between the most and the least loaded, and not where they are alike or nobody waits', () => {
    const pair = unevenPair(machine([1, 2], [1, 0], [1, 1]), 0)
    expect([pair?.most.index, pair?.least.index]).toEqual([0, 1])
    expect(unevenPair(machine([1, 1], [1, 1]), 0)).toBeUndefined()
    expect(unevenPair(machine([1, 0], [0, 0]), 0)).toBeUndefined()
  })
})

describe('moments', () => {
  it('come in order of time, those of one time in the order in which they were asked for', () => {
    const moments = new Moments()
    for (const [value, time] of [30, 10, 20, 10].entries()) moments.add(time, value)
    expect(moments.next).toBe(10)
    const taken: (number | undefined)[] = []
    for (let round = 0; round < 4; round++) taken.push(moments.take(20))
    expect(taken).toEqual([1, 3, 2, undefined])
    expect(moments.next).toBe(30)
  })
})

describe('a standstill', () => {
  it('is seen after a million steps without time, and names who is awake', () => {
    const awake = threadOn(0, [1])
    awake.state = RUNNING
    const standstill = new Standstill([awake, threadOn(0, [1])])
    const run = (steps: number, now: number): void => {
      for (let step = 0; step < steps; step++) standstill.step(now)
    }
    run(1_000_000, 1)
    run(1_000_001, 2)
    expect(() => standstill.step(2)).toThrow(/time stands still at 2 ns: app go on/)
  })
})
