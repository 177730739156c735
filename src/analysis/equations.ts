import type { DuckDBConnection } from '@duckdb/node-api'
import { readEventKinds, recordedEvents } from './fitness.ts'
import { readRows } from './query.ts'
import { VMSTAT_PREFIX, wholeCounters } from './whole-counters.ts'

/** A sum of the kernel's own counters that the recording's rows must reach; both sides, so that nobody has to believe. */
export interface Equation {
  readonly equation: string
  /** Rise of the counters between the snapshots before and after. */
  readonly counters: number
  /** What the rows say; NULL where the events that they come from were not recorded. */
  readonly rows: number | null
  readonly difference: number | null
  readonly explanation: Explanation
}

/** Why the two sides of an equation are not the same, from the strongest reason to none. */
export const EXPLANATIONS = {
  exact: 'both sides are the same',
  'not recorded': 'the events that the rows come from were not recorded',
  losses: 'events were lost, and the rows are short by no more than those',
  retries: 'the kernel counts a repeated direct reclaim again, and no more than could be repeated',
  'cut off': "the trace's last event is one of these: they went on until the counters were read",
  'longer snapshots':
    'the counters were read longer before or after than the trace lasts (/proc/stat), so that they may have counted more',
  unexplained: 'none of these reasons holds',
} as const
export type Explanation = keyof typeof EXPLANATIONS

interface Definition {
  readonly equation: string
  readonly plus: readonly string[]
  readonly minus?: readonly string[]
  /** Names of the events, any of which the rows come from. */
  readonly events: readonly string[]
  /** SQL for the other side; `$where` stands for the recording's rows. */
  readonly rows: string
  /** SQL for how often the kernel may have counted again. */
  readonly retries?: string
  /** SQL for the time of the last row. */
  readonly last?: string
}

/** Direct reclaims by zone in /proc/vmstat; old kernels have one for all. */
export const ALLOCSTALLS = [
  'allocstall_dma',
  'allocstall_dma32',
  'allocstall_normal',
  'allocstall_movable',
  'allocstall_device',
  'allocstall',
] as const
const WRITES = ['mm_vmscan_write_folio', 'mm_vmscan_writepage'] as const
const GATES = ['swap_writepage', 'swap_writeout', 'swout'] as const
const READS = ['swap_read_folio', 'swap_readpage', 'swin', 'kprobe_event'] as const
const BATCH_ENDS = ['mm_vmscan_lru_shrink_inactive'] as const
const PAGES = 'coalesce(sum(1 << coalesce(folio_order, 0)), 0)'
const BATCHES =
  'coalesce(sum(b.nr_reclaimed), 0) FROM shrink_batches b LEFT JOIN tasks t ON t.trace_id = b.trace_id AND t.task_id = b.task_id'

/** Reclaim for a cgroup's limit counts in pgsteal_anon, but in neither pgsteal_kswapd nor pgsteal_direct (!cgroup_reclaim in mm/vmscan.c). */
const GLOBAL = `NOT EXISTS (SELECT 1 FROM reclaim_spans m WHERE m.trace_id = b.trace_id AND m.run_id IS NULL
  AND m.kind IN ('memcg', 'memcg_softlimit') AND m.task_id = b.task_id AND b.ts_ns BETWEEN m.start_ns AND m.end_ns)`

/** Counters of /proc/vmstat (mm/vmstat.c) and what they count (mm/vmscan.c, mm/page_io.c; 6.1 and 6.12). */
const EQUATIONS: readonly Definition[] = [
  {
    equation: 'nr_vmscan_write = swap-outs written by reclaim',
    plus: ['nr_vmscan_write'],
    events: WRITES,
    rows: `SELECT ${PAGES} AS n FROM swapouts WHERE $where`,
  },
  {
    equation: 'pswpout + zswpout + swpout_zero - zswpwb = pages swapped out',
    plus: ['pswpout', 'zswpout', 'swpout_zero'],
    minus: ['zswpwb'],
    events: [...WRITES, ...GATES],
    rows: `SELECT ${PAGES} AS n FROM swapouts WHERE $where`,
  },
  {
    equation: 'pswpin + zswpin + swpin_zero = pages swapped in',
    plus: ['pswpin', 'zswpin', 'swpin_zero'],
    events: READS,
    rows: 'SELECT count(*) AS n FROM swapins WHERE $where',
    last: 'SELECT max(ts_ns) AS ns FROM swapins WHERE $where',
  },
  {
    equation: 'sum of allocstall_* = direct reclaims (+ retries)',
    plus: ALLOCSTALLS,
    events: ['mm_vmscan_direct_reclaim_begin'],
    // A span that began before the recording was counted before it.
    rows: "SELECT count(*) AS n FROM reclaim_spans WHERE $where AND kind = 'direct' AND coalesce(censored, '') NOT IN ('start', 'both')",
    // Each empty-handed reclaim is repeated with a full walk, and may be repeated for deactivation and memory.low (do_try_to_free_pages).
    retries:
      "SELECT 3 * count(*) AS n FROM reclaim_spans WHERE $where AND kind = 'direct' AND coalesce(nr_reclaimed, 0) = 0",
  },
  {
    equation: 'pgsteal_anon = anonymous pages reclaimed',
    plus: ['pgsteal_anon'],
    events: BATCH_ENDS,
    rows: `SELECT ${BATCHES} WHERE b.$where AND b.lru LIKE '%anon'`,
  },
  {
    equation: 'pgsteal_kswapd = pages reclaimed by kswapd',
    plus: ['pgsteal_kswapd'],
    events: BATCH_ENDS,
    rows: `SELECT ${BATCHES} WHERE b.$where AND t.kind = 'kswapd' AND ${GLOBAL}`,
  },
  {
    equation: 'pgsteal_direct = pages reclaimed by others, not for a cgroup',
    plus: ['pgsteal_direct', 'pgsteal_khugepaged', 'pgsteal_proactive'],
    events: BATCH_ENDS,
    rows: `SELECT ${BATCHES} WHERE b.$where AND t.kind IS DISTINCT FROM 'kswapd' AND ${GLOBAL}`,
  },
]

