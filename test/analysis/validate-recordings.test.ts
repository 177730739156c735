import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type HalfRow, validateHalves } from '../../src/analysis/validate.ts'
import { openBackend } from '../../src/memory/backends/index.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { calibrate, createGenerator } from '../../src/memory/contents/index.ts'
import { openPool } from '../../src/memory/pools/index.ts'
import { findPolicy } from '../../src/policies/index.ts'
import { replay } from '../../src/replay/replay.ts'
import { extractWorkload } from '../../src/workload/extract.ts'
import { openRecordings, tracesFolder } from '../workload/recordings.ts'

const TIMEOUT = 300_000
const SEEDS = [1, 2]
/** zsmalloc's pages hold this much of what is stored in them. */
const POOL_FILL = 0.98

/** The second half of a recording, replayed with costs of the first on zram with pages that take as much of the pool as recorded. */
async function halvesOf(folder: string): Promise<Map<string, HalfRow>> {
  const opened = await openRecordings([join(tracesFolder ?? '', folder)])
  try {
    const extraction = await extractWorkload(opened.database, opened.traceIds[0] ?? 0, {
      costsUntilShare: 0.5,
    })
    const { pages, machine } = extraction.workload
    const policy = findPolicy('kswapd')
    if (policy === undefined) throw new Error('the policy kswapd is missing')
    // Sizes alone count here, and lz4 gives the same sizes per seed fastest.
    const codec = await openCodec('lz4', { pageSize: machine.pageSize })
    const perPage = Number(machine.backendParameters['poolPagesPerStoredPage']?.value)
    // What memory loses per stored page holds the kernel's records too, which the replay charges by itself.
    const recordsPerPage = machine.recordPagesPerSlot?.value ?? 0
    const rows = await validateHalves(
      extraction,
      ({ workload, seed, demandScale, sink }) =>
        replay(workload, {
          policy,
          backend: openBackend('zram', {
            codec,
            openPool,
            pageSize: machine.pageSize,
            totalPages: machine.nodes.reduce((sum, { totalPages }) => sum + totalPages, 0),
            nodes: machine.nodes.length,
            parameters: {},
          }),
          contents: createGenerator({
            seed,
            pageSize: machine.pageSize,
            fills: pages.fill,
            ...calibrate({
              codec: 'lz4',
              meanStoredBytes: (perPage * POOL_FILL - recordsPerPage) * machine.pageSize,
            }),
          }),
          seed,
          demandScale,
          sink,
        }),
      SEEDS,
    )
    return new Map(rows.map((row) => [row.metric, row]))
  } finally {
    opened.close()
  }
}

function show(rows: ReadonlyMap<string, HalfRow>, metric: string): string {
  const row = rows.get(metric)
  return `${metric}: recorded ${row?.recorded}, replayed ${row?.replayed}, nothing changes ${row?.nothing_changes}, open loop ${row?.open_loop}`
}

describe.skipIf(tracesFolder)('without real recordings', () => {
  it('no replay is compared with a recording: PSTRACE_TRACES is not set', () => {
    expect(tracesFolder).toBeUndefined()
  })
})

describe.runIf(tracesFolder)('the second half of a recording', () => {
  it(
    'with busy CPUs is replayed within a third in allocation stalls and within tolerance else, better than by either null model',
    async () => {
      const rows = await halvesOf('pairs/fixed-work/busy-1/sync')
      for (const metric of ['swapouts_per_s', 'stall_total'] as const)
        expect(rows.get(metric)?.within, show(rows, metric)).toBe(true)
      const stalls = Math.abs(rows.get('allocstalls')?.error ?? 1)
      expect(stalls, show(rows, 'allocstalls')).toBeLessThan(1 / 3)
      for (const metric of ['swapouts_per_s', 'allocstalls'] as const)
        expect(rows.get(metric)?.better_than_both, show(rows, metric)).toBe(true)
      expect(Math.abs(rows.get('kswapd_busy')?.error ?? 1)).toBeLessThan(0.15)
      expect(Math.abs(rows.get('pool_peak')?.error ?? 1)).toBeLessThan(0.05)
    },
    TIMEOUT,
  )

  // The watermark boosts of an idle machine's touch phase are fewer in the replay than recorded: stalls and their time fall short.
  it(
    'with idle CPUs keeps rate, share of kswapd and pool within tolerance, the rate better than by either null model',
    async () => {
      const rows = await halvesOf('pairs/fixed-work/idle-1/sync')
      expect(rows.get('swapouts_per_s')?.within, show(rows, 'swapouts_per_s')).toBe(true)
      expect(rows.get('swapouts_per_s')?.better_than_both).toBe(true)
      expect(Math.abs(rows.get('kswapd_busy')?.error ?? 1)).toBeLessThan(0.15)
      expect(Math.abs(rows.get('pool_peak')?.error ?? 1)).toBeLessThan(0.05)
    },
    TIMEOUT,
  )

  it(
    'of zram-lz4-6.1 has as many stalls as recorded, though its host was faster than in the first half',
    async () => {
      const rows = await halvesOf('captured/zram-lz4-6.1')
      expect(rows.get('allocstalls')?.within, show(rows, 'allocstalls')).toBe(true)
      for (const metric of ['allocstalls', 'stall_total'] as const)
        expect(rows.get(metric)?.better_than_both, show(rows, metric)).toBe(true)
    },
    TIMEOUT,
  )
})
