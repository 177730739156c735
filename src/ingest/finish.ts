import { insertStatements } from '../database/packed.ts'
import { quoteText } from '../database/quote.ts'
import { allColumns, tableOf } from '../database/schema.ts'
import type { RowWriter } from '../database/writer.ts'
import { PAGE_ALIASES } from './identities.ts'
import { STAGED_SWAPOUTS } from './swapout-rows.ts'

export interface FinishOptions {
  /** Folios could be stored by others: what never met a queue is `bypass`. */
  readonly asynchronous: boolean
  /** Capacity of the queue where it is known; else the longest queue seen. */
  readonly queueDepth: number | undefined
  /** A full queue makes kswapd store the new folio itself (kcompressd), instead of the oldest. */
  readonly storesNewestWhenFull: boolean
  readonly devicePlace: string | undefined
  /** Every folio was one page: the kernel's counter of written pages equals the number of events. */
  readonly singlePages: boolean
  /** From then on stores may be hidden that no gap tells of. */
  readonly hiddenSinceNs: bigint | null
}

/**
 * Turns the staged swap-outs into the table: page aliases, path by the length of the queue at submission, lanes and ranks.
 * Ranks count only what could meet a queue, which is known only now.
 */
export async function finishSwapouts(
  writer: Pick<RowWriter, 'run'>,
  traceId: number,
  options: FinishOptions,
): Promise<void> {
  const table = tableOf('swapouts')
  const columns = allColumns(table)
    .map(({ name }) => name)
    .filter((name) => name !== 'run_id' && name !== 'compressed_bytes')
  const sql = finishedSql(traceId, options)
  await writer.run(insertStatements(table, { columns, sql }).join(';\n'))
}

const STAGED = `temp.${STAGED_SWAPOUTS.name}`
/** A gate shorter than the shortest store held none: a zero page, or a hand-over. */
const STORES = 'NOT (gate_ns < (SELECT store_ns FROM shortest))'

/** What the queue tells of the staged swap-outs: its length at each submission, its shortest store and its longest wait. */
const MEASURED_SQL = `
    steps AS (
      SELECT node, submit_ns AS moment, 1 AS step FROM ${STAGED} WHERE path IN ('queued', 'displaced')
      UNION ALL
      SELECT node, start_ns, -1 FROM ${STAGED} WHERE path IN ('queued', 'displaced') AND start_ns IS NOT NULL
    ), lengths AS (
      SELECT node, moment, sum(step) OVER (PARTITION BY node ORDER BY moment, step ROWS UNBOUNDED PRECEDING) AS queued
      FROM steps
    ), shortest AS (
      SELECT min(stored_ns - start_ns) AS store_ns FROM ${STAGED} WHERE path IN ('queued', 'displaced')
    ), longest AS (
      SELECT coalesce(max(start_ns - submit_ns), 0) AS queued_ns FROM ${STAGED} WHERE path IN ('queued', 'displaced')
    ), measured AS (
      SELECT s.*, l.queued FROM ${STAGED} s
      ASOF LEFT JOIN lengths l ON s.node = l.node AND s.submit_ns > l.moment
    )`

function finishedSql(traceId: number, options: FinishOptions): string {
  const aliases = `temp.${PAGE_ALIASES.name}`
  const order = options.singlePages ? 'coalesce(folio_order, 0)' : 'folio_order'
  const { path, place, inGate, isDoubted } = expressionsOf(options)
  return `
    WITH ${MEASURED_SQL}, paths AS (
      SELECT * REPLACE (
          ${path} AS path,
          CASE WHEN ${isDoubted} THEN NULL WHEN ${inGate} THEN submit_ns ELSE start_ns END AS start_ns,
          CASE WHEN ${isDoubted} THEN NULL WHEN ${inGate} THEN submit_ns + gate_ns ELSE stored_ns END AS stored_ns,
          CASE WHEN ${isDoubted} THEN NULL WHEN ${inGate} THEN task_id ELSE stored_by END AS stored_by
        ), coalesce(node::VARCHAR, '?') || '/' || context AS lane
      FROM measured
    )
    SELECT ${traceId} AS trace_id, swapout_id, coalesce(a.page_id, p.page_id) AS page_id, ts_ns, submit_ns, start_ns,
      stored_ns, freed_ns, task_id, tid, cpu, node, pfn, swap_type, swap_offset, ${order} AS folio_order, context, path,
      CASE WHEN path = 'bypass' THEN CASE WHEN context <> 'kswapd' THEN 'context'
          WHEN ${STORES} THEN 'not queueable' ELSE 'zero' END END AS bypass_reason,
      stored_by, ${place} AS place, lane, ${rankOf('submit_ns')} AS submit_rank, ${rankOf('start_ns')} AS start_rank,
      ${rankOf('stored_ns')} AS done_rank, span_id
    FROM paths p LEFT JOIN ${aliases} a ON p.page_id = a.alias
    ORDER BY swapout_id`
}

