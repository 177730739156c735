import { describe, expect, it } from 'vitest'
import { rootMemcg } from '../../src/replay/memcgs.ts'
import { PolicyLock } from '../../src/replay/policy-lock.ts'
import { Scheduler } from '../../src/replay/scheduler.ts'
import type { Steps } from '../../src/replay/steps.ts'
import type { Thread } from '../../src/replay/thread.ts'

const WAKE_NS = 300
const ONE_NODE = { node: 0, speed: 1 }

/** Each thread on a CPU of its own: starts at its first time, holds the lock for each of `holds` ns, works `betweenNs` after each. */
function play(
  kind: 'mutex' | 'spinlock',
  plans: readonly {
    readonly name: string
    readonly startNs: number
    readonly holds: readonly number[]
    readonly betweenNs: number
    /** Sleeps with the lock held: who waits meanwhile sleeps too. */
    readonly sleepsNs?: number
  }[],
): readonly string[] {
  const log: string[] = []
  const scheduler = new Scheduler(
    plans.map(() => ONE_NODE),
    {
      onInterval() {},
      onMoment() {},
      onWake() {},
      onState() {},
      onIdle() {},
      onSwitch() {},
      wakeLatency: () => WAKE_NS,
      switchCost: () => 0,
      random: () => 0,
    },
  )
  const lock = new PolicyLock('tried', kind, scheduler)
  plans.forEach(({ name, startNs, holds, betweenNs, sleepsNs = 0 }, index) => {
    const allowed = Uint8Array.from(plans, (_plan, cpu) => (cpu === index ? 1 : 0))
    const thread = scheduler.add(
      {
        taskId: index,
        tid: index,
        name,
        kind: 'worker',
        node: 0,
        allowed,
        hasMemory: false,
        memcg: rootMemcg(),
      },
      function* (self: Thread): Steps {
        for (const hold of holds) {
          while (!lock.takeOrWait(self)) yield
          log.push(`${scheduler.now} ${name}`)
          if (sleepsNs > 0) {
            scheduler.sleepUntil(self, scheduler.now + sleepsNs, 2)
            yield
          }
          if (!scheduler.spend(self, hold)) yield
          expect(lock.release(self)).toBe(true)
          if (!scheduler.spend(self, betweenNs)) yield
        }
      },
    )
    scheduler.start(thread, startNs)
  })
  scheduler.run()
  return log
}

const FREQUENT = { name: 'kswapd', startNs: 0, holds: [100, 100, 100, 100], betweenNs: 20 }

describe('a mutex', () => {
  it('goes to the one who spins for it while its owner runs', () => {
    expect(
      play('mutex', [FREQUENT, { name: 'worker', startNs: 10, holds: [10], betweenNs: 0 }]),
    ).toEqual(['300 kswapd', '400 worker', '420 kswapd', '540 kswapd', '660 kswapd'])
  })

  it('is taken again by its owner before the sleeper that it woke is up, who then gets it next', () => {
    // The owner sleeps for 1000 ns each time, so the worker sleeps too; its wake-up takes longer than the owner stays away.
    const log = play('mutex', [
      { ...FREQUENT, sleepsNs: 1000 },
      { name: 'worker', startNs: 10, holds: [10], betweenNs: 0 },
    ])
    expect(log.map((line) => line.split(' ')[1])).toEqual([
      'kswapd',
      'kswapd',
      'worker',
      'kswapd',
      'kswapd',
    ])
  })
})

it('a spinlock goes round in the order of arrival', () => {
  const each = { holds: [50, 50], betweenNs: 0 }
  const log = play('spinlock', [
    { name: 'a', startNs: 0, ...each },
    { name: 'b', startNs: 1, ...each },
    { name: 'c', startNs: 2, ...each },
  ])
  expect(log.map((line) => line.split(' ')[1])).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
})
