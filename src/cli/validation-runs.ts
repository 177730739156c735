import { toResult } from '../analysis/result.ts'
import { findTrace } from '../analysis/selection.ts'
import {
  HALF_LIMITS,
  type HalfRow,
  type PolicyRow,
  type Replayer,
  validateHalves,
  validatePolicy,
} from '../analysis/validate.ts'
import { resolveReplay } from '../config/replay.ts'
import type { Settings } from '../config/settings.ts'
import { Database } from '../database/database.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { replay } from '../replay/replay.ts'
import { type Extraction, extractWorkload } from '../workload/extract.ts'
import type { Workload } from '../workload/types.ts'
import { usageError } from './failure.ts'
import { runInterruptibly, throwIfInterrupted } from './interrupt.ts'
import { printLine, printResult, remark, toFormat } from './output.ts'
import { startProgress } from './progress.ts'
import { catalogOf } from './replay-runs.ts'
import { calibratedGenerator, POOL_FILL } from './run-contents.ts'
import { checkRequest, openResources, planRuns } from './run-plan.ts'
import { toSettings } from './settings.ts'
import { HALF_COLUMNS, POLICY_COLUMNS, type ValidateOptions } from './validate.ts'

/** Costs and machine parameters of the half-and-half validation come from this share of the work. */
const FIRST_HALF = 0.5

export async function runValidation(
  a: string | undefined,
  b: string | undefined,
  options: ValidateOptions,
): Promise<void> {
  const settings = toSettings(options)
  const count = Number(options.seeds)
  if (!(Number.isInteger(count) && count >= 1 && count <= 1000))
    throw usageError(`--seeds ${options.seeds}: expected a whole number from 1 to 1000`)
  const seeds = Array.from({ length: count }, (_, index) => index + 1)
  const { policy, set } = options
  if (policy !== undefined)
    checkRequest(resolveReplay({ policy: [policy], ...(set === undefined ? {} : { set }) }))
  const database = await Database.open(settings.databasePath, { mode: 'read' })
  try {
    if (a === undefined || b === undefined || options.policy === undefined)
      await validateOne(database, seeds, options, settings)
    else await validateTwo(database, a, b, options.policy, seeds, options, settings)
  } finally {
    database.close()
  }
}

async function validateOne(
  database: Database,
  seeds: readonly number[],
  options: ValidateOptions,
  settings: Settings,
): Promise<void> {
  const trace = await findTrace(database.connection, await catalogOf(database), options.trace)
  const { policy, rows } = await halvesOf(database, trace.trace_id, seeds, settings, options)
  if (toFormat(options) === 'table')
    await printLine(
      `${trace.name}: second half of the work replayed under ${policy} with costs of the first half, ${seeds.length} seeds; demand, page stream and touches are inputs, contents from a generator calibrated to the pool's growth; limits: ${HALF_LIMITS}\n`,
    )
  await printResult(
    toResult(
      [...HALF_COLUMNS],
      rows.map((row) => ({ ...row })),
    ),
    options,
    settings,
  )
  const missed = rows.filter(({ within }) => within === false).map(({ metric }) => metric)
  const beaten = rows.filter(({ better_than_both: better }) => !better).map(({ metric }) => metric)
  remark(
    settings,
    missed.length === 0
      ? 'no metric misses its tolerance'
      : `misses its tolerance: ${missed.join(', ')} (limits: ${HALF_LIMITS})`,
  )
  if (beaten.length > 0) remark(settings, `no better than a null model: ${beaten.join(', ')}`)
}

/** What the replay of a trace's second half misses, and the policy it was recorded under. */
export async function halvesOf(
  database: Database,
  traceId: number,
  seeds: readonly number[],
  settings: Settings,
  options: Pick<ValidateOptions, 'set'> = {},
): Promise<{ readonly policy: string; readonly rows: HalfRow[] }> {
  const extraction = await extractWorkload(database, traceId, { costsUntilShare: FIRST_HALF })
  const policy = extraction.workload.recordedPolicy.value
  const rows = await withProgress(
    settings,
    seeds.length,
    (replayer) => validateHalves(extraction, replayer, seeds),
    policy,
    options,
  )
  return { policy, rows }
}

