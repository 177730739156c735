import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { extractWorkload } from '../../src/workload/extract.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { openRecordings } from './recordings.ts'

describe.skipIf(tracesFolder)('without real recordings', () => {
  it('no recording of several nodes is read: PSTRACE_TRACES is not set', () => {
    expect(tracesFolder).toBeUndefined()
  })
})

describe.runIf(tracesFolder)('a recording of two nodes', () => {
  it('begins with what counters and samples leave room for on each', async () => {
    const { close, database, traceIds } = await openRecordings([
      join(tracesFolder ?? '', 'captured/zram-zstd-6.12-numa2'),
    ])
    const { workload } = await extractWorkload(database, traceIds[0] ?? 0)
    close()
    const { machine, pages } = workload
    const free = machine.nodes.map(({ freeAtStart }) => freeAtStart.value)
    // samples.tsv 10 ms before node 0's kswapd is woken, and 91 ms later; node 1's is woken after 277 ms.
    expect(free.reduce((sum, value) => sum + value, 0)).toBeGreaterThan(9375)
    expect(free.reduce((sum, value) => sum + value, 0)).toBeLessThan(15597)
    expect(free[0]).toBeLessThan(1500)
    const resident = [0, 0]
    pages.residentAtStart.forEach((isThere, page) => {
      const node = pages.node[page] ?? 0
      if (isThere === 1) resident[node] = (resident[node] ?? 0) + 1
    })
    // zoneinfo.after, which was read while the workload held its memory: 44.6 k and 54.1 k free, on the LRU and in zspages.
    expect((resident[0] ?? 0) + (free[0] ?? 0)).toBeGreaterThan(0.9 * 44555)
    expect((resident[0] ?? 0) + (free[0] ?? 0)).toBeLessThan(1.1 * 44555)
    expect((resident[1] ?? 0) + (free[1] ?? 0)).toBeGreaterThan(0.9 * 54085)
    expect((resident[1] ?? 0) + (free[1] ?? 0)).toBeLessThan(1.1 * 54085)
  })
})
