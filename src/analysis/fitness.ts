import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from './query.ts'

export type Answer = 'yes' | 'partly' | 'no'

/** What a trace holds, as far as its fitness for questions depends on it. */
export interface Evidence {
  /**
   * Roles of the events that were recorded; `gate:entry` and `swap_read:entry` where those have the swap entry, `demand` where a task asked
   * for memory under pressure.
   */
  readonly roles: ReadonlySet<string>
  readonly gaps: number
  /** undefined = the number is not known. */
  readonly lost: number | undefined
  /** A thread that stores pages for others is named. */
  readonly hasCompressor: boolean
  /** Read beside the trace. */
  readonly hasZoneinfo: boolean
  readonly hasVmstat: boolean
  /** Swap lies on a disk or a file, zswap before it or not. */
  readonly hasDisk: boolean
}

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

const GATE = 'probe swap_writepage (swap_writeout from 6.16) with its swap entry'
const GATE_END = 'return probe of the same function'
const READ = 'probe swap_read_folio (swap_readpage until 6.1) with its swap entry'
const FAULT = 'probe and return probe of do_swap_page'
const SWITCH = 'sched:sched_switch, unfiltered'
const WAKING = 'sched:sched_waking'
const DIRECT = 'vmscan:mm_vmscan_direct_reclaim_begin and _end'
const KSWAPD = 'vmscan:mm_vmscan_kswapd_wake and _sleep'
const WRITE = 'vmscan:mm_vmscan_write_folio (mm_vmscan_writepage until 5.17)'
const SHRINK = 'vmscan:mm_vmscan_lru_shrink_inactive'
const RETRY = 'oom:reclaim_retry_zone'
const FREE = 'probe zram_slot_free_notify with its index'
const ZONEINFO = '/proc/zoneinfo beside the trace'
const REQUESTS = 'block:block_rq_issue and block_rq_complete'
const VMSTAT = '/proc/vmstat before and after, beside the trace'

/** Tools that record what they are told describe that alone; more systems than this are all that the kernel has. */
const MOST_CHOSEN_SYSTEMS = 20
const ENTRY_FIELDS: ReadonlySet<string> = new Set(['entry', 'ent', 'swap_entry', 'val'])

