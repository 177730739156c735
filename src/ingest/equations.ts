import type { Database } from '../database/database.ts'

/** Two counts of the same thing, one from the trace's events, one from the kernel's counters beside it. */
export interface Equation {
  readonly name: string
  /** What the trace shows. */
  readonly left: string
  readonly leftValue: number
  /** What /proc/vmstat counted between the two snapshots. */
  readonly right: string
  readonly rightValue: number
  /** right - left. */
  readonly difference: number
  /**
   * `exact`; `losses`: events were lost and the trace shows no more than was counted; `retries`: the kernel counts a repeated
   * direct reclaim again; `no`: unexplained.
   */
  readonly explanation: 'exact' | 'losses' | 'retries' | 'no'
}

/** The equations of a trace for which both sides are recorded. */
export async function checkEquations(database: Database, traceId: number): Promise<Equation[]> {
  const counters = await readCounters(database, traceId)
  const events = await readEventCounts(database, traceId)
  const [trace] = await database.query(
    'SELECT lost_events AS lost, lost_gaps AS gaps FROM traces WHERE trace_id = ?',
    [traceId],
  )
  const lossy = Number(trace?.['gaps'] ?? 0) > 0
  const equations: Equation[] = []
  const add = (
    name: string,
    left: string,
    leftValue: number | undefined,
    names: readonly string[],
    retries = 0,
  ): void => {
    const rightValue = sum(counters, names)
    if (leftValue === undefined || rightValue === undefined) return
    const difference = rightValue - leftValue
    const explanation =
      difference === 0
        ? 'exact'
        : lossy && difference > 0
          ? 'losses'
          : difference > 0 && difference <= retries
            ? 'retries'
            : 'no'
    const right = names
      .filter((counter) => counters.has(counter.replace(/^-/, '')))
      .join(' + ')
      .replaceAll('+ -', '- ')
    equations.push({ name, left, leftValue, right, rightValue, difference, explanation })
  }
  const one = async (sql: string): Promise<Record<string, number>> => {
    const [row] = await database.query(sql, [traceId])
    return Object.fromEntries(
      Object.entries(row ?? {}).map(([name, value]) => [name, Number(value ?? 0)]),
    )
  }
  const swapouts = await one(
    `SELECT count(*) AS folios, count(submit_ns) AS gated, coalesce(sum(1 << coalesce(folio_order, 0)), 0) AS pages,
       coalesce(sum(1 << coalesce(folio_order, 0)) FILTER (submit_ns IS NOT NULL), 0) AS gated_pages
     FROM swapouts WHERE trace_id = ? AND run_id IS NULL`,
  )
  const spans = await one(
    `SELECT count(*) FILTER (kind = 'direct' AND coalesce(censored, '') <> 'start') AS direct,
       count(*) FILTER (kind = 'direct' AND coalesce(nr_reclaimed, 0) = 0) AS empty
     FROM reclaim_spans WHERE trace_id = ? AND run_id IS NULL`,
  )
  const swapins = await one(
    'SELECT count(*) AS pages FROM swapins WHERE trace_id = ? AND run_id IS NULL',
  )
  const steals = await one(
    `SELECT coalesce(sum(nr_reclaimed) FILTER (k.kind = 'kswapd'), 0) AS kswapd,
       coalesce(sum(nr_reclaimed) FILTER (k.kind <> 'kswapd'), 0) AS direct, count(nr_reclaimed) AS batches
     FROM shrink_batches b JOIN tasks k USING (trace_id, task_id) WHERE trace_id = ? AND b.run_id IS NULL`,
  )
  const writes = events.get('mm_vmscan_write_folio') ?? events.get('mm_vmscan_writepage')
  if (writes !== undefined)
    add(
      'written pages',
      'pages of mm_vmscan_write_folio',
      writes + (swapouts['pages'] ?? 0) - (swapouts['folios'] ?? 0),
      ['nr_vmscan_write'],
    )
  if ((swapouts['gated'] ?? 0) > 0)
    add('swapped-out pages', 'pages of swapouts', swapouts['gated_pages'], [
      'pswpout',
      'zswpout',
      'swpout_zero',
      '-zswpwb',
    ])
  if (events.has('mm_vmscan_direct_reclaim_begin'))
    add(
      'direct reclaims',
      'spans of kind direct',
      spans['direct'],
      [...counters.keys()].filter((name) => name.startsWith('allocstall_')),
      // Each empty-handed reclaim is repeated once with a full walk, and may be repeated for deactivation and memory.low.
      3 * (spans['empty'] ?? 0),
    )
  if ((swapins['pages'] ?? 0) > 0)
    add('swapped-in pages', 'rows of swapins', swapins['pages'], ['pswpin', 'zswpin', 'swpin_zero'])
  if ((steals['batches'] ?? 0) > 0) {
    add('pages reclaimed by kswapd', 'nr_reclaimed of shrink_batches by kswapd', steals['kswapd'], [
      'pgsteal_kswapd',
    ])
    add('pages reclaimed by others', 'nr_reclaimed of other shrink_batches', steals['direct'], [
      'pgsteal_direct',
      'pgsteal_khugepaged',
      'pgsteal_proactive',
    ])
  }
  return equations
}

/** Sum of counters, those prefixed with - subtracted; undefined when none is recorded. */
function sum(counters: ReadonlyMap<string, number>, names: readonly string[]): number | undefined {
  let total: number | undefined
  for (const name of names) {
    const value = counters.get(name.replace(/^-/, ''))
    if (value !== undefined) total = (total ?? 0) + (name.startsWith('-') ? -value : value)
  }
  return total
}

async function readCounters(database: Database, traceId: number): Promise<Map<string, number>> {
  const rows = await database.query(
    `SELECT name, arg_max(value, ts_ns) - arg_min(value, ts_ns) AS delta, count(*) AS n
     FROM samples WHERE trace_id = ? AND run_id IS NULL AND starts_with(name, 'vmstat.') GROUP BY name`,
    [traceId],
  )
  const counters = new Map<string, number>()
  for (const { name, delta, n } of rows)
    if (Number(n) > 1) counters.set(String(name).slice('vmstat.'.length), Number(delta))
  return counters
}

/** Number of events by name, whatever their group. */
async function readEventCounts(database: Database, traceId: number): Promise<Map<string, number>> {
  const rows = await database.query(
    `SELECT split_part(name, ':', 2) AS event, sum(value) AS n
     FROM samples WHERE trace_id = ? AND run_id IS NULL AND starts_with(name, 'events.') GROUP BY event`,
    [traceId],
  )
  return new Map(rows.map(({ event, n }) => [String(event), Number(n)]))
}
