import { basename, resolve } from 'node:path'
import { readFigures } from '../analysis/figures.ts'
import { readRows } from '../analysis/query.ts'
import { cutRecording } from '../analysis/replayed-work.ts'
import { findTrace, resolveSubjects } from '../analysis/selection.ts'
import { createViews } from '../analysis/views.ts'
import { type ReplayRequest, resolveReplay } from '../config/replay.ts'
import type { Settings } from '../config/settings.ts'
import { Database } from '../database/database.ts'
import { removeRun } from '../database/states.ts'
import { refuseOverwrite } from '../io/destination.ts'
import { openWorkloadFolder } from '../io/workload-folder.ts'
import { formatCount, plural } from '../model/counted.ts'
import { DEFAULT_LOSSES, type Losses } from '../model/losses.ts'
import { toAnswer } from '../report/answer.ts'
import { toMetrics } from '../report/comparison.ts'
import { extractWorkload } from '../workload/extract.ts'
import { readWorkload } from '../workload/store.ts'
import type { Workload } from '../workload/types.ts'
import { toComparisonTable, toFigureRows } from './comparison.ts'
import { usageError } from './failure.ts'
import { formatCell, formatNs } from './format.ts'
import { finishOnInterrupt, InterruptedError, throwIfInterrupted } from './interrupt.ts'
import { printLine, printResult, printText, remark, toFormat } from './output.ts'
import { startProgress } from './progress.ts'
import type { ReplayCommandOptions } from './replay.ts'
import { openRunLog } from './run-log.ts'
import { checkRequest, planRuns, type RunPlan } from './run-plan.ts'
import { type FinishedRun, runPolicy } from './run-policy.ts'
import { withSummaries } from './run-summary.ts'
import { describeThreads, knownOnThreads, runPolicyOnThreads } from './run-threads.ts'
import { runAtSameWork } from './same-work.ts'
import { toSettings } from './settings.ts'
import { hasRecordings, openWorkloadTrace } from './workload-trace.ts'

/** Replays every policy asked for and prints the comparison; Ctrl-C keeps the runs that are complete. */
export async function replayAll(options: ReplayCommandOptions): Promise<void> {
  const settings = toSettings(options)
  const request = resolveReplay(options)
  checkRequest(request)
  checkWork(options)
  if (options.log !== undefined) refuseOverwrite(options.log, { force: options.force ?? false })
  await finishOnInterrupt(async (signal) => {
    // A workload needs no recording, and no database with one.
    const mustExist = options.workload === undefined
    const database = await Database.open(settings.databasePath, { mode: 'write', mustExist })
    const complete: FinishedRun[] = []
    try {
      await replayInto(database, complete, signal, request, options, settings)
    } finally {
      for (const { runId } of complete)
        if (settings.quiet) await printLine(String(runId))
        else if (toFormat(options) === 'table') await printLine(`run ${runId}`)
        else process.stderr.write(`run ${runId}\n`)
      database.close()
    }
  })
}

/** What is run, and the trace that its runs belong to. */
async function openWork(
  database: Database,
  options: ReplayCommandOptions,
  settings: Settings,
): Promise<{
  readonly traceId: number
  readonly extracted: Extracted
  readonly hasRecording: boolean
}> {
  const { workload: folder } = options
  if (folder !== undefined && options.trace === undefined && !(await hasRecordings(database))) {
    const extracted = await readFolder(folder, settings)
    const name = basename(resolve(folder))
    const traceId = await openWorkloadTrace(database, name, extracted.workload)
    return { traceId, extracted, hasRecording: false }
  }
  const trace = await findTrace(database.connection, await catalogOf(database), options.trace)
  return {
    traceId: trace.trace_id,
    hasRecording: true,
    extracted: await readWork(database, trace.trace_id, options, settings),
  }
}

/** The workload of a folder where one is named, else of the trace. */
export async function readWork(
  database: Database,
  traceId: number,
  options: Pick<ReplayCommandOptions, 'workload' | 'losses'>,
  settings: Settings,
): Promise<Extracted> {
  const { workload: folder, losses } = options
  if (folder !== undefined) return readFolder(folder, settings)
  return extract(
    database,
    traceId,
    settings,
    resolveReplay(losses === undefined ? {} : { losses }).losses,
  )
}

/** What cannot be given together. */
export function checkWork(options: Pick<ReplayCommandOptions, 'workload' | 'losses'>): void {
  if (options.workload !== undefined && options.losses !== undefined)
    throw usageError('--losses: a workload from a folder says itself what gaps hide')
}