const SHOWS_DEMAND: ReadonlySet<string> = new Set(['direct_begin', 'wakeup_kswapd', 'swap_read'])

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
      (SELECT count(*) FROM samples WHERE trace_id = ${traceId} AND run_id IS NULL AND name LIKE 'vmstat.%') AS vmstat,
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
  const { roles } = evidence
  const has = (...wanted: readonly string[]) => wanted.every((role) => roles.has(role))
  const lossy =
    evidence.gaps === 0
      ? ''
      : `; ${evidence.lost ?? 'an unknown number of'} events were lost, so figures are bounds`
  const finding = (
    question: string,
    parts: {
      yes: boolean
      partly: boolean
      sure: string
      unsure: string
      none?: string
      add: readonly (readonly [boolean, string])[]
    },
  ): Finding => {
    const answer: Answer = parts.yes
      ? evidence.gaps > 0
        ? 'partly'
        : 'yes'
      : parts.partly
        ? 'partly'
        : 'no'
    const confidence = parts.yes
      ? parts.sure
      : parts.partly
        ? parts.unsure
        : (parts.none ?? 'nothing to tell it from')
    return {
      question,
      answer,
      confidence: confidence + (answer === 'no' ? '' : lossy),
      add: parts.add
        .filter(([present]) => !present)
        .map(([, what]) => what)
        .join('; '),
    }
  }
  const sched = has('sched_switch')
  const direct = has('direct_begin', 'direct_end')
  const kswapd = has('kswapd_wake')
  const writes = has('write_folio')
  const gate = has('gate')
  const gateEnd = has('gate_end')
  const reads = has('swap_read')
  // Times alone tell what a page cost, the swap entry which page it was.
  const gateEntry = has('gate:entry')
  const readEntry = has('swap_read:entry')
  const demand = has('demand')
  const { hasZoneinfo } = evidence
  // Where no other thread stores, mm_vmscan_write_folio comes right after the store.
  const stores = gate && (gateEnd || (writes && !evidence.hasCompressor))
  return [
    finding('who stalled, and for how long', {
      yes: direct && has('throttled'),
      partly: direct || has('memcg_begin', 'memcg_end'),
      sure: 'begin, end and throttling of direct reclaim by thread',
      unsure: 'begin and end only; throttling before direct reclaim is not seen',
      add: [
        [direct, DIRECT],
        [has('throttled'), 'vmscan:mm_vmscan_throttled (5.16 and later)'],
      ],
    }),
    finding('what a stall was spent on', {
      yes: direct && sched && stores,
      partly: direct && (sched || gate),
      sure: 'running from waiting by the scheduler, stores by their probes',
      unsure: sched ? 'scan and store are not told apart' : 'waiting is not told from running',
      add: [
        [direct, DIRECT],
        [sched, SWITCH],
        [has('waking'), WAKING],
        [gate, GATE],
        [stores || !gate, GATE_END],
      ],
    }),
    finding('how kswapd divides its time into scan and store', {
      yes: sched && stores && kswapd,
      partly: writes && (sched || kswapd),
      sure: 'each store has begin and end, time on CPU is known',
      unsure: evidence.hasCompressor
        ? 'another thread stores pages, so gaps between events say nothing of stores'
        : 'from gaps between events: the lower mode of a mixture',
      add: [
        [kswapd, KSWAPD],
        [sched, SWITCH],
        [gate, GATE],
        [stores || !gate, GATE_END],
      ],
    }),
    finding('swap-in latency', {
      yes: has('fault', 'fault_end') && reads,
      partly: reads || has('fault', 'fault_end') || has('block_issue', 'block_complete'),
      sure: 'each swap fault has begin, end and swap entry',
      unsure: reads ? 'swap-ins are counted; their end is not seen' : 'faults or disk reads only',
      add: [
        [reads, READ],
        [has('fault', 'fault_end'), FAULT],
      ],
    }),
    finding('which pages came back (refaults)', {
      yes: gateEntry && readEntry && has('slot_free'),
      partly: gateEntry && readEntry,
      sure: 'a page is followed by its swap entry from store to read to free',
      unsure: 'entries are reused, and their frees are not recorded',
      add: [
        [gateEntry, GATE],
        [readEntry, READ],
        [has('slot_free'), FREE],
      ],
    }),
    finding('which node: reclaim, wake-ups, stalls', {
      yes: has('shrink_inactive') && has('wakeup_kswapd') && kswapd,
      partly: kswapd || has('shrink_inactive'),
      sure: 'kswapd, its wakers and batches name their node',
      unsure: "by kswapd's thread only; whose pages direct reclaim took is open",
      add: [
        [kswapd, KSWAPD],
        [has('wakeup_kswapd'), 'vmscan:mm_vmscan_wakeup_kswapd'],
        [has('shrink_inactive'), SHRINK],
        [hasZoneinfo, `${ZONEINFO} (node of each pfn)`],
      ],
    }),
    ...(evidence.hasDisk || has('block_issue')
      ? [
          finding('how long the disk takes for a request', {
            yes: has('block_issue', 'block_complete'),
            partly: false,
            sure: 'each request has issue and completion',
            unsure: '',
            none: 'replays take the latency and bandwidth that they are given',
            add: [[has('block_issue', 'block_complete'), REQUESTS]],
          }),
        ]
      : []),
    finding('in which order pages were stored', {
      yes: stores && writes,
      partly: writes || gate,
      sure: 'hand-over and end of each store',
      unsure: 'ends of hand-over only',
      add: [
        [gate, GATE],
        [stores || !gate, GATE_END],
        [writes, WRITE],
      ],
    }),
    finding('what another policy would have done (replay)', {
      yes: demand && direct && kswapd && sched && stores && gateEntry && readEntry && hasZoneinfo,
      partly: demand && writes && (direct || kswapd),
      sure: has('retry_zone')
        ? 'pages, entries, times; free memory at anchors of reclaim_retry_zone'
        : 'pages, entries, times; free memory only from watermarks',
      ...(demand ? {} : { none: 'no task reclaimed, woke kswapd or swapped in' }),
      unsure: toUnsureReplay({ sched, stores, entries: gateEntry && readEntry, hasZoneinfo }),
      add: [
        [direct, DIRECT],
        [kswapd, KSWAPD],
        [sched, SWITCH],
        [has('waking'), WAKING],
        [gateEntry, GATE],
        [stores || !gate, GATE_END],
        [readEntry, READ],
        [has('retry_zone'), RETRY],
        [hasZoneinfo, ZONEINFO],
      ],
    }),
    {
      question: "does it agree with the kernel's counters",
      answer: evidence.hasVmstat ? (evidence.gaps > 0 ? 'partly' : 'yes') : 'no',
      confidence: evidence.hasVmstat
        ? `each counter and the events that it counts stand side by side${lossy}`
        : 'nothing to tell it from',
      add: evidence.hasVmstat ? '' : VMSTAT,
    },
  ]
}

function toUnsureReplay(known: {
  readonly sched: boolean
  readonly stores: boolean
  readonly entries: boolean
  readonly hasZoneinfo: boolean
}): string {
  const guessed = [
    ...(known.entries ? [] : ['pages without identity: no swap-in can be replayed']),
    ...(known.stores ? [] : ['costs of stores are guessed']),
    ...(known.sched ? [] : ['time on the CPU is guessed']),
    ...(known.hasZoneinfo ? [] : ['watermarks are guessed']),
  ]
  return guessed.join('; ')
}
