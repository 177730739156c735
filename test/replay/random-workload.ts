import { Random } from '../../src/replay/random.ts'
import type { Workload } from '../../src/workload/types.ts'
import { plan, type Row } from './build.ts'

export interface RandomShape {
  readonly seed: number
  readonly cpus: number
  readonly tasks: number
  readonly free: number
  readonly preemptible: boolean
  readonly lru: 'classic' | 'mglru'
  /** Pages come back, are given back, and go with their task; default: they do. */
  readonly returns?: boolean
}

const PAGES = 360
const ROWS = 500

/** Tasks that allocate, touch, read files, give back and sleep as they please on a machine with little memory. */
export function randomWorkload(shape: RandomShape): Workload {
  const { cpus, free, lru, preemptible, returns = true } = shape
  const random = new Random(shape.seed, 0)
  const draw = (bound: number): number => random.below(bound)
  const mine = Math.floor(PAGES / shape.tasks)
  const tasks = Array.from({ length: shape.tasks }, (_, task) => {
    const rows: Row[] = []
    let allocated = 0
    for (let row = 0; row < ROWS; row++) {
      const cpuNs = draw(40_000)
      const pick = draw(20)
      if (pick < 8 && allocated < mine)
        rows.push({ op: 'alloc', cpuNs, arg: task * mine + allocated++ })
      else if (pick < 10) rows.push({ op: 'alloc', cpuNs, arg: -1 })
      else if (pick < 16 && allocated > 0 && returns)
        rows.push({ op: 'touch', cpuNs, arg: task * mine + draw(allocated) })
      else if (pick < 17) rows.push({ op: 'file', cpuNs, arg: 1 + draw(8) })
      else if (pick < 18 && returns) rows.push({ op: 'free', cpuNs, arg: draw(6) })
      else rows.push({ op: 'sleep', cpuNs, arg: draw(500_000) })
    }
    if (draw(2) === 0 && returns) rows.push({ op: 'exit' })
    return { rows, hasMemory: true }
  })
  return plan({
    cpus,
    free: free + 60,
    min: 20,
    low: 30,
    high: 40,
    pages: PAGES,
    tasks,
    lru,
    preemptible,
    dirtied: draw(3) / 2,
    boostStep: 32,
    boostMax: 48,
    boostEvery: 16,
    costs: {
      store: [20_000, 50_000, 90_000],
      storeSame: 3000,
      unmap: 9000,
      unmapRemote: 15_000,
      flushReceived: 20_000,
      scanKept: 900,
      freeClean: 700,
      batch: 3000,
      slab: 5000,
      directEntry: 4000,
      swapIn: 20_000,
      push: draw(5000),
      wake: draw(5000),
      wakeLatency: draw(100_000),
      switch: draw(5000),
    },
  })
}
