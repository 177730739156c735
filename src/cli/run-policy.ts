import type { Figure } from '../analysis/figure.ts'
import { findMetric } from '../analysis/metrics.ts'
import { describeMeasure, readMeasures } from '../analysis/questions/measures.ts'
import { questionsOf } from '../analysis/questions/question.ts'
import { resolveSubjects } from '../analysis/selection.ts'
import { createViews, dropViews } from '../analysis/views.ts'
import { Database } from '../database/database.ts'
import { rowKinds } from '../database/schema.ts'
import { beginRun, completeRun, removeRun } from '../database/states.ts'
import type { SwapBackend } from '../memory/backends/backend.ts'
import type { Codec } from '../memory/codecs/codec.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { RowBuffer } from '../model/rows.ts'
import { policies } from '../policies/index.ts'
import type { Policy } from '../policies/policy.ts'
import type { RunTask } from '../replay/kernel-threads.ts'
import type { ReplayLogEvent } from '../replay/log-events.ts'
import { type ReplayOptions, type RunResult, replay } from '../replay/replay.ts'
import type { RunSummary } from '../replay/summary.ts'
import { completeTunables } from '../replay/tunables.ts'
import type { Workload } from '../workload/types.ts'
import { runInterruptibly } from './interrupt.ts'
import {
  openResources,
  type PlannedRun,
  type RunConfig,
  type RunPlan,
  type RunResources,
} from './run-plan.ts'
import { withSummary } from './run-summary.ts'
import { readVersion } from './version.ts'
import { addWorkloadTrace } from './workload-trace.ts'

/** Some dozens of times in a run: each check looks at every page. */
const CHECK_EVERY_NS = 1_000_000_000

export interface FinishedRun {
  readonly runId: number
  readonly policy: string
  readonly config: RunConfig
  readonly result: RunOutcome
  readonly figures: readonly Figure[]
}

/** What tables need of a run, whatever its clock. */
export interface RunOutcome
  extends Pick<RunResult, 'contents' | 'exhausted' | 'endNs' | 'progress'> {
  readonly summary: Pick<RunSummary, 'swapOuts' | 'workNs' | 'workUsed'> & {
    /** Absent: there was no pool. */
    readonly poolPeakBytes?: number
    readonly appUserNs?: number
    readonly appSysNs?: number
  }
}

export interface RunOptions {
  readonly database: Database
  readonly traceId: number
  readonly plan: RunPlan
  readonly log?: (event: ReplayLogEvent) => void
  /** Swap-outs recorded so far. */
  readonly progress?: (swapouts: number) => void
  /** `metrics`: only the figures stay in the database. */
  readonly keep: 'folios' | 'metrics'
}

/** Replays one policy into the database; the run is visible when this returns, and gone when it throws. */
export async function runPolicy(options: RunOptions, run: PlannedRun): Promise<FinishedRun> {
  const { database, traceId, plan } = options
  const { policy } = run
  const { workload } = plan
  const resources = await openResources(workload, run.config)
  const config = completeConfig(run, options.keep)
  const runId = await beginRun(database, traceId, {
    ...describeRun(config, resources.codec, resources.contents.contents),
    backend: config.backend,
    demand: config.demand,
  })
  const kept = options.keep === 'folios'
  const rows = kept ? { database, traceId, runId } : await openScratch(workload, policy)
  try {
    await rows.database.prepareAppends()
    let swapouts = 0
    const result = runInterruptibly(() =>
      replay(workload, {
        ...toReplayOptions(plan, policy, config, resources),
        sink: (buffer) => {
          if (buffer.table === 'swapouts') {
            swapouts += buffer.length
            options.progress?.(swapouts)
          }
          rows.database.appendNow(buffer, rows)
        },
        ...(options.log === undefined ? {} : { log: options.log }),
      }),
    )
    await addThreads(rows.database, rows.traceId, [
      ...workload.tasks.map(toRunTask),
      ...result.tasks,
    ])
    rows.database.flush()
    await completeRun(rows.database, rows.runId)
    const figures = withSummary(await readRunFigures(rows), result.summary)
    if (!kept) await completeRun(database, runId)
    const limit = poolLimit(resources.backend)
    const pool =
      limit === undefined ? undefined : { limit, peakPages: result.summary.poolPeakPages }
    await addMetrics(database, { traceId, runId }, figures, result, config, pool)
    return { runId, policy: policy.name, config, result, figures }
  } catch (error) {
    await removeRun(database, runId)
    throw error
  } finally {
    resources.contents.close()
    if (!kept) rows.database.close()
  }
}

