import { sayNumber } from './comparison.ts'
import type { ReportData, RunFacts } from './data.ts'

/** The metric by which readers choose: time that applications lose. */
const CHOSEN_BY = 'app_stall_ns'

/**
 * The comparison in sentences: what was recorded, what each run needed, how far the self-replay is off, and whether the best run's lead is
 * larger than that. Empty without runs.
 */
export function toAnswer({
  metrics,
  runs,
}: Pick<ReportData, 'metrics'> & {
  readonly runs: readonly Pick<RunFacts, 'config'>[]
}): readonly string[] {
  const metric = metrics.find((candidate) => candidate.metric === CHOSEN_BY)
  if (metric === undefined) return []
  const replayed = metric.figures
    .flatMap(({ column, value }) => (value === undefined ? [] : [{ column, value }]))
    .filter(({ column }) => column !== 'recording')
    .sort((a, b) => a.value - b.value)
  const [best, next] = replayed
  if (best === undefined) return []
  const say = (value: number): string => `${sayNumber(value)} ${metric.unit}`
  const recorded = metric.figures.find(({ column }) => column === 'recording')?.value
  const lines = [
    `${metric.title}: ${recorded === undefined ? '' : `recorded ${say(recorded)}; `}replayed ${replayed.map(({ column, value }) => `${column} ${say(value)}`).join(', ')}.`,
  ]
  const { policy: known, unlike } = recordedRun(runs)
  const self = replayed.find(({ column }) => column === (known ?? 'kswapd'))
  const error =
    self === undefined || recorded === undefined || unlike.length > 0
      ? undefined
      : Math.abs(self.value - recorded)
  if (self !== undefined && recorded !== undefined)
    lines.push(
      error === undefined
        ? `${self.column}, the recorded policy, was replayed with another machine or work than the recorded one (${unlike.join(', ')}): how far the replay misses the recording is told by one without that.`
        : `The replay under ${self.column}, ${known === undefined ? 'if that is what was recorded' : 'the recorded policy'}, misses the recording by ${say(error)}: differences of that size decide nothing.`,
    )
  if (next !== undefined && next.value === best.value)
    lines.push(
      `Least: ${best.column} and ${next.column} alike, so this recording does not choose between them.`,
    )
  else if (next !== undefined) {
    const lead = next.value - best.value
    const verdict =
      error === undefined
        ? 'without a replay of the recorded policy on the recorded machine nobody can say whether that is more than the error of the model'
        : lead > error
          ? 'more than the replay misses the recording by'
          : 'no more than the replay misses the recording by, so this recording does not choose between them'
    lines.push(`Least: ${best.column}; ${next.column} is ${say(lead)} behind, ${verdict}.`)
  }
  return lines
}

interface RecordedRun {
  /** undefined = no run says which it was. */
  readonly policy: string | undefined
  /** What the replay of that policy has otherwise than the recorded machine. */
  readonly unlike: readonly string[]
}

/** What the runs say of the recording's policy and of its replay. */
function recordedRun(runs: readonly Pick<RunFacts, 'config'>[]): RecordedRun {
  const configs = runs.flatMap(({ config }) => (config === null ? [] : [toConfig(config)]))
  const policy = configs.find(({ recordedPolicy }) => recordedPolicy !== undefined)?.recordedPolicy
  const own = configs.find((config) => config.policy === policy)
  const unlike = own?.unlikeRecorded ?? []
  return { policy, unlike: own?.recordedWorkNs === null ? ['workload', ...unlike] : unlike }
}

interface ConfigOfRun {
  readonly policy?: string
  readonly recordedPolicy?: string
  /** null: what was replayed came from a folder. */
  readonly recordedWorkNs?: number | null
  /** Absent in runs of versions that did not tell. */
  readonly unlikeRecorded?: readonly string[]
}

function toConfig(config: string): ConfigOfRun {
  const parsed: unknown = JSON.parse(config)
  return typeof parsed === 'object' && parsed !== null ? parsed : {}
}
