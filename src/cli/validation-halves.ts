import { toResult } from '../analysis/result.ts'
import { findTrace } from '../analysis/selection.ts'
import { HALF_LIMITS, type HalfRow, validateHalves } from '../analysis/validate.ts'
import type { Settings } from '../config/settings.ts'
import { Database } from '../database/database.ts'
import { extractWorkload } from '../workload/extract.ts'
import { printLine, printResult, printText, remark, toFormat } from './output.ts'
import { catalogOf } from './replay-runs.ts'
import { toSettings } from './settings.ts'
import type { ValidateOptions } from './validate.ts'
import { describeSeeds, REPLAYED, toSeeds, toShownResult, withReplayer } from './validation-runs.ts'

/** Costs and machine parameters come from this share of the work. */
const FIRST_HALF = 0.5

/** Predicts the second half of a recording with costs of the first, and prints what that misses. */
export async function runHalfValidation(options: ValidateOptions): Promise<void> {
  const settings = toSettings(options)
  const seeds = toSeeds(options.seeds)
  const database = await Database.open(settings.databasePath, { mode: 'read' })
  try {
    const trace = await findTrace(database.connection, await catalogOf(database), options.trace)
    const { policy, rows } = await halvesOf(database, trace.trace_id, seeds, settings)
    const isTable = toFormat(options) === 'table'
    if (isTable)
      await printText(
        `${trace.name}: second half of the work replayed under ${policy} with costs of the first half, ${describeSeeds(seeds)}; ${REPLAYED}; demand, page stream and touches are inputs\n`,
      )
    const whole = rows.map((row) => ({ ...row, policy, seeds, limits: HALF_LIMITS }))
    await printResult(
      isTable
        ? toShownResult(HALF_FIGURES, rows)
        : toResult([...HALF_FIGURES, ...HALF_GROUND], whole),
      options,
      settings,
    )
    if (isTable) await printGround(rows)
    remarkMisses(settings, rows)
  } finally {
    database.close()
  }
}

/** What the replay of a trace's second half misses, and the policy it was recorded under. */
export async function halvesOf(
  database: Database,
  traceId: number,
  seeds: readonly number[],
  settings: Settings,
): Promise<{ readonly policy: string; readonly rows: HalfRow[] }> {
  const extraction = await extractWorkload(database, traceId, { costsUntilShare: FIRST_HALF })
  const policy = extraction.workload.recordedPolicy.value
  const rows = await withReplayer(
    settings,
    { replays: seeds.length, recordedPolicy: policy },
    (replayer) => validateHalves(extraction, replayer, seeds),
  )
  return { policy, rows }
}

async function printGround(rows: readonly HalfRow[]): Promise<void> {
  await printLine('')
  await printText(
    `limits: ${HALF_LIMITS}; better than both: "nothing changes" and the open loop err more`,
  )
  for (const basis of new Set(rows.map((row) => row.basis))) await printText(basis)
}

function remarkMisses(settings: Settings, rows: readonly HalfRow[]): void {
  const metricsOf = (where: (row: HalfRow) => boolean): string =>
    rows
      .filter(where)
      .map(({ metric }) => metric)
      .join(', ')
  const missed = metricsOf(({ within }) => within === false)
  const beaten = metricsOf((row) => !row.better_than_both)
  remark(
    settings,
    missed === '' ? 'no metric misses its tolerance' : `misses its tolerance: ${missed}`,
  )
  if (beaten !== '') remark(settings, `no better than a null model: ${beaten}`)
}

/** Columns in the order in which they are read. */
const HALF_FIGURES = [
  { name: 'metric', type: 'text' },
  { name: 'unit', type: 'text' },
  { name: 'recorded', type: 'number' },
  { name: 'recorded_hi', type: 'number' },
  { name: 'replayed', type: 'number' },
  { name: 'lo', type: 'number' },
  { name: 'hi', type: 'number' },
  { name: 'error', type: 'number' },
  { name: 'tolerance', type: 'number' },
  { name: 'within', type: 'boolean' },
  { name: 'nothing_changes', type: 'number' },
  { name: 'nothing_changes_error', type: 'number' },
  { name: 'open_loop', type: 'number' },
  { name: 'open_loop_error', type: 'number' },
  { name: 'better_than_both', type: 'boolean' },
] as const satisfies readonly { readonly name: keyof HalfRow; readonly type: string }[]

/** What is the same in every row: for programs, which read rows one by one. */
const HALF_GROUND = [
  { name: 'trace', type: 'text' },
  { name: 'policy', type: 'text' },
  { name: 'seeds', type: 'json' },
  { name: 'limits', type: 'text' },
  { name: 'stolen_first_s', type: 'number' },
  { name: 'stolen_second_s', type: 'number' },
  { name: 'basis', type: 'text' },
] as const