/** `complete` holds the runs in the database at any moment. */
async function replayInto(
  database: Database,
  complete: FinishedRun[],
  signal: AbortSignal,
  request: ReplayRequest,
  options: ReplayCommandOptions,
  settings: Settings,
): Promise<void> {
  const { traceId, extracted, hasRecording } = await openWork(database, options, settings)
  const plan = withRecordedWork(planRuns(request, extracted.workload), extracted.recordedWorkNs)
  const log =
    options.log === undefined
      ? undefined
      : openRunLog(options.log, { force: options.force ?? false })
  try {
    const { runs } = await runAtSameWork(
      plan.runs.map((run) => ({ plan, run })),
      {
        workload: extracted.workload,
        recordedNs: extracted.recordedNs,
        onCut: (cut) => remark(settings, describeCut(cut, 'all runs are made again up to there')),
        discard: async (run) => {
          complete.splice(complete.indexOf(run), 1)
          await removeRun(database, run.runId)
        },
        execute: async ({ run, plan }) => {
          await throwIfInterrupted(signal)
          const begun = Date.now()
          const into = { database, traceId, plan, keep: 'folios' as const }
          const finished = await runWithProgress(
            log === undefined ? into : { ...into, log: log.write },
            run,
            { settings, expected: extracted.swapouts },
          )
          complete.push(finished)
          remark(settings, describeRun(finished, Date.now() - begun))
          return finished
        },
      },
    )
    await throwIfInterrupted(signal)
    await printRuns({ database, traceId, hasRecording }, plan, runs, options, settings)
  } catch (error) {
    if (error instanceof InterruptedError)
      remark(settings, describeInterruption(complete.length, plan.runs.length))
    throw error
  } finally {
    log?.close()
  }
}

/** Ctrl-C: runs that came to their end stay. */
export function describeInterruption(kept: number, asked: number): string {
  if (kept === 0) return 'interrupted: no run is kept'
  return `interrupted: of ${plural(asked, 'run')} ${formatCount(kept)} ${kept === 1 ? 'is' : 'are'} kept`
}

async function runWithProgress(
  into: Omit<Parameters<typeof runPolicy>[0], 'progress'>,
  run: RunPlan['runs'][number],
  of: { readonly settings: Settings; readonly expected: number },
): Promise<FinishedRun> {
  const progress = startProgress(of.settings, `replaying ${run.policy.name}`, 'count')
  try {
    const runOne = run.config.clock === 'threads' ? runPolicyOnThreads : runPolicy
    return await runOne(
      { ...into, progress: (swapouts) => progress.update(swapouts, of.expected) },
      run,
    )
  } finally {
    progress.stop()
  }
}

/** `consequence` says what the user's figures lack by it. */
export function describeCut(
  cut: { readonly share: number; readonly exhaustedUnder: string },
  consequence: string,
): string {
  return `page stream exhausted under ${cut.exhaustedUnder} after ${formatCell(cut.share, 'share')} of the work: ${consequence}`
}

export interface Extracted {
  readonly workload: Workload
  readonly recordedWorkNs: number | null
  /** How long the recorded machine took until it had asked for that many pages. */
  readonly recordedNs: (pages: number) => number | null
  readonly swapouts: number
}

/** The workload of a recording; says what it is as a remark. */
export async function extract(
  database: Database,
  traceId: number,
  settings: Settings,
  losses: Losses = DEFAULT_LOSSES,
): Promise<Extracted> {
  const extraction = await extractWorkload(database, traceId, { losses })
  const { workload, startNs, endNs, allocNs } = extraction
  const asked = allocNs.slice().sort()
  const [row] = await readRows<{ n: number }>(
    database.connection,
    `SELECT count(*) AS n FROM swapouts WHERE trace_id = ${traceId} AND run_id IS NULL`,
  )
  remark(
    settings,
    `workload: ${plural(workload.tasks.length, 'task')}, ${plural(workload.pages.length, 'page')} over ${formatNs(endNs - startNs)} of the recording`,
  )
  return {
    workload,
    recordedWorkNs: endNs - startNs,
    recordedNs: (pages) => Math.round(Math.max(0, (asked[pages - 1] ?? startNs) - startNs)),
    swapouts: row?.n ?? 0,
  }
}

/** Nothing recorded stands beside a workload that may come from anywhere. */
async function readFolder(folder: string, settings: Settings): Promise<Extracted> {
  const workload = await readWorkload(
    openWorkloadFolder(folder, { create: false, overwrite: false }),
  )
  remark(
    settings,
    `workload: ${plural(workload.tasks.length, 'task')}, ${plural(workload.pages.length, 'page')} from ${folder}`,
  )
  return {
    workload,
    recordedWorkNs: null,
    recordedNs: () => null,
    swapouts: workload.stream.length,
  }
}

