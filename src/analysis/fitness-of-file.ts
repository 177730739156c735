import type { Answer } from './fitness.ts'

/** What reading a file gave, before any table is made of it. */
export interface Contents {
  readonly file: string
  readonly format: string
  readonly kernel: string | undefined
  readonly arch: string | undefined
  readonly clock: string | undefined
  readonly cpus: number | undefined
  /** Events by `system:name`. */
  readonly events: ReadonlyMap<string, number>
  readonly count: number
  readonly lengthNs: number
  /** Roles of the events that occurred, and of those that the file describes. */
  readonly roles: ReadonlySet<string>
  readonly described: ReadonlySet<string>
  readonly gaps: number
  /** undefined = the number is not known. */
  readonly lost: number | undefined
  /** A thread that stores pages for others is named. */
  readonly hasCompressor: boolean
  readonly issues: readonly {
    readonly code: string
    readonly severity: string
    readonly count: number
    readonly message: string
  }[]
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

/** Answers from the events that the file has; snapshots beside it are another matter (`pstrace info` after ingest). */
export function diagnose(contents: Contents): Finding[] {
  const { roles } = contents
  // An event that is described but never came was recorded: nothing happened.
  const has = (...wanted: readonly string[]) =>
    wanted.every((role) => roles.has(role) || contents.described.has(role))
  const lossy =
    contents.gaps === 0
      ? ''
      : `; ${contents.lost ?? 'an unknown number of'} events were lost, so figures are bounds`
  const finding = (
    question: string,
    parts: {
      yes: boolean
      partly: boolean
      sure: string
      unsure: string
      add: readonly (readonly [boolean, string])[]
    },
  ): Finding => {
    const answer: Answer = parts.yes
      ? contents.gaps > 0
        ? 'partly'
        : 'yes'
      : parts.partly
        ? 'partly'
        : 'no'
    const confidence = parts.yes
      ? parts.sure
      : parts.partly
        ? parts.unsure
        : 'nothing to tell it from'
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
  // Where no other thread stores, mm_vmscan_write_folio comes right after the store.
  const stores = gate && (gateEnd || (writes && !contents.hasCompressor))
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
      unsure: contents.hasCompressor
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
      yes: gate && reads && has('slot_free'),
      partly: gate && reads,
      sure: 'a page is followed by its swap entry from store to read to free',
      unsure: 'entries are reused, and their frees are not recorded',
      add: [
        [gate, GATE],
        [reads, READ],
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
        [false, `${ZONEINFO} (node of each pfn)`],
      ],
    }),
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
      yes: direct && kswapd && sched && stores && reads,
      partly: writes && (direct || kswapd),
      sure: has('retry_zone')
        ? 'pages, entries, times; free memory at anchors of reclaim_retry_zone'
        : 'pages, entries, times; free memory only from watermarks',
      unsure:
        gate && reads
          ? 'times of stores or of waiting are guessed'
          : 'pages without identity: no swap-in can be replayed',
      add: [
        [direct, DIRECT],
        [kswapd, KSWAPD],
        [sched, SWITCH],
        [has('waking'), WAKING],
        [gate, GATE],
        [stores || !gate, GATE_END],
        [reads, READ],
        [has('retry_zone'), RETRY],
        [false, `${ZONEINFO} and /proc/vmstat`],
      ],
    }),
  ]
}