function toReplayOptions(
  { workload, cpus }: RunPlan,
  policy: Policy,
  config: RunConfig,
  { backend, contents, slots }: RunResources,
): Omit<ReplayOptions, 'sink' | 'log'> {
  return {
    policy,
    backend,
    contents: contents.contents,
    tunables: config.tunables,
    tunableChanges: config.tunableChanges,
    seed: config.seed,
    firstThreadId: firstThreadId(policy, workload),
    cpus,
    demand: config.demand,
    demandScale: config.demandScale,
    watermarkScale: config.watermarkScale,
    costScale: config.costScale,
    checkEveryNs: CHECK_EVERY_NS,
    ...(config.pageCluster === null ? {} : { readahead: 2 ** config.pageCluster }),
    readaheadBy: config.readaheadBy,
    ...(slots === undefined ? {} : { slots }),
  }
}

interface RunRows {
  readonly database: Database
  readonly traceId: number
  readonly runId: number
}

/** A database in memory for the rows of a run of which only the figures are kept. */
async function openScratch(workload: Workload, policy: Policy): Promise<RunRows> {
  const database = await Database.open(':memory:', { mode: 'write' })
  const traceId = await addWorkloadTrace(database, 'scratch', workload)
  return { database, traceId, runId: await beginRun(database, traceId, { policy: policy.name }) }
}

/** The configuration as it is kept with the run: no tunable is left to its default. */
export function completeConfig(
  { policy, config }: PlannedRun,
  keep: RunOptions['keep'],
): RunConfig {
  return { ...config, tunables: completeTunables(policy, config.tunables), keep }
}

/** What the database says of a run, whatever its clock. */
export function describeRun(config: RunConfig, codec: Codec, contents: PageContents) {
  return {
    policy: config.policy,
    codec: config.codec,
    codec_version: `${codec.implementation} ${codec.version}`,
    content_source: contents.source,
    clock: config.clock,
    cpus: describeCpus(config),
    seed: config.seed,
    config: JSON.stringify({ ...config, contents: contents.description }),
    pstrace_version: readVersion(),
  }
}

function describeCpus({ cpus }: RunConfig): string {
  const groups: { speed: number; count: number }[] = []
  for (const { speed } of cpus) {
    const last = groups.at(-1)
    if (last?.speed === speed) last.count++
    else groups.push({ speed, count: 1 })
  }
  const [only] = groups
  if (only !== undefined && groups.length === 1 && only.speed === 1) return String(only.count)
  return groups.map(({ speed, count }) => `${count}x${speed}`).join('+')
}

/** Above pid_max's largest value (2^22): no recorded thread has such a number. */
const FIRST_THREAD = 10_000_000
const IDS_PER_POLICY = 1_000_000

/** Threads that the engine adds need ids that no recorded task and no other policy's threads have: the tasks table knows no runs. */
export function firstThreadId(policy: Policy, workload: Workload): number {
  const above = workload.tasks.reduce((most, { taskId }) => Math.max(most, taskId), 0)
  return Math.max(FIRST_THREAD, above) + IDS_PER_POLICY * policies.indexOf(policy) + 1
}

/** Tasks of a workload that comes from elsewhere are new to the trace; others are known to it. */
function toRunTask({ taskId, tid, comm, kind }: Workload['tasks'][number]): RunTask {
  return { taskId, tid, comm, kind: kind === 'background' ? 'user' : kind, node: 0 }
}

/** Adds those of the tasks that the trace does not have yet. */
export async function addThreads(
  database: Database,
  traceId: number,
  tasks: readonly RunTask[],
): Promise<void> {
  const known = await database.query('SELECT task_id FROM tasks WHERE trace_id = ?', [traceId])
  const ids = new Set(known.map((row) => Number(row['task_id'])))
  const rows = new RowBuffer('tasks', rowKinds('tasks'))
  for (const task of tasks) {
    if (ids.has(task.taskId)) continue
    const row = rows.add()
    rows.number(row, 'task_id', task.taskId)
    rows.number(row, 'tid', task.tid)
    rows.text(row, 'comm', task.comm)
    rows.text(row, 'kind', task.kind)
    rows.number(row, 'node', task.node)
  }
  await database.append(rows, { traceId })
}

