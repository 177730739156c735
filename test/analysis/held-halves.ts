import { describe, expect, it } from 'vitest'
import type { HalfRow } from '../../src/analysis/validate.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { halvesOf } from './halves.ts'

const SEEDS = 2
export const HELD = ['swapouts_per_s', 'allocstalls', 'stall_total'] as const

/** What no change may miss: a draw of a few seeds more than `pstrace validate` allows, which is not met everywhere. */
const LIMITS: Readonly<Record<(typeof HELD)[number], number>> = {
  swapouts_per_s: 0.1,
  allocstalls: 0.25,
  stall_total: 0.3,
}

interface HeldRecording {
  /** Below the folder of traces. */
  readonly folder: string
  /** More where few stalls make one run's answer a draw. */
  readonly seeds?: number
  /** In which the replay is better than both "nothing changes" and the open loop. */
  readonly better: readonly (typeof HELD)[number][]
}

/** Holds the second half of each recording to a replay with what the first half told. */
export function describeHalves(title: string, recordings: readonly HeldRecording[]): void {
  describe.skipIf(tracesFolder)('without real recordings', () => {
    it('no replay is compared with a recording: PSTRACE_TRACES is not set', () => {
      expect(tracesFolder).toBeUndefined()
    })
  })

  describe.runIf(tracesFolder)(title, () => {
    it.each(recordings)(
      'is replayed within tolerance from the first: $folder',
      async ({ folder, better, seeds = SEEDS }) => {
        const numbers = Array.from({ length: seeds }, (_, index) => index + 1)
        const rows = await halvesOf(tracesFolder ?? '', folder, numbers)
        for (const metric of HELD) {
          const { error = 1, recorded = 1 } = rows.get(metric) ?? {}
          const limit = metric === 'allocstalls' ? 3 / Math.sqrt(recorded) : 0
          expect(Math.abs(error), show(rows, metric)).toBeLessThan(Math.max(LIMITS[metric], limit))
        }
        for (const metric of better)
          expect(rows.get(metric)?.better_than_both, show(rows, metric)).toBe(true)
        expect(Math.abs(rows.get('kswapd_busy')?.error ?? 1)).toBeLessThan(0.15)
        expect(Math.abs(rows.get('pool_peak')?.error ?? 1)).toBeLessThan(0.1)
      },
    )
  })
}

function show(rows: ReadonlyMap<string, HalfRow>, metric: string): string {
  const row = rows.get(metric)
  return `${metric}: recorded ${row?.recorded}, replayed ${row?.replayed}, nothing changes ${row?.nothing_changes}, open loop ${row?.open_loop}`
}