/** The name by which SQL knows the database's file. */
export async function catalogOf(database: Database): Promise<string> {
  const [row] = await readRows<{ name: string }>(
    database.connection,
    'SELECT current_database() AS name',
  )
  return row?.name ?? 'memory'
}

/** `recordedWorkNs`: null = not known. */
export function withRecordedWork(plan: RunPlan, recordedWorkNs: number | null): RunPlan {
  return {
    ...plan,
    runs: plan.runs.map(({ policy, config }) => ({
      policy,
      config: { ...config, recordedWorkNs },
    })),
  }
}

function describeRun({ policy, config, result }: FinishedRun, tookMs: number): string {
  if (config.clock === 'threads')
    return `${policy}: ${formatCount(result.summary.swapOuts)} swap-outs in ${formatNs(result.endNs)} of this host's time`
  return `${policy}: ${formatCount(result.summary.swapOuts)} swap-outs in ${formatNs(result.endNs)} of virtual time, run in ${formatNs(tookMs * 1e6)}`
}

/** The recording, cut to the part that was replayed, and the runs, side by side. */
async function printRuns(
  {
    database,
    traceId,
    hasRecording,
  }: { readonly database: Database; readonly traceId: number; readonly hasRecording: boolean },
  plan: RunPlan,
  runs: readonly FinishedRun[],
  options: ReplayCommandOptions,
  settings: Settings,
): Promise<void> {
  const { connection } = database
  const selection = await resolveSubjects(connection, {
    trace: String(traceId),
    // The recorded machine's time is not this host's.
    runs: [
      ...(options.clock === 'threads' || !hasRecording ? [] : ['recording']),
      ...runs.map(({ runId }) => String(runId)),
    ],
    cpus: [],
    tids: [],
    comms: [],
    nodes: [],
  })
  const [first] = runs
  await createViews(
    connection,
    cutRecording(selection, first?.config.startOffsetNs ?? 0, first?.config.recordedWorkNs ?? null),
  )
  const figures = withSummaries(await readFigures(connection), runs).map((subject) =>
    options.clock === 'threads'
      ? { ...subject, figures: knownOnThreads(subject.figures) }
      : subject,
  )
  if (toFormat(options) !== 'table' || options.output !== undefined) {
    await printResult(toFigureRows(figures), options, settings)
    return
  }
  if (settings.quiet) return
  for (const line of describeBasis(plan, runs)) await printText(line)
  await printLine('')
  await printResult(toComparisonTable(figures), options, settings)
  if (options.clock === 'threads') return
  await printLine('')
  const answer = toAnswer({
    metrics: toMetrics(figures),
    runs: runs.map(({ config }) => ({ config: JSON.stringify(config) })),
  })
  for (const line of answer) await printText(line)
}

/** What all figures rest on, first. */
function describeBasis(plan: RunPlan, runs: readonly FinishedRun[]): string[] {
  const { workload } = plan
  const [run] = runs
  if (run === undefined) return []
  const { config } = run
  if (config.clock === 'threads') return describeThreads(runs)
  const unknown = workload.unknownNextTouch
  const lines = [
    `contents: ${run.result.contents}; demand: ${config.demand} loop; seed ${config.seed}; unknown: next touch of ${formatCell(unknown.value, 'share')} of the swapped-out pages (never seen again, not touched by the replay)`,
    `${config.backend}, ${config.codec}; recorded under ${workload.recordedPolicy.value} (${workload.recordedPolicy.basis})`,
    ...(config.recordedWorkNs === null
      ? []
      : [
          `recording: over the ${formatNs(config.recordedWorkNs)} whose work is replayed, from ${formatNs(config.startOffsetNs)} after its start`,
        ]),
  ]
  for (const { policy } of plan.runs)
    if (!policy.covers.some((covered) => covered === config.backend))
      lines.push(
        `${policy.name} does not cover ${config.backend}: all pages are stored as without it`,
      )
  if (config.exhaustedUnder !== null)
    lines.push(
      describeCut(
        { share: config.workUsed, exhaustedUnder: config.exhaustedUnder },
        'every column is cut there',
      ),
    )
  for (const { policy, result } of runs)
    if (result.exhausted)
      lines.push(
        `${policy}: the page stream was exhausted again, the run ends after ${formatCell(result.summary.workUsed * config.workUsed, 'share')} of the work`,
      )
  return lines
}
