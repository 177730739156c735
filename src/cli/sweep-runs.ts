import { METRICS } from '../analysis/metrics.ts'
import { type Result, type ResultColumn, toResult, type Value } from '../analysis/result.ts'
import { findTrace } from '../analysis/selection.ts'
import { POLICIES_BY_DEFAULT, type ReplayOptions, resolveReplay } from '../config/replay.ts'
import { parseAssignments, parseCount, type Settings } from '../config/settings.ts'
import { Database } from '../database/database.ts'
import { removeRun } from '../database/states.ts'
import { DEFAULT_LOSSES } from '../model/losses.ts'
import { lookUpPolicy, policies } from '../policies/index.ts'
import { finishOnInterrupt, InterruptedError, throwIfInterrupted } from './interrupt.ts'
import { printLine, printResult, printText, remark, toFormat } from './output.ts'
import { startProgress } from './progress.ts'
import {
  catalogOf,
  checkWork,
  describeCut,
  describeInterruption,
  readWork,
  withRecordedWork,
} from './replay-runs.ts'
import { checkRequest, planRuns } from './run-plan.ts'
import { type FinishedRun, runPolicy } from './run-policy.ts'
import { runAtSameWork } from './same-work.ts'
import { toSettings } from './settings.ts'
import type { SweepOptions } from './sweep.ts'

/** Shown to people; the machine formats have all figures. */
const SHOWN = [
  'work_ns',
  'swapout_pages',
  'allocstalls',
  'app_stall_ns',
  'app_stall_p50_ns',
  'app_stall_p99_ns',
  'app_stall_max_ns',
  'kswapd_busy_share',
  'order_done_inversions',
  'reclaim_cpu_ns',
]

/** One combination: what is varied, by name, and the options of the replay. */
interface Combination {
  readonly varied: Readonly<Record<string, string>>
  readonly options: ReplayOptions
}

/** Ctrl-C keeps, and prints, the runs that are complete. */
export async function sweep(options: SweepOptions): Promise<void> {
  const settings = toSettings(options)
  checkWork(options)
  const combinations = combine(options)
  for (const { options: replayed } of combinations) checkRequest(resolveReplay(replayed))
  await finishOnInterrupt(async (signal) => {
    const database = await Database.open(settings.databasePath, { mode: 'write', mustExist: true })
    const complete: Done[] = []
    try {
      const trace = await findTrace(database.connection, await catalogOf(database), options.trace)
      const print = async () => {
        if (toFormat(options) === 'table' && options.output === undefined)
          await printBasis(trace.name, complete)
        await printResult(toTable(complete, options), options, settings)
      }
      try {
        await sweepInto(database, trace.trace_id, complete, signal, combinations, options, settings)
      } catch (error) {
        if (error instanceof InterruptedError) {
          if (complete.length > 0) await print()
          remark(settings, describeInterruption(complete.length, combinations.length))
        }
        throw error
      }
      await print()
    } finally {
      database.close()
    }
  })
}

interface Done {
  readonly varied: Combination['varied']
  readonly run: FinishedRun
}

/** `complete` holds the runs in the database at any moment. */
async function sweepInto(
  database: Database,
  traceId: number,
  complete: Done[],
  signal: AbortSignal,
  combinations: readonly Combination[],
  options: SweepOptions,
  settings: Settings,
): Promise<void> {
  const extracted = await readWork(database, traceId, options, settings)
  const jobs = combinations.flatMap(({ options: replayed }) => {
    const plan = withRecordedWork(
      planRuns(resolveReplay(replayed), extracted.workload),
      extracted.recordedWorkNs,
    )
    return plan.runs.map((run) => ({ plan, run }))
  })
  remark(settings, `${jobs.length} runs`)
  const progress = startProgress(settings, 'sweeping', 'count')
  try {
    await runAtSameWork(jobs, {
      workload: extracted.workload,
      recordedNs: extracted.recordedNs,
      onCut: (cut) => remark(settings, describeCut(cut, 'all runs are made again up to there')),
      discard: async ({ runId }) => {
        complete.splice(
          complete.findIndex(({ run }) => run.runId === runId),
          1,
        )
        await removeRun(database, runId)
      },
      execute: async ({ plan, run }, index) => {
        await throwIfInterrupted(signal)
        const finished = await runPolicy({ database, traceId, plan, keep: options.keep }, run)
        complete.push({ varied: combinations[index]?.varied ?? {}, run: finished })
        progress.update(index + 1, jobs.length)
        return finished
      },
    })
  } finally {
    progress.stop()
  }
}

