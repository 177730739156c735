import { describe, expect, it } from 'vitest'
import { kswapd } from '../../src/policies/kswapd.ts'
import { replay } from '../../src/replay/replay.ts'
import { CountingBackend, plainContents, plan, type Row } from './build.ts'
import { RowCollector } from './rows.ts'

const PAGES = 400
const BEFORE = 320

/** Anonymous pages, more than there is memory for: the last ones are allocated after `used`. */
function run(used: readonly Row[]) {
  const alloc = (from: number, to: number): Row[] =>
    Array.from({ length: to - from }, (_, k) => ({ op: 'alloc', cpuNs: 20_000, arg: from + k }))
  const rows = new RowCollector()
  const { halfNs } = replay(
    plan({
      ...{ free: 300, min: 20, low: 30, high: 40, managed: 1000, pages: PAGES },
      tasks: [{ rows: [...alloc(0, BEFORE), ...used, ...alloc(BEFORE, PAGES)] }],
      costs: { store: 30_000, unmap: 5000, scanKept: 1000, swapIn: 5000, fault: 1000 },
    }),
    { policy: kswapd, backend: new CountingBackend(), contents: plainContents, sink: rows.sink },
  )
  const sum = (name: string) => rows.numbers('shrink_batches', name).reduce((a, b) => a + b, 0)
  return {
    halfNs,
    kept: sum('nr_taken') - sum('nr_reclaimed'),
    swapIns: rows.numbers('swapins', 'page_id'),
  }
}

const references = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, k) => ({ op: 'reference', arg: from + k }))

describe('touches that no event tells of', () => {
  const untouched = run([])
  const touched = run(references(0, BEFORE))

  it('keep a page in memory when reclaim comes to it', () => {
    expect(touched.kept).toBeGreaterThan(untouched.kept + 200)
  })

  it('bring back what is out in this run, and nothing else', () => {
    const [first, last] = [0, BEFORE - 1]
    expect(untouched.swapIns).toEqual([])
    expect(run(references(first, first + 1)).swapIns).toEqual([first + 1])
    expect(run(references(last, last + 1)).swapIns).toEqual([])
  })

  it('are no work: half of it is done when it is without them', () => {
    expect(run(references(0, 1)).halfNs).toBe(untouched.halfNs)
    expect(touched.halfNs).toBe(untouched.halfNs)
  })
})
