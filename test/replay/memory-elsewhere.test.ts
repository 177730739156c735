import { describe, expect, it } from 'vitest'
import { rootMemcg } from '../../src/replay/memcgs.ts'
import { dropMemory, holdsMemoryElsewhere } from '../../src/replay/memory-elsewhere.ts'
import type { Scheduler } from '../../src/replay/scheduler.ts'
import type { Steps } from '../../src/replay/steps.ts'
import type { Thread } from '../../src/replay/thread.ts'
import { schedulerOf } from './cpus.ts'

const KSWAPD = { name: 'kswapd', kind: 'kswapd', hasMemory: false, isProcess: false } as const
const APP = { name: 'app', kind: 'user', hasMemory: true, isProcess: true } as const
const SAMPLER = { name: 'sh', kind: 'background', hasMemory: false, isProcess: true } as const
const LOAD = { ...SAMPLER, name: 'kworker', isProcess: false } as const

const CPU = { node: 0, speed: 1 }

/** Each runs for 100 ns from its time on its CPU; `look` at 1000 ns in a kernel thread on CPU 0. */
function heldAfter(
  plans: readonly {
    readonly who: typeof APP | typeof SAMPLER | typeof LOAD
    readonly cpu: number
    readonly ns: number
  }[],
  look: (scheduler: Scheduler, self: Thread) => boolean,
): boolean {
  let seen = false
  const scheduler = schedulerOf([CPU, CPU])
  const add = (
    who: typeof KSWAPD | typeof APP | typeof SAMPLER | typeof LOAD,
    cpu: number,
    ns: number,
    program: (self: Thread) => Steps,
  ): void => {
    const allowed = Uint8Array.from([0, 1], (other) => (other === cpu ? 1 : 0))
    const identity = { taskId: ns, tid: ns, node: 0, allowed, memcg: rootMemcg() }
    scheduler.start(scheduler.add({ ...who, ...identity }, program), ns)
  }
  for (const { who, cpu, ns } of plans)
    add(who, cpu, ns, function* (self) {
      if (!scheduler.spend(self, 100)) yield
    })
  // biome-ignore lint/correctness/useYield: it is a program that ends at once
  add(KSWAPD, 0, 1000, function* (self) {
    seen = look(scheduler, self)
  })
  scheduler.run()
  return seen
}

const isHeld = (scheduler: Scheduler, self: Thread): boolean =>
  holdsMemoryElsewhere(scheduler.cpus, self)

describe('page tables', () => {
  it('stay loaded on a CPU that idles or runs a kernel thread, and make way for those of a process', () => {
    const app = { who: APP, cpu: 1, ns: 10 }
    expect(heldAfter([], isHeld)).toBe(false)
    expect(heldAfter([app], isHeld)).toBe(true)
    expect(heldAfter([app, { who: LOAD, cpu: 1, ns: 300 }], isHeld)).toBe(true)
    expect(heldAfter([app, { who: SAMPLER, cpu: 1, ns: 300 }], isHeld)).toBe(false)
  })

  it("on the thread's own CPU are none elsewhere, and go when it drops them", () => {
    expect(heldAfter([{ who: APP, cpu: 0, ns: 10 }], isHeld)).toBe(false)
    expect(
      heldAfter([{ who: APP, cpu: 0, ns: 10 }], (scheduler, self) => {
        const before = scheduler.cpus[0]?.holdsMemory === true
        dropMemory(scheduler.cpus, self)
        return before && scheduler.cpus[0]?.holdsMemory === false
      }),
    ).toBe(true)
  })
})