async function printBasis(traceName: string, complete: readonly Done[]): Promise<void> {
  const [first] = complete
  if (first === undefined) return
  const { config, result } = first.run
  const losses = config.losses === DEFAULT_LOSSES ? '' : `losses: ${config.losses}; `
  await printText(
    `contents: ${result.contents}; demand: ${config.demand} loop; ${losses}${config.backend}; ${traceName}`,
  )
  if (config.exhaustedUnder !== null)
    await printLine(
      describeCut(
        { share: config.workUsed, exhaustedUnder: config.exhaustedUnder },
        'every run is cut there',
      ),
    )
  await printLine('')
}

/** All combinations; a tunable that a policy lacks is not varied for it, so that no run is made twice. */
function combine(options: SweepOptions): Combination[] {
  const names = (options.policy ?? [...POLICIES_BY_DEFAULT]).flatMap((value) => value.split(','))
  const assignments = parseAssignments('--set', options.set ?? [])
  const seeds = parseCount('--seeds', options.seeds, 1, 1000)
  const tunables = new Set(policies.flatMap((policy) => policy.tunables.map(({ name }) => name)))
  const combinations: Combination[] = []
  for (const name of names) {
    const policy = lookUpPolicy(name)
    const axes: [string, readonly string[]][] = [['policy', [policy.name]]]
    for (const [key, values] of assignments)
      if (!tunables.has(key) || policy.tunables.some((tunable) => tunable.name === key))
        axes.push([key, values.split(',')])
    if (options.cpus !== undefined) axes.push(['cpus', options.cpus])
    if (options.codec !== undefined) axes.push(['codec', options.codec])
    if (options.background !== undefined) axes.push(['background', options.background])
    axes.push(['seed', Array.from({ length: seeds }, (_, index) => String(index + 1))])
    for (const varied of product(axes))
      combinations.push({ varied, options: toReplay(varied, options) })
  }
  return combinations
}

function product(
  axes: readonly (readonly [string, readonly string[]])[],
): Record<string, string>[] {
  let rows: Record<string, string>[] = [{}]
  for (const [name, values] of axes)
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })))
  return rows
}

const OWN = new Set(['policy', 'cpus', 'codec', 'background', 'seed'])

function toReplay(varied: Readonly<Record<string, string>>, options: SweepOptions): ReplayOptions {
  const set = Object.entries(varied)
    .filter(([name]) => !OWN.has(name))
    .map(([name, value]) => `${name}=${value}`)
  const pick = (name: string) => (varied[name] === undefined ? {} : { [name]: varied[name] })
  const given = (name: 'backend' | 'contents' | 'slots' | 'demand' | 'losses') =>
    options[name] === undefined ? {} : { [name]: options[name] }
  return {
    policy: [varied['policy'] ?? ''],
    set,
    ...pick('cpus'),
    ...pick('codec'),
    ...pick('background'),
    ...pick('seed'),
    ...given('backend'),
    ...given('contents'),
    ...given('slots'),
    ...given('demand'),
    ...given('losses'),
  }
}

function toTable(finished: readonly Done[], options: SweepOptions): Result {
  const forPeople = toFormat(options) === 'table' && options.output === undefined
  const axes = [...new Set(finished.flatMap(({ varied }) => Object.keys(varied)))]
  const shown = METRICS.filter(({ name }) => !forPeople || SHOWN.includes(name))
  const columns: ResultColumn[] = [
    { name: 'run_id', type: 'integer' },
    ...axes.map((name) => ({ name, type: 'text' as const })),
    ...shown.map(({ name, unit }) => ({
      name,
      type:
        unit === 'count' || unit === 'ns' || unit === 'bytes'
          ? ('integer' as const)
          : ('number' as const),
      unit,
    })),
  ]
  const rows = finished.map(({ varied, run }) => {
    const row: Record<string, Value> = { run_id: run.runId, ...varied }
    for (const { metric, value } of run.figures) row[metric] = value
    return row
  })
  return toResult(columns, rows)
}
