import { describe, expect, it } from 'vitest'
import { estimateUtil, estimateUtilUnlessWaited } from '../../src/replay/load-signals.ts'
import type { Thread } from '../../src/replay/thread.ts'
import { threadOn } from './cpus.ts'

function slept(utilEst: number, utilAvg: number, loadAvg = utilAvg): Thread {
  return Object.assign(threadOn(0, [1]), { utilEst, utilAvg, loadAvg })
}

describe('what a thread is expected to use', () => {
  it.each([estimateUtil, estimateUtilUnlessWaited])(
    '%o rises at once and falls by a quarter',
    (estimate) => {
      const more = slept(200, 600)
      estimate(more)
      expect(more.utilEst).toBe(600)
      const less = slept(600, 200)
      estimate(less)
      expect(less.utilEst).toBe(500)
      // A hundredth is no difference.
      const same = slept(600, 591)
      estimate(same)
      expect(same.utilEst).toBe(600)
    },
  )

  it('does not fall since 6.8 where the thread had to wait for its CPU', () => {
    const waited = slept(600, 200, 211)
    estimateUtilUnlessWaited(waited)
    expect(waited.utilEst).toBe(600)
    estimateUtil(waited)
    expect(waited.utilEst).toBe(500)
    const grown = slept(600, 700, 900)
    estimateUtilUnlessWaited(grown)
    expect(grown.utilEst).toBe(700)
  })
})
