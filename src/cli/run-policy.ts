import { type Figure, METRICS, readFigures } from '../analysis/figures.ts'
import { resolveSubjects } from '../analysis/selection.ts'
import { createViews, dropViews } from '../analysis/views.ts'
import { rowKinds } from '../database/append.ts'
import type { Database } from '../database/database.ts'
import { beginRun, completeRun } from '../database/states.ts'
import { RowBuffer } from '../model/rows.ts'
import { policies } from '../policies/index.ts'
import type { Policy } from '../policies/policy.ts'
import type { ReplayLogEvent } from '../replay/recorder.ts'
import { completeTunables, type RunResult, replay } from '../replay/replay.ts'
import type { RunSummary } from '../replay/summary.ts'
import type { Workload } from '../workload/types.ts'
import { openResources, type RunConfig, type RunPlan } from './run-plan.ts'
import { withSummary } from './run-summary.ts'
import { readVersion } from './version.ts'

export interface FinishedRun {
  readonly runId: number
  readonly policy: string
  readonly result: RunResult
}

export interface RunOptions {
  readonly database: Database
  readonly traceId: number
  readonly plan: RunPlan
  readonly log?: (event: ReplayLogEvent) => void
  /** Swap-outs recorded so far. */
  readonly progress?: (swapouts: number) => void
  /** `figures`: only the metrics stay in the database. */
  readonly keep: 'rows' | 'figures'
}

/** Replays one policy into the database; the run is visible when this returns. */
export async function runPolicy(
  options: RunOptions,
  run: RunPlan['runs'][number],
): Promise<FinishedRun> {
  const { database, traceId, plan } = options
  const { policy } = run
  const { workload } = plan
  const resources = await openResources(workload, run.config)
  const config: RunConfig = {
    ...run.config,
    tunables: completeTunables(policy, run.config.tunables),
    recordedWorkNs: run.config.recordedWorkNs,
  }
  const runId = await beginRun(database, traceId, {
    policy: policy.name,
    backend: config.backend,
    codec: config.codec,
    codec_version: `${resources.codec.implementation} ${resources.codec.version}`,
    content_source: resources.contents.contents.source,
    clock: config.clock,
    demand: config.demand,
    cpus: describeCpus(config),
    seed: config.seed,
    config: JSON.stringify({ ...config, contents: resources.contents.contents.description }),
    pstrace_version: readVersion(),
  })
  await database.prepareAppends()
  const owner = { traceId, runId }
  const renumber = threadRenumbering(policy, workload)
  let swapouts = 0
  const result = replay(workload, {
    policy,
    backend: resources.backend,
    contents: resources.contents.contents,
    ...(resources.slots === undefined ? {} : { slots: resources.slots }),
    tunables: config.tunables,
    seed: config.seed,
    cpus: plan.cpus,
    demand: config.demand,
    demandScale: config.demandScale,
    watermarkScale: config.watermarkScale,
    costScale: config.costScale,
    sink: (rows) => {
      if (rows.table === 'swapouts') {
        swapouts += rows.length
        options.progress?.(swapouts)
      }
      renumber.rows(rows)
      database.appendNow(rows, owner)
    },
    ...(options.log === undefined ? {} : { log: options.log }),
  })
  resources.contents.close()
  await addThreads(database, traceId, result, renumber)
  database.flush()
  await completeRun(database, runId)
  await addMetrics(database, traceId, runId, result, config)
  return { runId, policy: policy.name, result }
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

/** Threads that the engine adds need task ids that no recorded task and no other policy's threads have; the tasks table knows no runs. */
const IDS_PER_POLICY = 1_000_000

interface Renumbering {
  rows(rows: RowBuffer): void
  id(id: number): number
}

function threadRenumbering(policy: Policy, workload: Workload): Renumbering {
  const above = workload.tasks.reduce((most, { taskId }) => Math.max(most, taskId), 0)
  const base = IDS_PER_POLICY * (policies.indexOf(policy) + 1)
  const id = (given: number) => (given > above ? base + given - above : given)
  return {
    id,
    rows(rows) {
      for (const name of ['task_id', 'stored_by', 'waker_task_id', 'tid']) {
        const column = rows.columns[name]
        if (column?.kind !== 'number') continue
        const { values } = column
        if (name === 'tid') continue
        for (let row = 0; row < rows.length; row++) values[row] = id(values[row] ?? Number.NaN)
      }
    },
  }
}

async function addThreads(
  database: Database,
  traceId: number,
  result: RunResult,
  renumber: Renumbering,
): Promise<void> {
  const known = await database.query('SELECT task_id FROM tasks WHERE trace_id = ?', [traceId])
  const ids = new Set(known.map((row) => Number(row['task_id'])))
  const rows = new RowBuffer('tasks', rowKinds('tasks'))
  for (const task of result.tasks) {
    const taskId = renumber.id(task.taskId)
    if (ids.has(taskId)) continue
    const row = rows.add()
    rows.number(row, 'task_id', taskId)
    rows.number(row, 'tid', task.tid)
    rows.text(row, 'comm', task.comm)
    rows.text(row, 'kind', task.kind)
    rows.number(row, 'node', task.node)
  }
  await database.append(rows, { traceId })
}

/** Figures by the definitions that also hold for recordings, then what only the engine knows. */
async function addMetrics(
  database: Database,
  traceId: number,
  runId: number,
  result: RunResult,
  config: RunConfig,
): Promise<void> {
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
  const [subject] = await readFigures(connection)
  await dropViews(connection)
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
  for (const figure of withSummary(subject?.figures ?? [], result.summary)) {
    const metric = METRICS.find(({ name }) => name === figure.metric)
    if (metric !== undefined) add(figure, metric.unit, metric.question)
  }
  for (const [name, value] of engineMetrics(result.summary))
    add(exact(`engine.${name}`, value), unitOfEngineMetric(name), 'what the engine counted')
  for (const node of new Set(config.cpus.map((cpu) => cpu.node))) {
    const capacity = queueCapacity(config, node)
    if (capacity !== undefined)
      add(exact('queue_capacity', capacity), 'pages', 'how much can wait in the queue', node)
  }
  await database.append(rows, { traceId, runId })
  database.flush()
}

function queueCapacity(config: RunConfig, node: number): number | undefined {
  const policy = policies.find(({ name }) => name === config.policy)
  if (policy === undefined) return undefined
  const cpus = config.cpus.filter((cpu) => cpu.node === node).length
  const { queues } = policy.layout({ node, cpus }, config.tunables)
  return queues.length === 0 ? undefined : queues.reduce((sum, { capacity }) => sum + capacity, 0)
}

function engineMetrics(summary: RunSummary): [string, number][] {
  const metrics: [string, number][] = []
  for (const [name, value] of Object.entries(summary)) {
    if (typeof value === 'number') metrics.push([toSnakeCase(name), value])
    else if (!Array.isArray(value))
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
