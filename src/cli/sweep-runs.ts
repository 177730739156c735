import { METRICS } from '../analysis/figures.ts'
import { type Result, type ResultColumn, toResult, type Value } from '../analysis/result.ts'
import { findTrace } from '../analysis/selection.ts'
import { POLICIES_BY_DEFAULT, type ReplayOptions, resolveReplay } from '../config/replay.ts'
import { parseAssignments, parseCount } from '../config/settings.ts'
import { unknownName } from '../model/names.ts'
import { findPolicy, policies } from '../policies/index.ts'
import { openExisting } from './existing.ts'
import { killOnInterrupt } from './interrupt.ts'
import { printLine, printResult, remark, toFormat } from './output.ts'
import { startProgress } from './progress.ts'
import { catalogOf, extract, readFolder, withRecordedWork } from './replay-runs.ts'
import { planRuns, type RunPlan } from './run-plan.ts'
import { type FinishedRun, runPolicy } from './run-policy.ts'
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

export async function sweep(options: SweepOptions): Promise<void> {
  const settings = toSettings(options)
  const combinations = combine(options)
  const database = await openExisting(settings)
  killOnInterrupt()
  try {
    const trace = await findTrace(database.connection, await catalogOf(database), options.trace)
    const extracted =
      options.workload === undefined
        ? await extract(database, trace.trace_id, settings)
        : await readFolder(options.workload, settings)
    const plans = combinations.map(
      ({ options: replayed }): RunPlan =>
        withRecordedWork(
          planRuns(resolveReplay(replayed), extracted.workload),
          extracted.recordedWorkNs,
        ),
    )
    remark(settings, `${combinations.length} runs`)
    const progress = startProgress(settings, 'sweeping', 'count')
    const finished: { readonly varied: Combination['varied']; readonly run: FinishedRun }[] = []
    for (const [index, plan] of plans.entries()) {
      const [run] = plan.runs
      const combination = combinations[index]
      if (run === undefined || combination === undefined) continue
      const done = await runPolicy(
        { database, traceId: trace.trace_id, plan, keep: options.keep },
        run,
      )
      finished.push({ varied: combination.varied, run: done })
      progress.update(index + 1, plans.length)
    }
    progress.stop()
    const forPeople = toFormat(options) === 'table' && options.output === undefined
    const [first] = finished
    if (forPeople && first !== undefined) {
      const { config, result } = first.run
      await printLine(
        `contents: ${result.contents}; demand: ${config.demand} loop; ${config.backend}; ${trace.name}\n`,
      )
    }
    await printResult(toTable(finished, forPeople), options, settings)
  } finally {
    database.close()
  }
}

/** All combinations; a tunable that a policy lacks is not varied for it, so that no run is made twice. */
function combine(options: SweepOptions): Combination[] {
  const names = (options.policy ?? [...POLICIES_BY_DEFAULT]).flatMap((value) => value.split(','))
  const assignments = parseAssignments('--set', options.set ?? [])
  const seeds = parseCount('--seeds', options.seeds, 1, 1000)
  const tunables = new Set(policies.flatMap((policy) => policy.tunables.map(({ name }) => name)))
  const combinations: Combination[] = []
  for (const name of names) {
    const policy = findPolicy(name)
    if (policy === undefined)
      throw unknownName(
        'policy',
        name,
        policies.map((known) => known.name),
      )
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
  const given = (name: 'backend' | 'contents' | 'slots' | 'demand') =>
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
  }
}

function toTable(
  finished: readonly { readonly varied: Combination['varied']; readonly run: FinishedRun }[],
  forPeople: boolean,
): Result {
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
