import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { HELD } from '../../src/analysis/validate.ts'
import type { ValidatedName } from '../../src/analysis/validate-figures.ts'
import { toSettings } from '../../src/cli/settings.ts'
import { halvesOf } from '../../src/cli/validation-halves.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { openRecordings } from '../workload/recordings.ts'
import { type BenchRow, median } from './row.ts'

const METRICS = Object.keys(HELD) as ValidatedName[]

/** One seed alone may be off by as much as is allowed: their median is judged. */
const SEEDS = [1, 2, 3, 4, 5]

/** Errors of replays of second halves over what is allowed: the worst recording and the one in the middle, as `pstrace validate` has them. */
export async function bench(): Promise<BenchRow[]> {
  if (tracesFolder === undefined) {
    console.log('validate: PSTRACE_TRACES is not set, no replay is compared with a recording')
    return []
  }
  const captured = join(tracesFolder, 'captured')
  const settings = toSettings({ quiet: true, progress: 'none' })
  const found: { readonly folder: string; readonly errors: Map<string, [number, number]> }[] = []
  for (const folder of readdirSync(captured).sort()) {
    const { database, traceIds, close } = await openRecordings([join(captured, folder)])
    try {
      const { rows } = await halvesOf(database, traceIds[0] ?? 0, SEEDS, settings)
      const errors = new Map<string, [number, number]>()
      for (const metric of METRICS) {
        const row = rows.find((each) => each.metric === metric)
        const allowed = row && HELD[metric]?.(row.recorded)
        if (row === undefined || allowed === undefined) continue
        const error = Math.abs(row.replayed / row.recorded - 1)
        errors.set(metric, [error, allowed])
      }
      found.push({ folder, errors })
    } finally {
      close()
    }
  }
  return METRICS.flatMap((metric) => {
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
