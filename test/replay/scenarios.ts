import { Random } from '../../src/replay/random.ts'
import type { Workload } from '../../src/workload/types.ts'
import { plan, type Row } from './build.ts'

/** One application fills memory, then touches it at random, on two CPUs: costs as on a small emulated machine. */
export function pressure(
  options: {
    readonly pages?: number
    readonly touches?: number
    readonly cpus?: number
    readonly nodes?: number
    readonly tasks?: number
    readonly sleepNs?: number
    readonly seed?: number
    readonly lru?: 'classic' | 'mglru'
    readonly boost?: boolean
  } = {},
): Workload {
  const pages = options.pages ?? 12_000
  const touches = options.touches ?? 6000
  const count = options.tasks ?? 1
  const sleepNs = options.sleepNs ?? 2_500_000
  const random = new Random(options.seed ?? 3, 0)
  const share = Math.floor(pages / count)
  const tasks = Array.from({ length: count }, (_, task) => {
    const rows: Row[] = []
    const first = task * share
    for (let page = 0; page < share; page++) {
      rows.push({ op: 'alloc', cpuNs: 60_000, arg: first + page })
      if (page % 16 === 0) rows.push({ op: 'sleep', arg: sleepNs })
    }
    for (let touch = 0; touch < touches / count; touch++) {
      rows.push({ op: 'touch', cpuNs: 20_000, arg: first + random.below(share) })
      if (touch % 16 === 0) rows.push({ op: 'sleep', arg: sleepNs })
    }
    return { rows, hasMemory: true }
  })
  return plan({
    cpus: options.cpus ?? 2,
    nodes: options.nodes ?? 1,
    free: Math.floor(pages / 2 / (options.nodes ?? 1)),
    min: 134,
    low: 167,
    high: 200,
    pages,
    tasks,
    ...(options.lru === undefined ? {} : { lru: options.lru }),
    ...(options.boost === false ? {} : { boostStep: 256, boostMax: 300, boostEvery: 256 }),
    costs: {
      store: Array.from({ length: 997 }, () => 80_000 + random.below(80_000)),
      storeSame: 8000,
      unmap: 30_000,
      unmapRemote: 60_000,
      flushReceived: 80_000,
      scanKept: 3000,
      freeClean: 3000,
      batch: 10_000,
      slab: 20_000,
      directEntry: 20_000,
      swapIn: 60_000,
      push: 25_000,
      wake: 10_000,
      wakeLatency: 300_000,
      switch: 10_000,
    },
  })
}