async function validateTwo(
  database: Database,
  a: string,
  b: string,
  policy: string,
  seeds: readonly number[],
  options: ValidateOptions,
  settings: Settings,
): Promise<void> {
  const of = async (list: string): Promise<Extraction[]> => {
    const found: Extraction[] = []
    for (const name of list.split(',')) {
      const trace = await findTrace(
        database.connection,
        await catalogOf(database),
        name.replace(/^trace:/, ''),
      )
      found.push(await extractWorkload(database, trace.trace_id))
    }
    return found
  }
  const recorded = await of(a)
  const other = await of(b)
  const own = new Set(recorded.map(({ workload }) => workload.recordedPolicy.value))
  if (own.size > 1)
    throw usageError(
      `validate: the recordings of A were made under different policies: ${[...own].join(', ')}`,
    )
  const [recordedPolicy = 'kswapd'] = own
  const rows = await withProgress(
    settings,
    recorded.length * seeds.length * 6,
    (replayer) => validatePolicy({ a: recorded, b: other, policy, seeds }, replayer),
    recordedPolicy,
    options,
  )
  if (toFormat(options) === 'table')
    await printLine(
      `${policy} predicted from ${recorded.length} recordings under ${recordedPolicy}, against ${other.length} recordings under ${policy}; ${seeds.length} seeds\n`,
    )
  await printResult(
    toResult(
      [...POLICY_COLUMNS],
      rows.map((row) => ({ ...row })),
    ),
    options,
    settings,
  )
  const metricsOf = (where: (row: PolicyRow) => boolean): string =>
    rows
      .filter(where)
      .map(({ metric }) => metric)
      .join(', ')
  const remarks = [
    ['wrong sign', metricsOf(({ sign }) => sign === 'wrong')],
    ['wrong size', metricsOf(({ size }) => size === 'wrong')],
    ['no better than a null model', metricsOf((row) => !row.predicted_better)],
    [
      'not to be trusted, since the self-replay misses the recording by more than the spread',
      metricsOf(({ trusted }) => !trusted),
    ],
  ] as const
  for (const [what, metrics] of remarks) if (metrics !== '') remark(settings, `${what}: ${metrics}`)
}

async function withProgress<T>(
  settings: Settings,
  total: number,
  validate: (replayer: Replayer) => Promise<T>,
  recordedPolicy: string,
  options: Pick<ValidateOptions, 'set'>,
): Promise<T> {
  const progress = startProgress(settings, 'replaying', 'count')
  let done = 0
  const replayer: Replayer = async ({ workload, policy, seed, demandScale, sink }) => {
    const request = resolveReplay({
      policy: [policy ?? recordedPolicy],
      ...(policy === undefined || options.set === undefined ? {} : { set: options.set }),
      seed: String(seed),
    })
    const plan = planRuns(request, workload)
    const [run] = plan.runs
    if (run === undefined) throw usageError('validate: no policy to replay')
    const resources = await openResources(plan.workload, run.config)
    await throwIfInterrupted()
    const contents = calibrated(workload, run.config.codec, seed) ?? resources.contents.contents
    const result = runInterruptibly(() =>
      replay(plan.workload, {
        policy: run.policy,
        tunables: run.config.tunables,
        backend: resources.backend,
        contents,
        seed,
        cpus: plan.cpus,
        demandScale,
        sink,
      }),
    )
    resources.contents.close()
    progress.update(++done, total)
    return result
  }
  try {
    return await validate(replayer)
  } finally {
    progress.stop()
  }
}

/** Contents of which a stored page takes as much of the pool as it did in the recording. */
function calibrated(workload: Workload, codec: string, seed: number): PageContents | undefined {
  // Of zswap the trace's counters tell more: what a page takes, and which share is refused.
  if (workload.machine.backendParameters['pool_share'] !== undefined) return undefined
  // The slope of free memory over stored pages holds the slots' records too, which replay charges apart.
  const perPage =
    Number(workload.machine.backendParameters['poolPagesPerStoredPage']?.value) -
    (workload.machine.recordPagesPerSlot?.value ?? 0)
  if (!(perPage > 0 && perPage < 0.9)) return undefined
  const meanStoredBytes = perPage * workload.machine.pageSize * POOL_FILL
  return calibratedGenerator(workload, codec, seed, meanStoredBytes)
}
