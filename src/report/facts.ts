import { settingsGiven } from '../analysis/settings-given.ts'
import type { ChartSubject, Theme } from '../charts/index.ts'
import { plural } from '../model/counted.ts'
import { groupBy } from '../model/group-by.ts'
import { sayNumber } from './comparison.ts'
import type { ReportData, ReportFacts } from './data.ts'

/** What every figure of a report rests on, one line each: always its first lines. */
export function toFactLines(data: ReportFacts): readonly (readonly [name: string, said: string])[] {
  const { trace } = data
  const seconds =
    trace.start_ns === null || trace.end_ns === null
      ? undefined
      : Number(BigInt(trace.end_ns) - BigInt(trace.start_ns)) / 1e9
  const machine = [
    trace.cpus === null ? undefined : plural(trace.cpus, 'CPU'),
    trace.nodes === null ? undefined : plural(trace.nodes, 'node'),
    trace.page_size === null ? undefined : `pages of ${trace.page_size} bytes`,
  ]
  const recording = [
    trace.name,
    trace.format ?? undefined,
    trace.events === null ? undefined : `${sayNumber(trace.events)} events`,
    seconds === undefined ? undefined : `${sayNumber(seconds)} s`,
  ]
  return [
    ['trace', join(recording)],
    ['kernel', join([trace.kernel_release ?? 'not known', trace.arch ?? undefined, ...machine])],
    ['losses', sayLosses(data)],
    [
      'contents',
      data.runs.length === 0
        ? 'nothing replayed'
        : `${sayShared(data, (run) => run.content_source)} (traces hold no page contents)`,
    ],
    ['demand', data.runs.length === 0 ? 'nothing replayed' : sayShared(data, (run) => run.demand)],
    ['work', sayWork(data)],
    ['runs', sayRuns(data)],
  ]
}

type Run = ReportData['runs'][number]

/** Each run's number, and what it ran with; runs of which the same is to be said together. */
function sayRuns({ runs }: ReportFacts): string {
  if (runs.length === 0) return 'none'
  const named = groupBy(runs, (run) =>
    join([
      run.backend ?? undefined,
      sayCodec(run),
      run.clock === null ? undefined : `${run.clock} clock`,
      run.cpus === null ? undefined : `cpus ${run.cpus}`,
      run.seed === null ? undefined : `seed ${run.seed}`,
    ]),
  )
  return [...named]
    .map(([said, same]) => {
      const names = same
        .map((run) => {
          const given = [`run ${run.run_id}`, ...settingsGiven(run.config)]
          return `${run.column} (${given.join(', ')})`
        })
        .join(', ')
      return said === '' ? names : `${names}: ${said}`
    })
    .join('; ')
}

function sayCodec({ codec, codec_version: version }: Run): string | undefined {
  if (codec === null) return undefined
  return version === null ? codec : `${codec} (${version})`
}

/** What of the recorded work the columns show: they can be compared only over the same. */
function sayWork(data: ReportFacts): string {
  const parts = groupBy(data.runs, (run) => saySpan(run.config))
  const [only] = parts.keys()
  if (only === undefined) return 'nothing replayed'
  if (parts.size === 1) return `every column over ${only}`
  return `runs over different work, not to be compared with each other: ${[...parts].map(([said, runs]) => `${runs.map(({ column }) => column).join(', ')} over ${said}`).join('; ')}`
}

function saySpan(config: string | null): string {
  const { recordedWorkNs, startOffsetNs, workUsed, exhaustedUnder } = parseWork(config)
  if (recordedWorkNs === undefined) return 'a workload from elsewhere'
  const span = `${sayNumber(recordedWorkNs / 1e9)} s of the recording, from ${sayNumber((startOffsetNs ?? 0) / 1e9)} s on`
  if (exhaustedUnder === undefined || workUsed === undefined) return span
  return `${span} (${sayNumber(workUsed * 100)} % of the work: there the page stream was exhausted under ${exhaustedUnder})`
}

interface WorkOfRun {
  readonly recordedWorkNs?: number
  readonly startOffsetNs?: number
  readonly workUsed?: number
  readonly exhaustedUnder?: string
}

/** NULLs count as absent. */
function parseWork(config: string | null): WorkOfRun {
  const parsed: unknown = config === null ? {} : JSON.parse(config)
  if (typeof parsed !== 'object' || parsed === null) return {}
  return Object.fromEntries(Object.entries(parsed).filter(([, value]) => value !== null))
}

function sayLosses({ losses }: ReportFacts): string {
  if (losses.gaps === 0) return 'no event lost'
  const counted = `${sayNumber(losses.lostEvents)} events lost`
  const gaps = `${plural(losses.gaps, 'gap')} of together ${sayNumber(losses.gapNs / 1e6)} ms`
  const unknown =
    losses.uncountedGaps > 0 ? `; in ${losses.uncountedGaps} of them the number is not known` : ''
  return `${counted} in ${gaps}${unknown}: figures of the recording are intervals over what the gaps may hide`
}

/** The lines under every chart's title, so that a picture that travels alone still says them. */
export function toChartSubject(data: ReportFacts, theme: Theme, width: number): ChartSubject {
  const { trace, losses } = data
  const lost =
    losses.gaps === 0
      ? 'no event lost'
      : `${sayNumber(losses.lostEvents)}${losses.uncountedGaps > 0 ? '+' : ''} events lost`
  const rests = [`recording: kernel ${trace.kernel_release ?? 'not known'}, ${lost}`]
  if (data.runs.length > 0)
    rests.push(
      `runs: contents ${sayShared(data, (run) => run.content_source)}, demand ${sayShared(data, (run) => run.demand)}, clock ${sayShared(data, (run) => run.clock)}`,
    )
  return { trace: trace.name, columns: data.columns, rests, theme, width }
}

function sayShared(data: ReportFacts, pick: (run: Run) => string | null): string {
  const values = new Set(data.runs.map((run) => pick(run) ?? 'not known'))
  if (values.size === 1) return [...values][0] ?? 'not known'
  return data.runs.map((run) => `${run.column}: ${pick(run) ?? 'not known'}`).join(', ')
}

function join(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join(', ')
}

/** What limits a reading of the figures, in sentences; the same in every form of the report. */
export function toCaveats(data: ReportData): readonly string[] {
  const out: string[] = []
  if (data.runs.length > 0)
    out.push(
      'Runs are replays of the recorded work in a model of the machine, not measurements on a device. `pstrace validate` says how well the model predicts this recording.',
    )
  if (data.runs.some((run) => run.demand === 'open'))
    out.push(
      'Open demand keeps the recorded arrival times: a faster policy does not let tasks proceed earlier, so gains under overload are overstated.',
    )
  if (data.runs.length > 0)
    out.push(
      'Compressed sizes of runs come from the named contents; sizes of the recording come from its own probes, where it has them.',
    )
  if (data.losses.gaps > 0)
    out.push('Events were lost: percentiles of the recording rest on the stalls that were seen.')
  const censored = data.stallTasks.reduce((sum, task) => sum + task.censored, 0)
  if (censored > 0)
    out.push(
      `${sayNumber(censored)} stalls are censored (an end was not seen); they count with the length that was seen.`,
    )
  return out
}
