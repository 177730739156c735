import type { DuckDBConnection } from '@duckdb/node-api'
import { type Evidence, type Question, toQuestions } from './fitness-questions.ts'
import { readRows } from './query.ts'
import { wholeCounters } from './whole-counters.ts'

export type { Evidence } from './fitness-questions.ts'

export type Answer = 'yes' | 'partly' | 'no'

/** One kind of event in a trace. */
export interface EventKind {
  readonly system: string
  readonly name: string
  readonly fields: readonly string[]
  readonly count: number
}

/** One question and how far the file answers it. */
export interface Finding {
  readonly question: string
  readonly answer: Answer
  /** What the answer rests on. */
  readonly confidence: string
  /** Events or probes that would make it better; '' = none. */
  readonly add: string
}

/** Tools that record what they are told describe that alone; more systems than this are all that the kernel has. */
const MOST_CHOSEN_SYSTEMS = 20
const ENTRY_FIELDS: ReadonlySet<string> = new Set(['entry', 'ent', 'swap_entry', 'val'])

const SHOWS_DEMAND: ReadonlySet<string> = new Set(['direct_begin', 'wakeup_kswapd', 'swap_read'])
const SHOWS_SWAP_OUTS: ReadonlySet<string> = new Set(['write_folio', 'gate'])

/** An event that never came was recorded where its description shows that it was asked for. */
export function recordedEvents(events: readonly EventKind[]): readonly EventKind[] {
  const isChosen = new Set(events.map(({ system }) => system)).size <= MOST_CHOSEN_SYSTEMS
  return isChosen ? events : events.filter(({ count }) => count > 0)
}

/** Every kind of event that an ingested trace describes. */
export async function readEventKinds(
  connection: DuckDBConnection,
  traceId: number,
): Promise<EventKind[]> {
  const events = await readRows<{ system: string; event: string; fields: string; count: number }>(
    connection,
    `WITH counts AS (
      SELECT name, sum(value) AS n FROM samples
      WHERE trace_id = ${traceId} AND run_id IS NULL AND name LIKE 'events.%' GROUP BY name
    )
    SELECT f.system, f.event, string_agg(f.field, ' ') AS fields, CAST(coalesce(any_value(c.n), 0) AS BIGINT) AS count
    FROM raw_fields f LEFT JOIN counts c ON c.name = 'events.' || f.system || ':' || f.event
    WHERE f.trace_id = ${traceId} GROUP BY f.system, f.event`,
  )
  return events.map(({ system, event, fields, count }) => ({
    system,
    name: event,
    fields: fields.split(' '),
    count,
  }))
}

/** Roles of what was recorded. */
export function recordedRoles(
  events: readonly EventKind[],
  roleOf: (system: string, name: string) => string | undefined,
): Set<string> {
  const roles = new Set<string>()
  for (const { system, name, fields, count } of recordedEvents(events)) {
    const role = roleOf(system, name)
    if (role === undefined) continue
    roles.add(role)
    if (count > 0 && SHOWS_DEMAND.has(role)) roles.add('demand')
    if (count > 0 && SHOWS_SWAP_OUTS.has(role)) roles.add('swap-outs')
    if (fields.some((field) => ENTRY_FIELDS.has(field))) roles.add(`${role}:entry`)
  }
  return roles
}

/** What an ingested recording can answer. `roleOf` tells what an event is for. */
export async function readFitness(
  connection: DuckDBConnection,
  traceId: number,
  roleOf: (system: string, name: string) => string | undefined,
): Promise<Finding[]> {
  // Threads that only replays have were never seen in the recording: they have no first time.
  const [facts] = await readRows<{
    gaps: number
    lost: number | null
    compressors: number
    zones: number
    vmstat: number
    disks: number
  }>(
    connection,
    `SELECT lost_gaps AS gaps, lost_events AS lost,
      (SELECT count(*) FROM tasks WHERE trace_id = ${traceId} AND kind = 'compressor' AND first_ns IS NOT NULL) AS compressors,
      (SELECT count(*) FROM zones WHERE trace_id = ${traceId} AND wmark_low IS NOT NULL) AS zones,
      (SELECT count(*) FROM (${wholeCounters(traceId)})) AS vmstat,
      (SELECT count(*) FROM swap_devices WHERE trace_id = ${traceId} AND kind <> 'zram') AS disks
    FROM traces WHERE trace_id = ${traceId}`,
  )
  if (facts === undefined) return []
  return diagnose({
    roles: recordedRoles(await readEventKinds(connection, traceId), roleOf),
    gaps: facts.gaps,
    lost: facts.lost ?? undefined,
    hasCompressor: facts.compressors > 0,
    hasZoneinfo: facts.zones > 0,
    hasVmstat: facts.vmstat > 0,
    hasDisk: facts.disks > 0,
  })
}

/** One finding per question, in the order in which they are asked, with the reason for what cannot be answered. */
export function diagnose(evidence: Evidence): Finding[] {
  return toQuestions(evidence).map((question) => answer(question, evidence))
}

function answer(asked: Question, { gaps, lost }: Evidence): Finding {
  const { question, add } = asked
  const missing = add.filter(([isThere]) => !isThere).map(([, what]) => what)
  if (!asked.yes && !asked.partly)
    return {
      question,
      answer: 'no',
      confidence: asked.none ?? 'nothing to tell it from',
      add: missing.join('; '),
    }
  const restsOn = asked.yes ? asked.sure : asked.unsure
  const lossy = `; ${lost ?? 'an unknown number of'} events were lost, so figures are bounds`
  return {
    question,
    answer: asked.yes && gaps === 0 ? 'yes' : 'partly',
    confidence: gaps === 0 ? restsOn : restsOn + lossy,
    add: missing.join('; '),
  }
}