/** Figures by the definitions that also hold for recordings. */
export async function readRunFigures({
  database,
  traceId,
  runId,
}: RunRows): Promise<readonly Figure[]> {
  const { connection } = database
  const selection = await resolveSubjects(connection, {
    trace: String(traceId),
    runs: [String(runId)],
    cpus: [],
    tids: [],
    comms: [],
    nodes: [],
  })
  await createViews(connection, selection)
  const [subject] = await readMeasures(connection)
  await dropViews(connection)
  return subject?.figures ?? []
}

/** The figures, then what only the engine knows. */
export async function addMetrics(
  database: Database,
  owner: { readonly traceId: number; readonly runId: number },
  figures: readonly Figure[],
  result: Pick<RunOutcome, 'summary'>,
  config: RunConfig,
  pool: { readonly limit: number; readonly peakPages: number } | undefined,
): Promise<void> {
  const rows = new RowBuffer('metrics', rowKinds('metrics'))
  const add = (figure: Figure, unit: string, question: string, node?: number) => {
    const row = rows.add()
    rows.text(row, 'metric', figure.metric)
    if (node !== undefined) rows.number(row, 'node', node)
    rows.text(row, 'question', question)
    rows.number(row, 'value', figure.value ?? Number.NaN)
    rows.number(row, 'lo', figure.lo ?? Number.NaN)
    rows.number(row, 'hi', figure.hi ?? Number.NaN)
    rows.text(row, 'unit', unit)
    rows.text(row, 'basis', figure.basis)
    rows.number(row, 'n', figure.n ?? Number.NaN)
  }
  const exact = (metric: string, value: number): Figure => ({
    metric,
    value,
    lo: value,
    hi: value,
    basis: 'event',
    n: null,
  })
  for (const figure of figures) {
    const ids = questionsOf(figure.metric)
    const metric = findMetric(figure.metric)
    if (metric !== undefined) add(figure, metric.unit, [metric.question, ...ids].join(', '))
    else if (figure.value !== null)
      add(figure, describeMeasure(figure.metric).unit, ids.join(', ') || 'as a part of others')
  }
  if (pool !== undefined) {
    add(exact('pool_limit', pool.limit), 'pages', 'how much the pool may hold')
    const fill = exact('pool_fill_max_share', pool.peakPages / pool.limit)
    add(fill, 'share', questionsOf(fill.metric).join(', '))
  }
  const summary = { ...result.summary, workUsed: result.summary.workUsed * config.workUsed }
  for (const [name, value] of engineMetrics(summary))
    add(exact(`engine.${name}`, value), unitOfEngineMetric(name), 'what the engine counted')
  for (const node of new Set(config.cpus.map((cpu) => cpu.node))) {
    const queue = queueOf(config, node)
    if (queue === undefined) continue
    add(exact('queue_depth', queue.depth), 'pages', 'how much is queued at most', node)
    add(exact('queue_capacity', queue.capacity), 'pages', 'how much fits into the queue', node)
  }
  await database.append(rows, owner)
  database.flush()
}

/** Pages that the pool may hold, where the backend has a limit (zswap). */
function poolLimit(backend: SwapBackend): number | undefined {
  return 'maxPages' in backend && typeof backend.maxPages === 'number'
    ? backend.maxPages
    : undefined
}

/** Pages that the policy lets wait on a node, and that its queues could hold. */
function queueOf(
  config: RunConfig,
  node: number,
): { readonly depth: number; readonly capacity: number } | undefined {
  const policy = policies.find(({ name }) => name === config.policy)
  if (policy === undefined) return undefined
  const cpus = config.cpus.filter((cpu) => cpu.node === node).length
  const { queues, workers } = policy.layout({ node, cpus }, config.tunables)
  if (queues.length === 0 || workers.length === 0) return undefined
  return {
    depth: queues.reduce((sum, { capacity, depth }) => sum + (depth ?? capacity), 0),
    capacity: queues.reduce((sum, { capacity }) => sum + capacity, 0),
  }
}

function engineMetrics(summary: object): [string, number][] {
  const metrics: [string, number][] = []
  for (const [name, value] of Object.entries(summary)) {
    if (typeof value === 'number') metrics.push([toSnakeCase(name), value])
    else if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [part, number] of Object.entries(value as Readonly<Record<string, number>>))
        metrics.push([`${toSnakeCase(name)}_stall_${toSnakeCase(part)}`, number])
  }
  return metrics
}

function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function unitOfEngineMetric(name: string): string {
  if (name.endsWith('_ns')) return 'ns'
  if (name.endsWith('_share')) return 'share'
  if (name.endsWith('_bytes')) return 'bytes'
  if (name.endsWith('_per_second')) return 'per_s'
  return 'count'
}
