import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from '../query.ts'
import {
  type Measure,
  NEEDS_LANE,
  NEEDS_QUEUE,
  NEEDS_SCHED,
  NEEDS_WORKERS,
  NEEDS_ZSWAP,
} from './measure.ts'

/** What a recording or run holds, as far as reasons go by it. */
interface Holding {
  readonly hasThreads: boolean
  /** kswapd swapped something out: only it hands pages to workers. */
  readonly kswapdStored: boolean
  readonly usesZswap: boolean
}

const KSWAPD_WAS_IDLE = 'kswapd swapped nothing out, and only it hands pages over'
const NONE_IN_RUNS = 'there was none in the runs shown'

/** Says why a measure has no value: what it needs, or, where that is there, what did not happen. */
export class Reasons {
  readonly #holdings: ReadonlyMap<string, Holding>
  /** Of the runs shown under a policy with a queue. */
  readonly #queued: readonly Holding[]

  constructor(
    holdings: ReadonlyMap<string, Holding>,
    shown: readonly Shown[],
    isSynchronous: (label: string) => boolean,
  ) {
    this.#holdings = holdings
    this.#queued = shown
      .filter(({ label, runId }) => runId !== null && !isSynchronous(label))
      .flatMap((each) => this.#of(each) ?? [])
  }

  say({ needs }: Pick<Measure, 'needs'>, of: Shown): string {
    const own = this.#of(of)
    if (
      own?.kswapdStored === false &&
      (needs === NEEDS_LANE || (needs === NEEDS_SCHED && own.hasThreads))
    )
      return 'kswapd swapped nothing out'
    if (needs === NEEDS_SCHED && own?.hasThreads === true) return 'there was none'
    if (needs === NEEDS_ZSWAP && own?.usesZswap === true) return 'no page was written back from it'
    const isOfQueue = needs === NEEDS_QUEUE || needs === NEEDS_WORKERS
    if (!isOfQueue || this.#queued.length === 0) return needs
    return this.#queued.some(({ kswapdStored }) => kswapdStored) ? NONE_IN_RUNS : KSWAPD_WAS_IDLE
  }

  #of({ traceId, runId }: Shown): Holding | undefined {
    return this.#holdings.get(toKey(traceId, runId))
  }
}

interface Shown {
  readonly traceId: number
  readonly runId: number | null
  readonly label: string
}

/** Those with rows. Needs the views. */
export async function readHoldings(connection: DuckDBConnection): Promise<Map<string, Holding>> {
  const rows = await readRows<{
    trace_id: number
    run_id: number | null
    threads: boolean
    stored: boolean
    zswap: boolean
  }>(
    connection,
    `SELECT trace_id, run_id, bool_or(threads) AS threads, bool_or(stored) AS stored, bool_or(zswap) AS zswap FROM (
       SELECT DISTINCT trace_id, run_id, true AS threads, false AS stored, false AS zswap FROM thread_states
       UNION ALL SELECT DISTINCT trace_id, run_id, false, context = 'kswapd', place IS NOT DISTINCT FROM 'zswap' FROM swapouts
     ) GROUP BY ALL`,
  )
  return new Map(
    rows.map(({ trace_id: trace, run_id: run, threads, stored, zswap }) => [
      toKey(trace, run),
      { hasThreads: threads, kswapdStored: stored, usesZswap: zswap },
    ]),
  )
}

function toKey(traceId: number, runId: number | null): string {
  return `${traceId}/${runId ?? ''}`
}
