import { describe, expect, it } from 'vitest'
import { rootMemcg } from '../../src/replay/memcgs.ts'
import type { Steps } from '../../src/replay/steps.ts'
import { SLEEPING, type Thread } from '../../src/replay/thread.ts'
import { selectCpu } from '../../src/replay/wake-selection.ts'
import { areWide, Wakees } from '../../src/replay/wakees.ts'
import { machine, schedulerOf, threadOn } from './cpus.ts'

/** Where a thread of CPU `cpu` goes that CPU `wakerCpu` wakes. */
function chosen(
  of: { readonly cpus: ReturnType<typeof machine>; readonly allowed?: readonly number[] },
  wake: {
    readonly cpu: number
    readonly wakerCpu?: number
    readonly recent?: number
    readonly scan?: number
    readonly load?: number
    readonly isWide?: boolean
  },
): number {
  const { cpus, threads } = of.cpus
  const thread = threadOn(wake.cpu, of.allowed ?? cpus.map(() => 1))
  thread.loadAvg = wake.load ?? 0
  thread.recentCpu = wake.recent ?? wake.cpu
  const wakerCpu = wake.wakerCpu ?? wake.cpu
  const { isWide = false, scan: idleScan = cpus.length } = wake
  return selectCpu(thread, { cpus, threads, now: 0, wakerCpu, isWide, idleScan }).index
}

describe('a woken thread', () => {
  it('stays on its CPU if that is idle', () => {
    const cpus = machine([1, 0], [0, 0], [0, 0])
    expect(chosen({ cpus }, { cpu: 1 })).toBe(1)
    expect(chosen({ cpus }, { cpu: 1, wakerCpu: 0 })).toBe(1)
  })

  it('looks for an idle CPU behind its own, over as many as a busy machine lets it', () => {
    const cpus = machine([1, 0], [1, 0], [1, 0], [0, 0])
    expect(chosen({ cpus }, { cpu: 1 })).toBe(3)
    expect(chosen({ cpus }, { cpu: 1, scan: 2 })).toBe(3)
    expect(chosen({ cpus }, { cpu: 1, scan: 1 })).toBe(1)
    expect(chosen({ cpus }, { cpu: 1, scan: 0 })).toBe(1)
  })

  it('goes to where it was before, idle, however busy the machine is', () => {
    expect(chosen({ cpus: machine([1, 0], [0, 0]) }, { cpu: 0, recent: 1, scan: 0 })).toBe(1)
  })

  it('is drawn to its waker from a CPU with more load, and not with load of its own from one with as much', () => {
    const cpus = machine([1, 0], [1, 2])
    expect(chosen({ cpus }, { cpu: 1, wakerCpu: 0 })).toBe(0)
    expect(chosen({ cpus }, { cpu: 1, wakerCpu: 0, isWide: true })).toBe(1)
    expect(chosen({ cpus: machine([1, 0], [1, 0]) }, { cpu: 1, wakerCpu: 0, load: 500 })).toBe(1)
    expect(chosen({ cpus, allowed: [0, 1] }, { cpu: 1, wakerCpu: 0 })).toBe(1)
  })

  it('goes to the shortest queue where its CPU was taken from it', () => {
    expect(chosen({ cpus: machine([1, 2], [1, 3], [1, 1]), allowed: [1, 0, 1] }, { cpu: 1 })).toBe(
      2,
    )
  })
})

describe('waker and wakee', () => {
  /** Who wakes so many in turns, a tenth of a second apart. */
  function waking(times: number, from = 0): Wakees {
    const wakees = new Wakees()
    const others = [threadOn(0, [1]), threadOn(0, [1])] as const
    for (let turn = 0; turn < times; turn++)
      wakees.record(others[turn & 1] as (typeof others)[0], from + turn * 100_000_000)
    return wakees
  }

  it('are wide where one wakes many more than the other, and that one some, for the CPUs that there are', () => {
    expect(areWide(waking(4), waking(2), 2)).toBe(true)
    expect(areWide(waking(2), waking(4), 2)).toBe(true)
    expect(areWide(waking(3), waking(2), 2)).toBe(false)
    expect(areWide(waking(9), waking(1), 2)).toBe(false)
    expect(areWide(waking(8), waking(2), 4)).toBe(false)
    expect(areWide(waking(10), waking(5), 4)).toBe(false)
  })

  it('forget by halves, and count no wake-up of the same one', () => {
    const wakees = waking(8)
    const [one, other] = [threadOn(0, [1]), threadOn(0, [1])]
    expect(wakees.flips).toBe(8)
    wakees.record(one, 900_000_000)
    wakees.record(one, 1_000_000_000)
    expect(wakees.flips).toBe(9)
    wakees.record(one, 1_000_000_001)
    expect(wakees.flips).toBe(4)
    wakees.record(other, 2_000_000_001)
    expect(wakees.flips).toBe(5)
  })
})

describe('a thread that is woken again and again from another CPU, its own being the busier one', () => {
  const ROUNDS = 20
  const ROUND_NS = 1_000_000

  /** Of its wake-ups after the first ones, how many find it drawn to its waker, who wakes others by turns with it or not. */
  function drawn(wakesOthers: 'by turns' | 'never'): number {
    const cpus = [0, 1, 2].map(() => ({ node: 0, speed: 1 }))
    const scheduler = schedulerOf(cpus)
    const add = (name: string, allowed: readonly number[], program: (self: Thread) => Steps) =>
      scheduler.add(
        {
          taskId: 0,
          tid: 0,
          name,
          kind: 'worker',
          node: 0,
          allowed: Uint8Array.from(allowed),
          hasMemory: false,
          memcg: rootMemcg(),
        },
        program,
      )
    const sleeper = (): Thread =>
      add('sleeper', [0, 0, 1], function* (self): Steps {
        for (;;) {
          scheduler.block(self, SLEEPING)
          yield
        }
      })
    const its = [sleeper(), sleeper(), sleeper(), sleeper()]
    const [one, other] = [sleeper(), sleeper()]
    for (const _ of [0, 1, 2])
      scheduler.start(
        add('busy', [0, 1, 0], function* (self): Steps {
          if (!scheduler.spend(self, 4 * ROUNDS * ROUND_NS)) yield
        }),
        0,
      )
    let count = 0
    const woken = add('woken', [1, 1, 0], function* (self): Steps {
      for (let round = 0; ; round++) {
        scheduler.block(self, SLEEPING)
        yield
        scheduler.wake(round % 2 === 0 ? one : other)
      }
    })
    woken.cpu = 1
    for (const each of [...its, one, other]) scheduler.start(each, 0)
    scheduler.start(woken, 0)
    scheduler.start(
      add('waker', [1, 0, 0], function* (self): Steps {
        if (!scheduler.spend(self, 30 * ROUND_NS)) yield
        for (let round = 0; round < ROUNDS; round++) {
          if (!scheduler.spend(self, ROUND_NS)) yield
          if (wakesOthers === 'by turns') for (const each of its) scheduler.wake(each)
          if (!scheduler.isBlocked(woken)) continue
          woken.cpu = 1
          scheduler.wake(woken)
          if (round >= ROUNDS / 2 && woken.cpu === 0) count++
        }
        scheduler.stopped = true
      }),
      0,
    )
    scheduler.run()
    return count
  }

  it('is drawn to it, unless the two of them wake many', () => {
    expect(drawn('never')).toBeGreaterThan(3)
    expect(drawn('by turns')).toBe(0)
  })
})
