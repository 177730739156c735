import type { Result, ResultColumn, Value } from '../analysis/result.ts'
import type { Replayer } from '../analysis/validate.ts'
import { resolveReplay } from '../config/replay.ts'
import type { Settings } from '../config/settings.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { type RunResult, replay } from '../replay/replay.ts'
import type { Workload } from '../workload/types.ts'
import { usageError } from './failure.ts'
import { runInterruptibly, throwIfInterrupted } from './interrupt.ts'
import { startProgress } from './progress.ts'
import { calibratedGenerator, storedBytesOf } from './run-contents.ts'
import { openResources, planRuns } from './run-plan.ts'

/** What is replayed, in the words of a first line. */
export const REPLAYED =
  "demand closed loop, contents from a generator calibrated to the pool's growth"

/** Seeds 1 to the number that was asked for. */
export function toSeeds(given: string): number[] {
  const count = Number(given)
  if (!(Number.isInteger(count) && count >= 1 && count <= 1000))
    throw usageError(`--seeds ${given}: expected a whole number from 1 to 1000`)
  return Array.from({ length: count }, (_, index) => index + 1)
}

export function describeSeeds(seeds: readonly number[]): string {
  return seeds.length === 1 ? 'one seed' : `${seeds.length} seeds`
}

/** For people: figures are medians of a few runs, of which four digits are more than they are worth. */
export function toShownResult<Name extends string>(
  columns: readonly (ResultColumn & { readonly name: Name })[],
  rows: readonly Readonly<Record<Name, string | number | boolean | null>>[],
): Result {
  const toShown = (value: string | number | boolean | null): Value => {
    if (typeof value !== 'number') return value
    return Number.isFinite(value) ? Number(value.toPrecision(4)) : null
  }
  return { columns, rows: rows.map((row) => columns.map(({ name }) => toShown(row[name]))) }
}

/** Replays under the recorded policy with the tunables that it was recorded with, or under another that has these, with progress. */
export async function withReplayer<T>(
  settings: Settings,
  given: {
    readonly replays: number
    readonly recordedPolicy: string
    readonly set?: readonly string[]
  },
  validate: (replayer: Replayer) => Promise<T>,
): Promise<T> {
  const progress = startProgress(settings, 'replaying', 'count')
  let done = 0
  const replayer: Replayer = async (run) => {
    await throwIfInterrupted()
    const result =
      run.policy === undefined
        ? await replayOnce(run, given.recordedPolicy, tunablesAsRecorded(run.workload))
        : await replayOnce(run, run.policy, given.set ?? [])
    progress.update(++done, given.replays)
    return result
  }
  try {
    return await validate(replayer)
  } finally {
    progress.stop()
  }
}

function tunablesAsRecorded({ recordedTunables = {} }: Workload): string[] {
  return Object.entries(recordedTunables).map(([name, { value }]) => `${name}=${value}`)
}

async function replayOnce(
  { workload, seed, demandScale, sink }: Parameters<Replayer>[0],
  policy: string,
  set: readonly string[],
): Promise<RunResult> {
  const request = resolveReplay({ policy: [policy], set, seed: String(seed) })
  const plan = planRuns(request, workload)
  const [run] = plan.runs
  if (run === undefined) throw usageError('validate: no policy to replay')
  const resources = await openResources(plan.workload, run.config)
  const contents = calibrated(workload, run.config.codec, seed) ?? resources.contents.contents
  try {
    return runInterruptibly(() =>
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
  } finally {
    resources.contents.close()
  }
}

/** Contents of which a stored page takes as much of the pool as it did in the recording. */
function calibrated(workload: Workload, codec: string, seed: number): PageContents | undefined {
  // Of zswap the trace's counters tell more: what a page takes, and which share is refused.
  if (workload.machine.backendParameters['pool_share'] !== undefined) return undefined
  const meanStoredBytes = storedBytesOf(workload.machine)
  if (meanStoredBytes === undefined) return undefined
  return calibratedGenerator(workload, codec, seed, meanStoredBytes)
}
