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
  /** Below the folder of traces. Repeats of one recording are held by their sums: figures of few stalls are a draw in each alone. */
  readonly folders: readonly string[]
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
      'is replayed within tolerance from the first: $folders.0',
      async ({ folders, better, seeds = SEEDS }) => {
        const numbers = Array.from({ length: seeds }, (_, index) => index + 1)
        const each: ReadonlyMap<string, HalfRow>[] = []
        for (const folder of folders) each.push(await halvesOf(tracesFolder ?? '', folder, numbers))
        const rows = toSums(each)
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

interface Sums {
  readonly recorded: number
  readonly replayed: number
  readonly nothing_changes: number
  readonly open_loop: number
  readonly error: number
  readonly better_than_both: boolean
}

/** By metric; of one recording its own row. */
function toSums(each: readonly ReadonlyMap<string, HalfRow>[]): ReadonlyMap<string, Sums> {
  const [first, ...others] = each
  if (first === undefined || others.length === 0) return first ?? new Map()
  const sums = new Map<string, Sums>()
  for (const metric of first.keys()) {
    const rows = each.flatMap((of) => of.get(metric) ?? [])
    const sum = (of: (row: HalfRow) => number): number =>
      rows.reduce((total, row) => total + of(row), 0)
    const recorded = sum((row) => row.recorded)
    const replayed = sum((row) => row.replayed)
    const nothing = sum((row) => row.nothing_changes)
    const open = sum((row) => row.open_loop)
    const error = replayed / recorded - 1
    const best = Math.min(Math.abs(nothing / recorded - 1), Math.abs(open / recorded - 1))
    sums.set(metric, {
      recorded,
      replayed,
      nothing_changes: nothing,
      open_loop: open,
      error,
      better_than_both: Math.abs(error) < best,
    })
  }
  return sums
}

function show(rows: ReadonlyMap<string, Sums>, metric: string): string {
  const row = rows.get(metric)
  return `${metric}: recorded ${row?.recorded}, replayed ${row?.replayed}, nothing changes ${row?.nothing_changes}, open loop ${row?.open_loop}`
}
