import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { halvesOf } from '../analysis/halves.ts'
import { tracesFolder } from '../workload/recordings.ts'
import { type BenchRow, median } from './row.ts'

const RECORDINGS = [
  'captured/zram-lz4-6.1',
  'captured/zram-lzorle-6.1',
  'captured/zram-lz4-6.12',
  'captured/zram-lz4-6.12-alloc',
  'captured/zram-zstd-6.12-numa2',
  ...['idle', 'busy', 'mglru'].map((regime) => `pairs/fixed-work/${regime}-1/sync`),
]

/** What the replay of a recording's second half may miss, as shares; counts by their chance where that is more. */
const HELD: readonly {
  readonly metric: string
  readonly tolerance: (recorded: number) => number
}[] = [
  { metric: 'swapouts_per_s', tolerance: () => 0.1 },
  { metric: 'allocstalls', tolerance: (recorded) => Math.max(0.2, 3 / Math.sqrt(recorded)) },
  { metric: 'stall_total', tolerance: () => 0.25 },
  { metric: 'kswapd_busy', tolerance: () => 0.15 },
  { metric: 'pool_peak', tolerance: () => 0.05 },
]

/** Errors of replays of second halves over what is allowed: the worst recording and the one in the middle, one seed. */
export async function bench(): Promise<BenchRow[]> {
  if (tracesFolder === undefined) {
    console.log('validate: PSTRACE_TRACES is not set, no replay is compared with a recording')
    return []
  }
  const found: { readonly folder: string; readonly errors: Map<string, [number, number]> }[] = []
  for (const folder of RECORDINGS) {
    if (!existsSync(join(tracesFolder, folder))) continue
    const rows = await halvesOf(tracesFolder, folder, [1])
    const errors = new Map<string, [number, number]>()
    for (const { metric, tolerance } of HELD) {
      const row = rows.get(metric)
      if (row !== undefined) errors.set(metric, [Math.abs(row.error), tolerance(row.recorded)])
    }
    found.push({ folder, errors })
  }
  return HELD.flatMap(({ metric }) => {
    const all = found.flatMap(({ folder, errors }) => {
      const [error, allowed] = errors.get(metric) ?? []
      return error === undefined || allowed === undefined ? [] : [{ folder, error, allowed }]
    })
    const ratios = all.map(({ error, allowed }) => error / allowed)
    const worst = all[ratios.indexOf(Math.max(...ratios))]
    if (worst === undefined) return []
    const common = {
      peerName: 'allowed',
      unit: '%',
      better: 'lower',
      spread: 0,
      n: all.length,
      goal: 1,
    } as const
    const middle = median(ratios)
    return [
      {
        ...common,
        name: `validate, second half, ${metric}: worst recording (${worst.folder})`,
        ours: worst.error * 100,
        peer: worst.allowed * 100,
        ratio: worst.error / worst.allowed,
      },
      {
        ...common,
        name: `validate, second half, ${metric}: median recording`,
        ours: median(all.map(({ error }) => error)) * 100,
        peer: median(all.map(({ allowed }) => allowed)) * 100,
        ratio: middle,
      },
    ]
  })
}
