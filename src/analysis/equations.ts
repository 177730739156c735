import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from './query.ts'

/** A sum of the kernel's own counters that the recording's rows must reach; both sides, so that nobody has to believe. */
export interface Equation {
  readonly equation: string
  /** Rise of the counters between the snapshots before and after. */
  readonly counters: number
  /** What the rows say. */
  readonly rows: number
  readonly difference: number
}

interface Definition {
  readonly equation: string
  readonly plus: readonly string[]
  readonly minus?: readonly string[]
  /** SQL for the other side; `$where` stands for the recording's rows. */
  readonly rows: string
}

const PAGES = 'coalesce(sum(1 << coalesce(folio_order, 0)), 0)'
const BATCHES =
  'coalesce(sum(b.nr_reclaimed), 0) FROM shrink_batches b LEFT JOIN tasks t ON t.trace_id = b.trace_id AND t.task_id = b.task_id'

/** Counters of /proc/vmstat (mm/vmstat.c) and what they count (mm/vmscan.c, mm/page_io.c; 6.1 and 6.12). */
const EQUATIONS: readonly Definition[] = [
  {
    equation: 'nr_vmscan_write = swap-outs written by reclaim',
    plus: ['nr_vmscan_write'],
    rows: `SELECT ${PAGES} AS n FROM swapouts WHERE $where`,
  },
  {
    equation: 'pswpout + zswpout + swpout_zero - zswpwb = pages swapped out',
    plus: ['pswpout', 'zswpout', 'swpout_zero'],
    minus: ['zswpwb'],
    rows: `SELECT ${PAGES} AS n FROM swapouts WHERE $where`,
  },
  {
    equation: 'pswpin + zswpin + swpin_zero = pages swapped in',
    plus: ['pswpin', 'zswpin', 'swpin_zero'],
    rows: 'SELECT count(*) AS n FROM swapins WHERE $where',
  },
  {
    equation: 'sum of allocstall_* = direct reclaims (+ retries)',
    plus: [
      'allocstall_dma',
      'allocstall_dma32',
      'allocstall_normal',
      'allocstall_movable',
      'allocstall_device',
      'allocstall',
    ],
    rows: "SELECT count(*) AS n FROM reclaim_spans WHERE $where AND kind = 'direct'",
  },
  {
    equation: 'pgsteal_anon = anonymous pages reclaimed',
    plus: ['pgsteal_anon'],
    rows: `SELECT ${BATCHES} WHERE b.$where AND b.lru LIKE '%anon'`,
  },
  {
    equation: 'pgsteal_kswapd = pages reclaimed by kswapd',
    plus: ['pgsteal_kswapd'],
    rows: `SELECT ${BATCHES} WHERE b.$where AND t.kind = 'kswapd'`,
  },
  {
    equation: 'pgsteal_direct = pages reclaimed by others',
    plus: ['pgsteal_direct'],
    rows: `SELECT ${BATCHES} WHERE b.$where AND t.kind IS DISTINCT FROM 'kswapd'`,
  },
]

/** The equations whose counters were recorded before and after. Needs the views. */
export async function readEquations(
  connection: DuckDBConnection,
  traceId: number,
): Promise<Equation[]> {
  const samples = await readRows<{ name: string; rise: number; n: number }>(
    connection,
    `SELECT substr(name, 8) AS name, arg_max(value, ts_ns) - arg_min(value, ts_ns) AS rise, count(*) AS n
     FROM samples WHERE trace_id = ${traceId} AND run_id IS NULL AND name LIKE 'vmstat.%' GROUP BY name`,
  )
  const rises = new Map(samples.filter(({ n }) => n > 1).map(({ name, rise }) => [name, rise]))
  const equations: Equation[] = []
  for (const { equation, plus, minus, rows } of EQUATIONS) {
    if (!plus.some((name) => rises.has(name))) continue
    const sum = (names: readonly string[] = []) =>
      names.reduce((total, name) => total + (rises.get(name) ?? 0), 0)
    const counters = sum(plus) - sum(minus)
    const prefix = rows.includes('b.$where') ? 'b.' : ''
    const where = `${prefix}trace_id = ${traceId} AND ${prefix}run_id IS NULL`
    const sql = rows.replace(`${prefix}$where`, where)
    const [row] = await readRows<Readonly<Record<string, number>>>(connection, sql)
    const seen = Number(Object.values(row ?? {})[0] ?? 0)
    equations.push({ equation, counters, rows: seen, difference: seen - counters })
  }
  return equations
}