/** The equations whose counters were recorded before and after. Needs the views. */
export async function readEquations(
  connection: DuckDBConnection,
  traceId: number,
): Promise<Equation[]> {
  const whole = await readRows<{ name: string; rise: number }>(connection, wholeCounters(traceId))
  const rises = new Map(whole.map(({ name, rise }) => [name.slice(VMSTAT_PREFIX.length), rise]))
  const recorded = new Set(
    recordedEvents(await readEventKinds(connection, traceId)).map(({ name }) => name),
  )
  const trace = await readFrame(connection, traceId)
  const number = async (sql: string): Promise<number> => {
    const prefix = sql.includes('b.$where') ? 'b.' : ''
    const where = `${prefix}trace_id = ${traceId} AND ${prefix}run_id IS NULL`
    const [row] = await readRows<Readonly<Record<string, number>>>(
      connection,
      sql.replace(`${prefix}$where`, where),
    )
    return Number(Object.values(row ?? {})[0] ?? 0)
  }
  const explain = async ({ retries, last }: Definition, missing: number): Promise<Explanation> => {
    if (missing === 0) return 'exact'
    if (missing < 0) return 'unexplained'
    if (missing <= trace.mostLost) return 'losses'
    if (retries !== undefined && missing <= (await number(retries))) return 'retries'
    if (last !== undefined && (await number(last)) === trace.endNs) return 'cut off'
    return trace.snapshotNs > trace.endNs - trace.startNs + CLOCK_TICK_NS
      ? 'longer snapshots'
      : 'unexplained'
  }
  const equations: Equation[] = []
  for (const definition of EQUATIONS) {
    const { equation, plus, minus, events, rows } = definition
    if (!plus.some((name) => rises.has(name))) continue
    const sum = (names: readonly string[] = []) =>
      names.reduce((total, name) => total + (rises.get(name) ?? 0), 0)
    const counters = sum(plus) - sum(minus)
    if (!events.some((name) => recorded.has(name))) {
      const nothing = { rows: null, difference: null, explanation: 'not recorded' } as const
      equations.push({ equation, counters, ...nothing })
      continue
    }
    const seen = await number(rows)
    const explanation = await explain(definition, counters - seen)
    equations.push({ equation, counters, rows: seen, difference: seen - counters, explanation })
  }
  return equations
}

/** /proc counts in USER_HZ, 100 a second on arm64 and x86. */
const CLOCK_TICK_NS = 10_000_000

interface Frame {
  readonly startNs: number
  readonly endNs: number
  readonly mostLost: number
  /** Time between the snapshots before and after; NaN where /proc/stat was not recorded. */
  readonly snapshotNs: number
}

async function readFrame(connection: DuckDBConnection, traceId: number): Promise<Frame> {
  const [trace] = await readRows<{
    start_ns: number
    end_ns: number
    lost_gaps: number
    lost_events: number | null
    before: string | null
    after: string | null
  }>(
    connection,
    `SELECT start_ns, end_ns, lost_gaps, lost_events, snapshot ->> '$."stat.before"' AS before,
       snapshot ->> '$."stat.after"' AS after FROM traces WHERE trace_id = ${traceId}`,
  )
  if (trace === undefined) return { startNs: 0, endNs: 0, mostLost: 0, snapshotNs: Number.NaN }
  return {
    startNs: trace.start_ns,
    endNs: trace.end_ns,
    mostLost: trace.lost_gaps === 0 ? 0 : (trace.lost_events ?? Number.POSITIVE_INFINITY),
    snapshotNs: (cpuTicks(trace.after) - cpuTicks(trace.before)) * CLOCK_TICK_NS,
  }
}

/** Ticks of one cpu since boot, busy or idle: user to steal of /proc/stat's first line over the number of cpus; guests are in user. */
function cpuTicks(stat: string | null): number {
  const [, ...all] =
    /^cpu .*$/m
      .exec(stat ?? '')?.[0]
      .trim()
      .split(/\s+/) ?? []
  const cpus = stat?.match(/^cpu\d+ /gm)?.length ?? 0
  return all.slice(0, 8).reduce((sum, ticks) => sum + Number(ticks), 0) / cpus
}