/** SQL of a staged swap-out: its path and place, whether its gate held its store, and whether hidden stores leave that open. */
function expressionsOf(options: FinishOptions): {
  readonly path: string
  readonly place: string
  readonly inGate: string
  readonly isDoubted: string
} {
  if (!options.asynchronous)
    return { path: 'path', place: 'place', inGate: 'false', isDoubted: 'false' }
  const full = options.storesNewestWhenFull
    ? `queued >= ${options.queueDepth ?? '(SELECT max(queued) FROM lengths)'}`
    : 'false'
  const unmatched = "context = 'kswapd' AND path IS NULL"
  const inGate = `(${unmatched} AND (unresolved = 0 OR ${STORES}))`
  const isDoubted =
    options.hiddenSinceNs === null
      ? 'false'
      : `(${unmatched} AND NOT ${STORES} AND submit_ns >= ${options.hiddenSinceNs} - (SELECT queued_ns FROM longest))`
  const path = `CASE WHEN path IS NOT NULL THEN path
            WHEN ${isDoubted} THEN NULL
            WHEN context <> 'kswapd' THEN if(unresolved = 1, NULL, 'bypass')
            WHEN NOT ${inGate} THEN NULL
            WHEN ${STORES} AND ${full} THEN 'inline'
            ELSE 'bypass' END`
  const device = options.devicePlace === undefined ? 'NULL' : quoteText(options.devicePlace)
  const place = `CASE WHEN place IS NOT NULL OR gate_ns IS NULL OR (SELECT store_ns FROM shortest) IS NULL THEN place
            WHEN ${STORES} THEN ${device}
            WHEN path = 'bypass' THEN 'zero' END`
  return { path, place, inGate, isDoubted }
}

/** What is known only at the end of rows that were not staged. */
export async function amendSwapouts(
  writer: Pick<RowWriter, 'run'>,
  traceId: number,
  options: { singlePages: boolean; aliases: number },
): Promise<void> {
  if (options.singlePages)
    await writer.run(
      `UPDATE packed.swapouts_shapes SET folio_order = 0
       WHERE trace_id = ${traceId} AND run_id IS NULL AND folio_order IS NULL`,
    )
  if (options.aliases > 0) await renumberPages(writer, 'swapouts', traceId)
}

/** Replaces page ids that turned out to be another page's. */
export async function renumberPages(
  writer: Pick<RowWriter, 'run'>,
  table: 'swapouts' | 'pool_moves',
  traceId: number,
): Promise<void> {
  const aliases = `temp.${PAGE_ALIASES.name}`
  const own = `SELECT shape FROM packed.${table}_shapes WHERE trace_id = ${traceId} AND run_id IS NULL`
  const parts = table === 'swapouts' ? ['rows', 'brief'] : ['rows']
  for (const part of parts)
    await writer.run(`
      UPDATE packed.${table}_${part} r SET cells = struct_update(r.cells, page_id := a.page_id) FROM ${aliases} a
      WHERE r.cells.page_id = a.alias AND r.cells.shape IN (${own})`)
}

/** A folio of kswapd whose store is not in the trace was handed over all the same, where stores are. */
function rankOf(moment: string): string {
  const isHandedOver =
    "path IS NULL AND context = 'kswapd' AND (SELECT store_ns FROM shortest) IS NOT NULL"
  const counts = `(path <> 'bypass' OR ${isHandedOver}) AND ${moment} IS NOT NULL`
  return `CASE WHEN ${counts} THEN row_number() OVER (
    PARTITION BY lane, ${counts} ORDER BY ${moment}, swapout_id) END`
}
