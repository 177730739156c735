import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from './query.ts'

export type Answer = 'yes' | 'partly' | 'no'

/** Whether a trace can answer a question, and what would be missing. */
export interface Fitness {
  readonly question: string
  readonly answer: Answer
  readonly why: string
}

interface Counts {
  readonly swapouts: number
  readonly gated: number
  readonly with_entry: number
  readonly swapins: number
  readonly spans: number
  readonly kswapd_spans: number
  readonly states: number
  readonly zones: number
  readonly vmstat: number
  readonly lost_gaps: number
}

/** What the recording of a trace can answer. Needs the views. */
export async function readFitness(
  connection: DuckDBConnection,
  traceId: number,
): Promise<Fitness[]> {
  const recording = `trace_id = ${traceId} AND run_id IS NULL`
  const [counts] = await readRows<Counts>(
    connection,
    `SELECT
      (SELECT count(*) FROM swapouts WHERE ${recording}) AS swapouts,
      (SELECT count(*) FROM swapouts WHERE ${recording} AND submit_ns IS NOT NULL) AS gated,
      (SELECT count(*) FROM swapouts WHERE ${recording} AND swap_offset IS NOT NULL) AS with_entry,
      (SELECT count(*) FROM swapins WHERE ${recording}) AS swapins,
      (SELECT count(*) FROM reclaim_spans WHERE ${recording}) AS spans,
      (SELECT count(*) FROM kswapd_spans WHERE ${recording}) AS kswapd_spans,
      (SELECT count(*) FROM thread_states WHERE ${recording}) AS states,
      (SELECT count(*) FROM zones WHERE trace_id = ${traceId} AND wmark_low IS NOT NULL) AS zones,
      (SELECT count(*) FROM samples WHERE ${recording} AND name LIKE 'vmstat.%') AS vmstat,
      (SELECT count(*) FROM losses WHERE trace_id = ${traceId}) AS lost_gaps`,
  )
  const events = await readRows<{ event: string }>(
    connection,
    `SELECT DISTINCT system || ':' || event AS event FROM raw_fields WHERE trace_id = ${traceId}`,
  )
  if (counts === undefined) return []
  return judge(counts, new Set(events.map(({ event }) => event)))
}

/** Event names end with the tracepoint's name, whatever group a text form gives. */
function describes(events: ReadonlySet<string>, name: string): boolean {
  for (const event of events) if (event.endsWith(`:${name}`)) return true
  return false
}

export function judge(counts: Counts, events: ReadonlySet<string>): Fitness[] {
  const stalls = describes(events, 'mm_vmscan_direct_reclaim_begin')
  const sched = describes(events, 'sched_switch')
  const lossy = counts.lost_gaps > 0
  const worst = (answer: Answer): Answer => (answer === 'yes' && lossy ? 'partly' : answer)
  const lostNote = lossy ? '; events were lost' : ''
  return [
    {
      question: 'who stalled, and for how long',
      answer: worst(stalls ? 'yes' : 'no'),
      why:
        (stalls
          ? 'direct reclaim begin and end are recorded'
          : 'needs the events vmscan:mm_vmscan_direct_reclaim_begin and _end') + lostNote,
    },
    {
      question: 'what stalls were spent on',
      answer: worst(stalls && sched ? 'yes' : stalls ? 'partly' : 'no'),
      why:
        (sched
          ? 'sched:sched_switch tells running from waiting'
          : 'without sched:sched_switch waiting cannot be told from running') + lostNote,
    },
    {
      question: 'how kswapd spent its time',
      answer: worst(
        sched && counts.kswapd_spans > 0
          ? counts.gated > 0
            ? 'yes'
            : 'partly'
          : counts.kswapd_spans > 0
            ? 'partly'
            : 'no',
      ),
      why:
        (!sched
          ? 'needs sched:sched_switch for time on the CPU'
          : counts.gated > 0
            ? 'the begin of each swap-out is probed, so scan and store are apart'
            : 'without a probe at swap_writepage (swap_writeout) scan and store cannot be told apart') +
        lostNote,
    },
    {
      question: 'in which order pages were stored',
      answer: worst(counts.swapouts === 0 ? 'no' : counts.gated > 0 ? 'yes' : 'partly'),
      why:
        (counts.swapouts === 0
          ? 'no swap-out was recorded'
          : counts.gated > 0
            ? 'hand-over and end of each swap-out are recorded'
            : 'only the end of each swap-out is recorded') + lostNote,
    },
    {
      question: 'which pages came back (refaults)',
      answer: worst(counts.with_entry > 0 && counts.swapins > 0 ? 'yes' : 'no'),
      why:
        (counts.with_entry === 0
          ? 'needs the swap entry at swap-out (probe at swap_writepage or swap_writeout)'
          : counts.swapins === 0
            ? 'needs the swap entry at swap-in (probe at swap_readpage or swap_read_folio); none was recorded'
            : 'swap entries are recorded at swap-out and swap-in') + lostNote,
    },
    {
      question: 'what another policy would have done (replay)',
      answer: worst(
        stalls && sched && counts.with_entry > 0 && counts.swapins > 0 && counts.zones > 0
          ? 'yes'
          : counts.swapouts > 0
            ? 'partly'
            : 'no',
      ),
      why:
        listMissing([
          [counts.swapouts > 0, 'swap-outs'],
          [sched, 'sched:sched_switch'],
          [counts.with_entry > 0, 'swap entries at swap-out'],
          [counts.swapins > 0, 'swap-ins'],
          [counts.zones > 0, 'watermarks (zoneinfo beside the trace)'],
        ]) + lostNote,
    },
    {
      question: "does the trace agree with the kernel's counters",
      answer: counts.vmstat > 0 ? 'yes' : 'no',
      why:
        counts.vmstat > 0
          ? 'vmstat was recorded beside the trace'
          : 'needs vmstat before and after (--snapshots)',
    },
  ]
}

function listMissing(parts: readonly (readonly [boolean, string])[]): string {
  const missing = parts.filter(([present]) => !present).map(([, name]) => name)
  return missing.length === 0
    ? 'everything replay reads is recorded'
    : `missing: ${missing.join(', ')}`
}
