const GATE = 'probe swap_writepage (swap_writeout from 6.16) with its swap entry'
const GATE_END = 'return probe of the same function'
const READ = 'probe swap_read_folio (swap_readpage until 6.1) with its swap entry'
const FAULT = 'probe and return probe of do_swap_page'
const SWITCH = 'sched:sched_switch, unfiltered'
const WAKING = 'sched:sched_waking'
const DIRECT = 'vmscan:mm_vmscan_direct_reclaim_begin and _end'
const THROTTLED = 'vmscan:mm_vmscan_throttled (5.16 and later)'
const KSWAPD = 'vmscan:mm_vmscan_kswapd_wake and _sleep'
const WAKEUP = 'vmscan:mm_vmscan_wakeup_kswapd'
const WRITE = 'vmscan:mm_vmscan_write_folio (mm_vmscan_writepage until 5.17)'
const SHRINK = 'vmscan:mm_vmscan_lru_shrink_inactive'
const RETRY = 'oom:reclaim_retry_zone'
const FREE = 'probe zram_slot_free_notify with its index'
const ZONEINFO = '/proc/zoneinfo beside the trace'
const REQUESTS = 'block:block_rq_issue and block_rq_complete'
const VMSTAT = '/proc/vmstat before and after, beside the trace'

/** What a trace holds, as far as its fitness for questions depends on it. */
export interface Evidence {
  /**
   * Roles of the events that were recorded; `gate:entry` and `swap_read:entry` where those have the swap entry, `demand` where a task asked
   * for memory under pressure, `swap-outs` where a page was written out.
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

/** What answers a question wholly or in part, and what the answer rests on then. */
export interface Question {
  readonly question: string
  readonly yes: boolean
  readonly partly: boolean
  readonly sure: string
  readonly unsure: string
  /** Instead of the usual words for nothing. */
  readonly none?: string
  /** What makes the answer better, and whether it is there. */
  readonly add: readonly (readonly [isThere: boolean, what: string])[]
}

/** Evidence in the terms of the questions. */
interface Known extends Evidence {
  has(...roles: readonly string[]): boolean
  readonly sched: boolean
  readonly direct: boolean
  /** Reclaim for memory cgroups. */
  readonly memcg: boolean
  readonly kswapd: boolean
  readonly writes: boolean
  readonly reads: boolean
  readonly gateEntry: boolean
  readonly readEntry: boolean
  readonly stores: boolean
  /** What would show begin and end of stores. */
  readonly addStores: Question['add']
  readonly addStoreEnds: Question['add']
}

/** In the order in which they are asked. */
export function toQuestions(evidence: Evidence): Question[] {
  const known = toKnown(evidence)
  return [
    askStalls(known),
    askPartsOfStalls(known),
    askKswapd(known),
    askSwapIns(known),
    askRefaults(known),
    askNodes(known),
    ...(evidence.hasDisk || known.has('block_issue') ? [askDisk(known)] : []),
    askOrder(known),
    askReplay(known),
    askCounters(known),
  ]
}

function toKnown(evidence: Evidence): Known {
  const has = (...roles: readonly string[]) => roles.every((role) => evidence.roles.has(role))
  const gate = has('gate')
  const writes = has('write_folio')
  // Where no other thread stores, mm_vmscan_write_folio comes right after the store.
  const stores = gate && (has('gate_end') || (writes && !evidence.hasCompressor))
  const addStoreEnds: Question['add'] = [[stores || !gate, GATE_END]]
  return {
    ...evidence,
    has,
    sched: has('sched_switch'),
    direct: has('direct_begin', 'direct_end'),
    memcg: has('memcg_begin', 'memcg_end'),
    kswapd: has('kswapd_wake'),
    writes,
    reads: has('swap_read'),
    // Times alone tell what a page cost, the swap entry which page it was.
    gateEntry: has('gate:entry'),
    readEntry: has('swap_read:entry'),
    stores,
    addStores: [[gate, GATE], ...addStoreEnds],
    addStoreEnds,
  }
}

/** Where direct reclaim was not recorded. */
const OF_MEMCGS = 'reclaim for memory cgroups only'

function askStalls({ direct, has, memcg }: Known): Question {
  return {
    question: 'who stalled, and for how long',
    yes: direct && has('throttled'),
    partly: direct || memcg,
    sure: 'begin, end and throttling of direct reclaim by thread',
    unsure: direct ? 'begin and end only; throttling before direct reclaim is not seen' : OF_MEMCGS,
    add: [
      [direct, DIRECT],
      [has('throttled'), THROTTLED],
    ],
  }
}

function askPartsOfStalls({ addStores, direct, has, memcg, sched, stores }: Known): Question {
  return {
    question: 'what a stall was spent on',
    yes: direct && sched && stores,
    partly: (direct || memcg) && (sched || has('gate')),
    sure: 'running from waiting by the scheduler, stores by their probes',
    unsure: sayUnsureOfParts({ direct, sched, stores }),
    add: [[direct, DIRECT], [sched, SWITCH], [has('waking'), WAKING], ...addStores],
  }
}

function sayUnsureOfParts({
  direct,
  sched,
  stores,
}: Pick<Known, 'direct' | 'sched' | 'stores'>): string {
  const unsure = [
    ...(direct ? [] : [OF_MEMCGS]),
    ...(sched ? [] : ['waiting is not told from running']),
    ...(sched && !stores ? ['scan and store are not told apart'] : []),
  ]
  return unsure.join('; ')
}

function askKswapd({ addStores, hasCompressor, kswapd, sched, stores, writes }: Known): Question {
  return {
    question: 'how kswapd divides its time into scan and store',
    yes: sched && stores && kswapd,
    partly: writes && (sched || kswapd),
    sure: 'each store has begin and end, time on CPU is known',
    unsure: hasCompressor
      ? 'another thread stores pages, so gaps between events say nothing of stores'
      : 'from gaps between events: the lower mode of a mixture',
    add: [[kswapd, KSWAPD], [sched, SWITCH], ...addStores],
  }
}

function askSwapIns({ has, reads }: Known): Question {
  const faults = has('fault', 'fault_end')
  return {
    question: 'swap-in latency',
    yes: faults && reads,
    partly: reads || faults || has('block_issue', 'block_complete'),
    sure: 'each swap fault has begin, end and swap entry',
    unsure: reads ? 'swap-ins are counted; their end is not seen' : 'faults or disk reads only',
    add: [
      [reads, READ],
      [faults, FAULT],
    ],
  }
}

function askRefaults({ gateEntry, has, readEntry }: Known): Question {
  return {
    question: 'which pages came back (refaults)',
    yes: gateEntry && readEntry && has('slot_free'),
    partly: gateEntry && readEntry,
    sure: 'a page is followed by its swap entry from store to read to free',
    unsure: 'entries are reused, and their frees are not recorded',
    add: [
      [gateEntry, GATE],
      [readEntry, READ],
      [has('slot_free'), FREE],
    ],
  }
}

function askNodes({ has, hasZoneinfo, kswapd }: Known): Question {
  return {
    question: 'which node: reclaim, wake-ups, stalls',
    yes: has('shrink_inactive') && has('wakeup_kswapd') && kswapd,
    partly: kswapd || has('shrink_inactive'),
    sure: 'kswapd, its wakers and batches name their node',
    unsure: "by kswapd's thread only; whose pages direct reclaim took is open",
    add: [
      [kswapd, KSWAPD],
      [has('wakeup_kswapd'), WAKEUP],
      [has('shrink_inactive'), SHRINK],
      [hasZoneinfo, `${ZONEINFO} (node of each pfn)`],
    ],
  }
}

function askDisk({ has }: Known): Question {
  const requests = has('block_issue', 'block_complete')
  return {
    question: 'how long the disk takes for a request',
    yes: requests,
    partly: false,
    sure: 'each request has issue and completion',
    unsure: '',
    none: 'replays take the latency and bandwidth that they are given',
    add: [[requests, REQUESTS]],
  }
}

function askOrder({ addStores, has, stores, writes }: Known): Question {
  return {
    question: 'in which order pages were stored',
    yes: stores && writes,
    partly: writes || has('gate'),
    sure: 'hand-over and end of each store',
    unsure: 'ends of hand-over only',
    add: [...addStores, [writes, WRITE]],
  }
}

function askReplay(known: Known): Question {
  const { direct, gateEntry, has, hasZoneinfo, kswapd, readEntry, sched, stores } = known
  const demand = has('demand')
  const swapsOut = has('swap-outs')
  return {
    question: 'what another policy would have done (replay)',
    yes:
      demand &&
      swapsOut &&
      direct &&
      kswapd &&
      sched &&
      stores &&
      gateEntry &&
      readEntry &&
      hasZoneinfo,
    partly: demand && swapsOut,
    sure: has('retry_zone')
      ? 'pages, entries, times; free memory at anchors of reclaim_retry_zone'
      : 'pages, entries, times; free memory only from watermarks',
    none: demand ? 'no page was swapped out' : 'no task reclaimed, woke kswapd or swapped in',
    unsure: toGuessed(known),
    add: [
      [direct, DIRECT],
      [kswapd, KSWAPD],
      [sched, SWITCH],
      [has('waking'), WAKING],
      [known.writes, WRITE],
      [gateEntry, GATE],
      ...known.addStoreEnds,
      [readEntry, READ],
      [has('retry_zone'), RETRY],
      [hasZoneinfo, ZONEINFO],
    ],
  }
}

/** What a replay lacks and takes a guess at. */
function toGuessed(known: Known): string {
  const { direct, gateEntry, hasZoneinfo, kswapd, readEntry, sched, stores } = known
  const guessed = [
    ...(gateEntry && readEntry ? [] : ['pages without identity: no swap-in can be replayed']),
    ...(stores ? [] : ['costs of stores are guessed']),
    ...(sched ? [] : ['time on the CPU is guessed']),
    ...(hasZoneinfo ? [] : ['watermarks are guessed']),
    ...(direct && kswapd ? [] : ['free memory is known at fewer moments']),
  ]
  return guessed.join('; ')
}

function askCounters({ hasVmstat }: Known): Question {
  return {
    question: "does it agree with the kernel's counters",
    yes: hasVmstat,
    partly: false,
    sure: 'each counter and the events that it counts stand side by side',
    unsure: '',
    add: [[hasVmstat, VMSTAT]],
  }
}
