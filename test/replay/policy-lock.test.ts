import { describe, expect, it } from 'vitest'
import { rootMemcg } from '../../src/replay/memcgs.ts'
import { PolicyLock } from '../../src/replay/policy-lock.ts'
import type { Scheduler } from '../../src/replay/scheduler.ts'
import type { Steps } from '../../src/replay/steps.ts'
import { SLEEPING, type Thread } from '../../src/replay/thread.ts'
import { schedulerOf } from './cpus.ts'

const WAKE_NS = 300
const ONE_NODE = { node: 0, speed: 1 }

type Play = (self: Thread, lock: PolicyLock, scheduler: Scheduler) => Steps

/** Threads that start at their times, each on its CPU. */
function run(
  kind: 'mutex' | 'spinlock',
  plays: readonly {
    readonly name: string
    readonly cpu: number
    readonly startNs: number
    readonly program: Play
  }[],
): void {
  const cpus = Math.max(...plays.map(({ cpu }) => cpu)) + 1
  const scheduler = schedulerOf(Array<typeof ONE_NODE>(cpus).fill(ONE_NODE), WAKE_NS)
  const lock = new PolicyLock('tried', kind, scheduler)
  plays.forEach(({ name, cpu, startNs, program }, index) => {
    const thread = scheduler.add(
      {
        taskId: index,
        tid: index,
        name,
        kind: 'worker',
        node: 0,
        allowed: Uint8Array.from({ length: cpus }, (_, at) => (at === cpu ? 1 : 0)),
        hasMemory: false,
        memcg: rootMemcg(),
      },
      (self) => program(self, lock, scheduler),
    )
    scheduler.start(thread, startNs)
  })
  scheduler.run()
}

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
  run(
    kind,
    plans.map(({ name, startNs, holds, betweenNs, sleepsNs = 0 }, cpu) => ({
      name,
      cpu,
      startNs,
      *program(self, lock, scheduler): Steps {
        for (const hold of holds) {
          while (!lock.takeOrWait(self)) yield
          log.push(`${scheduler.now} ${name}`)
          if (sleepsNs > 0) {
            scheduler.sleepUntil(self, scheduler.now + sleepsNs, SLEEPING)
            yield
          }
          if (!scheduler.spend(self, hold)) yield
          expect(lock.release(self)).toBe(true)
          if (!scheduler.spend(self, betweenNs)) yield
        }
      },
    })),
  )
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

  /** Takes the lock and gives it back for each part: works, sleeps, works with it. */
  const holding = (
    parts: readonly (readonly [workNs: number, sleepNs: number, workNs: number])[],
    onTaken: (now: number) => void = () => {},
  ): Play =>
    function* (self, lock, scheduler) {
      for (const [before, sleepNs, after] of parts) {
        while (!lock.takeOrWait(self)) yield
        onTaken(scheduler.now)
        if (before > 0 && !scheduler.spend(self, before)) yield
        if (sleepNs > 0) {
          scheduler.sleepUntil(self, scheduler.now + sleepNs, SLEEPING)
          yield
        }
        if (after > 0 && !scheduler.spend(self, after)) yield
        lock.release(self)
      }
    }

  it('is slept for as soon as its owner has left its CPU, by those who had spun for it', () => {
    let waiter: Thread | undefined
    const blocked: boolean[] = []
    run('mutex', [
      { name: 'kswapd', cpu: 0, startNs: 0, program: holding([[500, 1000, 100]]) },
      {
        name: 'worker',
        cpu: 1,
        startNs: 100,
        *program(self, lock) {
          waiter = self
          while (!lock.takeOrWait(self)) yield
        },
      },
      {
        name: 'watch',
        cpu: 2,
        startNs: 200,
        *program(self, _lock, scheduler) {
          // kswapd works from 300 to 800, sleeps until 1800, is up again at 2100.
          for (const ns of [200, 200, 700]) {
            if (!scheduler.spend(self, ns)) yield
            blocked.push(scheduler.isBlocked(waiter as Thread))
          }
        },
      },
    ])
    expect(blocked).toEqual([false, true, true])
  })

  it('is slept for by who had to give up its CPU while it spun, though its owner runs on', () => {
    const MS = 1e6
    let rivalEndNs = 0
    let takenNs = 0
    run('mutex', [
      { name: 'kswapd', cpu: 0, startNs: 0, program: holding([[40 * MS, 0, 0]]) },
      {
        name: 'worker',
        cpu: 1,
        startNs: 100,
        program: holding([[10, 0, 0]], (now) => {
          takenNs = now
        }),
      },
      {
        name: 'rival',
        cpu: 1,
        startNs: 200,
        *program(self, _lock, scheduler) {
          if (!scheduler.spend(self, 20 * MS)) yield
          rivalEndNs = scheduler.now
        },
      },
    ])
    // A slice of 3 ms ends at a tick, and those are 4 ms apart; spun for to the end, the lock would cost the rival half of its CPU.
    expect(rivalEndNs).toBeLessThan(28.1 * MS)
    expect(takenNs).toBe(40 * MS + 2 * WAKE_NS)
  })

  it('wakes its first sleeper when a spinner gets it, who then is promised it, but nobody after', () => {
    const order: string[] = []
    const holder = (
      name: string,
      cpu: number,
      startNs: number,
      part: readonly [workNs: number, sleepNs: number, workNs: number],
    ) => ({ name, cpu, startNs, program: holding([part], () => order.push(name)) })
    run('mutex', [
      holder('owner', 0, 0, [0, 1000, 500]),
      // Comes while the owner sleeps.
      holder('sleeper', 1, 500, [0, 1000, 500]),
      // Come while it runs: the first of them gets it, and the sleeper is woken in vain.
      holder('spinner', 2, 1700, [2000, 0, 0]),
      holder('sleeper again', 3, 3000, [100, 0, 0]),
      // Finds the first sleeper at work, whose promise was its own.
      holder('spinner again', 4, 5300, [100, 0, 0]),
    ])
    expect(order).toEqual(['owner', 'spinner', 'sleeper', 'spinner again', 'sleeper again'])
  })

  it('is slept for by those who spin when it is handed to a sleeper that is not up yet', () => {
    let spinner: Thread | undefined
    const log: string[] = []
    const taken = (name: string) => (now: number) => {
      log.push(`${now} ${name}`)
    }
    run('mutex', [
      {
        name: 'kswapd',
        cpu: 0,
        startNs: 0,
        program: holding(
          [
            [0, 1000, 10],
            [0, 1000, 500],
          ],
          taken('kswapd'),
        ),
      },
      // Asleep from 350 on, woken in vain at 1610, promised and asleep again at 1910, handed it at 3410.
      { name: 'sleeper', cpu: 1, startNs: 50, program: holding([[10, 0, 0]], taken('sleeper')) },
      {
        name: 'spinner',
        cpu: 2,
        startNs: 2800,
        *program(self, lock, scheduler) {
          spinner = self
          while (!lock.takeOrWait(self)) yield
          log.push(`${scheduler.now} spinner`)
        },
      },
      {
        name: 'watch',
        cpu: 3,
        startNs: 2800,
        *program(self, _lock, scheduler) {
          for (const ns of [200, 250]) {
            if (!scheduler.spend(self, ns)) yield
            log.push(
              `${scheduler.now} ${scheduler.isBlocked(spinner as Thread) ? 'sleeps' : 'spins'}`,
            )
          }
        },
      },
    ])
    expect(log).toEqual([
      '300 kswapd',
      '1610 kswapd',
      '3300 spins',
      '3550 sleeps',
      '3710 sleeper',
      '4020 spinner',
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
