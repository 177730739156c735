import { PstraceError } from '../model/error.ts'
import type { ValueKind } from '../model/rows.ts'

/**
 * The database's tables as data. The SQL that creates them, the comments in the catalogue, the checks on appended rows and
 * the reference page all come from here.
 */

export const SCHEMA_VERSION = 7

export type SqlType =
  | 'INTEGER'
  | 'UINTEGER'
  | 'BIGINT'
  | 'UBIGINT'
  | 'DOUBLE'
  | 'BOOLEAN'
  | 'VARCHAR'
  | 'JSON'

export interface ColumnDefinition {
  readonly name: string
  readonly type: SqlType
  readonly comment: string
  /** A moment on the trace's clock (not a duration): appended relative to the trace's base. */
  readonly moment?: true
  /** Never NULL; of an INTEGER or UINTEGER. */
  readonly filled?: true
  /**
   * All values there are, of a VARCHAR that tables store as ENUM: written to millions of rows, strings cost more than all
   * numbers together. Alphabetical, so that ENUM and text sort alike.
   */
  readonly values?: readonly string[]
}

/** What is kept of a row in brief, and how each other column follows from it: SQL over the row `r` and its shape `s`. */
interface BriefForm {
  readonly kept: readonly ColumnDefinition[]
  readonly cells: Readonly<Record<string, string>>
}

/** A row for each row `r` of a brief form (`by`: TABLE_FORM), with shape `s`, that fulfils the condition if there is one. */
interface ImpliedRows {
  readonly by: string
  readonly where?: string
  readonly cells: Readonly<Record<string, string>>
}

export interface TableDefinition {
  readonly name: string
  /** Schema of the database; default main. */
  readonly schema?: string
  /** The table that this one is a part of (packed.ts). */
  readonly partOf?: string
  readonly comment: string
  /** All of a row's values are fields of one STRUCT column (packed.ts). */
  readonly nested?: true
  /** What the rows belong to: nothing, a trace, or a trace and (NULL for the recording) a run. */
  readonly scope: 'catalogue' | 'trace' | 'run'
  /** Columns with few values together: each combination is kept once, and the rows hold its number (packed.ts). */
  readonly shared?: readonly string[]
  /** How rows can be kept with fewer and narrower values, by the form's name: a buffer whose table is NAME_FORM holds such rows. */
  readonly briefs?: Readonly<Record<string, BriefForm>>
  /** Rows that rows in brief of this table, or of others above it, stand for as well. */
  readonly implied?: readonly ImpliedRows[]
  /** In table order, without the leading trace_id and run_id of `scope`. */
  readonly columns: readonly ColumnDefinition[]
}

const TRACE_ID: ColumnDefinition = {
  name: 'trace_id',
  type: 'INTEGER',
  comment: 'Trace the row belongs to (traces.trace_id).',
}
const RUN_ID: ColumnDefinition = {
  name: 'run_id',
  type: 'INTEGER',
  comment: 'Run that produced the row (runs.run_id); NULL for the recording itself.',
}

const MOMENTS = new Set([
  'ts_ns',
  'start_ns',
  'end_ns',
  'submit_ns',
  'stored_ns',
  'freed_ns',
  'first_ns',
  'last_ns',
  'issue_ns',
  'complete_ns',
  'killed_ns',
])

function column(name: string, type: SqlType, comment: string): ColumnDefinition {
  return MOMENTS.has(name) ? { name, type, comment, moment: true } : { name, type, comment }
}

/** A value of 32 bits in every row. */
function filled(name: string, type: 'INTEGER' | 'UINTEGER', comment: string): ColumnDefinition {
  return { name, type, comment, filled: true }
}

function choice(name: string, values: readonly string[], comment: string): ColumnDefinition {
  return { name, type: 'VARCHAR', comment, values: values.toSorted() }
}

const TASK_ID = column('task_id', 'BIGINT', 'Task (tasks.task_id); stable while tids are reused.')
const TID = column('tid', 'INTEGER', "Thread id; the kernel's pid.")
const CPU = column('cpu', 'INTEGER', 'CPU number.')
const NODE = column('node', 'INTEGER', 'NUMA node.')
const START = column(
  'start_ns',
  'BIGINT',
  "Start, ns in the trace's clock (runs: since the run's start).",
)
const END = column(
  'end_ns',
  'BIGINT',
  'End, ns, same clock as start_ns; of a censored end the last moment at which it was known to last.',
)
const TS = column('ts_ns', 'BIGINT', "Time, ns in the trace's clock (runs: since the run's start).")
const SWAP_TYPE = column(
  'swap_type',
  'INTEGER',
  'Swap area number of the swap entry (swap_devices.swap_type).',
)
const SWAP_OFFSET = column('swap_offset', 'BIGINT', 'Page offset within the swap area.')
const PAGE_ID = column(
  'page_id',
  'BIGINT',
  'Identity of the page, followed over swap-out and swap-in by its swap entry; never a pfn. In the recording every swap-out keeps the identity of the swap-in that read the same entry before, where that is known.',
)

/** What is said of a swap-out by its end alone, which is at `ts`. */
function ungatedCells(ts: string): Readonly<Record<string, string>> {
  return {
    ts_ns: ts,
    page_id: 'NULL',
    submit_ns: 'NULL',
    start_ns: 'NULL',
    stored_ns: ts,
    freed_ns: 'NULL',
    swap_offset: 'NULL',
    compressed_bytes: 'NULL',
    submit_rank: 'NULL',
    start_rank: 'NULL',
    span_id: 'nullif(r.span_id, 0)',
  }
}

const UNGATED = [
  filled('swapout_id', 'INTEGER', 'As in swapouts.'),
  TS,
  filled('pfn', 'UINTEGER', 'As in swapouts.'),
  filled('done_rank', 'INTEGER', 'As in swapouts.'),
  filled('span_id', 'INTEGER', 'As in swapouts; 0 = none.'),
]

const EIGHT = [1, 2, 3, 4, 5, 6, 7, 8]

/** State `k` of four runs, each with the state that followed it. */
function stateOfFour(k: number): Readonly<Record<string, string>> {
  const start_ns = k === 1 ? 'r.start_ns' : `r.start_ns + r.at_${k - 1}`
  const times = { start_ns, end_ns: `r.start_ns + r.at_${k}` }
  return k % 2 === 1 ? { ...times, state: "'running'" } : { ...times, doing: "'none'" }
}

const CENSORED = column(
  'censored',
  'VARCHAR',
  'Which ends were not seen (lost events or edge of the trace): NULL none, start, end, both.',
)

export const TABLES: readonly TableDefinition[] = [
  {
    name: 'traces',
    comment: 'One row per ingested recording.',
    scope: 'catalogue',
    columns: [
      column('trace_id', 'INTEGER', 'Number of the trace in this database, from 1.'),
      column('name', 'VARCHAR', 'Name given at ingest; default the file or folder name.'),
      column('path', 'VARCHAR', 'Path as given; - for standard input.'),
      column('format', 'VARCHAR', 'File format, e.g. trace.dat v7.'),
      column('sha256', 'VARCHAR', 'SHA-256 of the input, hexadecimal.'),
      column('kernel_release', 'VARCHAR', 'Release of the recorded kernel (uname -r).'),
      column('arch', 'VARCHAR', 'Machine architecture.'),
      column('cpus', 'INTEGER', 'Number of CPUs.'),
      column('nodes', 'INTEGER', 'Number of NUMA nodes.'),
      column('page_size', 'INTEGER', 'Bytes per page.'),
      column('clock', 'VARCHAR', 'Trace clock (mono, boot, local, ...).'),
      column('start_ns', 'BIGINT', 'Time of the first event, ns in the trace clock.'),
      column('end_ns', 'BIGINT', 'Time of the last event, ns in the trace clock.'),
      column('events', 'BIGINT', 'Number of events read.'),
      column('lost_events', 'BIGINT', 'Events known to be lost, where the source gives a number.'),
      column('lost_gaps', 'BIGINT', 'Intervals in which events were lost, counted or not.'),
      column(
        'snapshot',
        'JSON',
        'Files recorded beside the trace: /proc/vmstat, zoneinfo, zram, zswap, ... by file name.',
      ),
      column('state', 'VARCHAR', 'loading or complete; readers see complete traces only.'),
      column('schema_version', 'INTEGER', 'Version of the schema that wrote the trace.'),
      column('pstrace_version', 'VARCHAR', 'Version of pstrace that ingested the trace.'),
    ],
  },
  {
    name: 'tasks',
    comment:
      'Threads seen in a trace. A tid that is reused, and a kernel thread started anew, is a new task.',
    scope: 'trace',
    columns: [
      column('task_id', 'BIGINT', 'Number of the task within the trace, from 1.'),
      TID,
      column('tgid', 'INTEGER', "Thread group id (user space's process id) where known."),
      column('comm', 'VARCHAR', 'Latest name of the thread.'),
      column(
        'kind',
        'VARCHAR',
        'kswapd, kcompactd, compressor (stores pages for others), kworker, or user.',
      ),
      column('node', 'INTEGER', 'Node of a per-node kernel thread.'),
      column('process', 'VARCHAR', "First word of its process's command line where known."),
      column('package', 'VARCHAR', 'Android package of its process where known.'),
      column('cgroup', 'VARCHAR', 'Control group where known.'),
      column(
        'oom_score_adj',
        'INTEGER',
        "Its process's last known oom_score_adj (all of them: samples named process.TGID.oom_score_adj).",
      ),
      column('killed_ns', 'BIGINT', 'When its process was killed to free memory, ns.'),
      column('killed_by', 'VARCHAR', 'oom (the kernel), lmkd or lowmemorykiller (Android).'),
      column('first_ns', 'BIGINT', 'First time seen, ns.'),
      column('last_ns', 'BIGINT', 'Last time seen, ns.'),
    ],
  },
  {
    name: 'zones',
    comment: 'Memory zones with their watermarks, in pages.',
    scope: 'trace',
    columns: [
      NODE,
      column('zone', 'VARCHAR', 'Zone name, e.g. Normal.'),
      column('start_pfn', 'BIGINT', 'First page frame number.'),
      column('spanned', 'BIGINT', 'Pages spanned, holes included.'),
      column('managed', 'BIGINT', 'Pages managed by the allocator.'),
      column('wmark_min', 'BIGINT', 'Watermark min, pages: below it tasks reclaim for themselves.'),
      column('wmark_low', 'BIGINT', 'Watermark low, pages: below it kswapd is woken.'),
      column('wmark_high', 'BIGINT', 'Watermark high, pages: above it kswapd sleeps.'),
      column('basis', 'VARCHAR', 'snapshot (read from zoneinfo) or inferred.'),
    ],
  },
  {
    name: 'swap_devices',
    comment: 'Swap areas of the recorded machine.',
    scope: 'trace',
    columns: [
      SWAP_TYPE,
      column('device', 'VARCHAR', 'Device or file.'),
      column('kind', 'VARCHAR', 'zram, disk or file.'),
      column('size_pages', 'BIGINT', 'Size in pages.'),
      column('priority', 'INTEGER', 'Priority as in /proc/swaps.'),
    ],
  },
  {
    name: 'swapouts',
    comment: 'One row per folio that reclaim handed to swap.',
    scope: 'run',
    shared: [
      'task_id',
      'tid',
      'cpu',
      'node',
      'swap_type',
      'folio_order',
      'context',
      'path',
      'bypass_reason',
      'stored_by',
      'place',
      'lane',
    ],
    briefs: {
      // A synchronous kernel stores within the hand-over. Times are kept as differences to ts_ns, ids and ranks in 32 bits.
      brief: {
        kept: [
          filled('swapout_id', 'INTEGER', 'As in swapouts.'),
          filled('page_id', 'INTEGER', 'As in swapouts.'),
          TS,
          filled('held_ns', 'UINTEGER', 'Time from submit_ns to ts_ns.'),
          filled('after_ns', 'UINTEGER', 'Time from stored_ns to ts_ns.'),
          filled(
            'states_ns',
            'UINTEGER',
            "0: the task's states are in thread_states; else 1 + the time that it unmapped the folio before submit_ns.",
          ),
          filled('pfn', 'UINTEGER', 'As in swapouts.'),
          filled('swap_offset', 'UINTEGER', 'As in swapouts.'),
          filled('submit_rank', 'INTEGER', 'As in swapouts.'),
          filled('passed', 'INTEGER', 'done_rank - submit_rank.'),
          filled('span_id', 'INTEGER', 'As in swapouts; 0 = none.'),
        ],
        cells: {
          submit_ns: 'r.ts_ns - r.held_ns',
          start_ns: 'r.ts_ns - r.held_ns',
          stored_ns: 'r.ts_ns - r.after_ns',
          freed_ns: 'NULL',
          compressed_bytes: 'NULL',
          start_rank: 'r.submit_rank',
          done_rank: 'r.submit_rank + r.passed',
          span_id: 'nullif(r.span_id, 0)',
        },
      },
      // Nothing says where a hand-over began: it is known when the page was stored, and which frame it was in.
      ungated: { kept: UNGATED, cells: ungatedCells('r.ts_ns') },
      // Four such, one right after the other within their span: the first, and time and frame of the others.
      fours: {
        kept: [
          ...UNGATED,
          ...[1, 2, 3].flatMap((k) => [
            filled(
              `after_${k}`,
              'UINTEGER',
              `Time from ts_ns to that of the one that is ${k} later.`,
            ),
            filled(`pfn_${k}`, 'UINTEGER', `pfn of the one that is ${k} later.`),
          ]),
        ],
        cells: ungatedCells('r.ts_ns'),
      },
    },
    implied: [1, 2, 3].map((k) => ({
      by: 'swapouts_fours',
      cells: {
        ...ungatedCells(`r.ts_ns + r.after_${k}`),
        swapout_id: `r.swapout_id + ${k}`,
        pfn: `r.pfn_${k}`,
        done_rank: `r.done_rank + ${k}`,
      },
    })),
    columns: [
      column(
        'swapout_id',
        'BIGINT',
        'Number of the swap-out within trace and run, in order of submission, from 1.',
      ),
      PAGE_ID,
      column(
        'ts_ns',
        'BIGINT',
        'Time of mm_vmscan_write_folio, ns: the hand-over is done (synchronous kernels: the page is stored).',
      ),
      column(
        'submit_ns',
        'BIGINT',
        'Start of the hand-over (entry of swap_writepage or swap_writeout), ns.',
      ),
      column('start_ns', 'BIGINT', 'Start of the actual store, ns.'),
      column('stored_ns', 'BIGINT', 'End of the actual store, ns.'),
      column('freed_ns', 'BIGINT', 'The page frame became free, ns.'),
      column('task_id', 'BIGINT', 'Task that handed the page over.'),
      TID,
      CPU,
      NODE,
      column('pfn', 'BIGINT', 'Page frame number at that moment.'),
      SWAP_TYPE,
      SWAP_OFFSET,
      column('folio_order', 'INTEGER', 'log2 of the number of base pages.'),
      choice(
        'context',
        ['kswapd', 'direct', 'memcg', 'proactive'],
        'Who reclaimed: kswapd, direct, memcg, or proactive (outside of any reclaim span).',
      ),
      choice(
        'path',
        ['inline', 'queued', 'displaced', 'bypass'],
        'inline (stored by the submitter), queued (stored by another task), displaced (popped and stored by a submitter because the queue was full), bypass (never met the queue of an asynchronous policy).',
      ),
      column(
        'bypass_reason',
        'VARCHAR',
        'Why the queue was not used: context, zero, same, file, order, full, ...',
      ),
      column('stored_by', 'BIGINT', 'Task that stored the page (tasks.task_id).'),
      choice(
        'place',
        ['zram', 'zswap', 'disk', 'same', 'zero', 'reject'],
        'Where the page went: zram, zswap, disk, same, zero; reject: nowhere.',
      ),
      column('compressed_bytes', 'INTEGER', 'Compressed size in bytes.'),
      column(
        'lane',
        'VARCHAR',
        'Order is measured per lane: node and submitting context, e.g. 0/kswapd.',
      ),
      column(
        'submit_rank',
        'BIGINT',
        'Rank of submit_ns within the lane, from 1; NULL for bypass.',
      ),
      column('start_rank', 'BIGINT', 'Rank of start_ns within the lane, from 1; NULL for bypass.'),
      column('done_rank', 'BIGINT', 'Rank of stored_ns within the lane, from 1; NULL for bypass.'),
      column('span_id', 'BIGINT', 'Innermost reclaim span it happened in (reclaim_spans.span_id).'),
    ],
  },
  {
    name: 'swapins',
    comment: 'One row per page read back from swap.',
    scope: 'run',
    shared: ['task_id', 'tid', 'cpu', 'swap_type', 'met', 'readahead'],
    columns: [
      PAGE_ID,
      column(
        'swapout_id',
        'BIGINT',
        'Swap-out that it brings back; NULL if that happened before the trace or was lost.',
      ),
      TS,
      END,
      TASK_ID,
      TID,
      CPU,
      SWAP_TYPE,
      SWAP_OFFSET,
      column(
        'met',
        'VARCHAR',
        'Where the page was: queued, storing, stored (still in memory), pool, disk.',
      ),
      column('wait_ns', 'BIGINT', 'Time the faulting task lost, ns.'),
      column('readahead', 'BOOLEAN', 'Read on behalf of a neighbouring fault.'),
      column(
        'refault_distance',
        'BIGINT',
        'Pages swapped out between its swap-out and this swap-in.',
      ),
    ],
  },
  {
    name: 'reclaim_spans',
    comment:
      'Intervals in which a task reclaimed, waited for reclaim, or compacted. Spans nest; totals use the view stalls.',
    scope: 'run',
    columns: [
      column('span_id', 'BIGINT', 'Number of the span within trace and run, from 1.'),
      column('parent_span_id', 'BIGINT', 'Enclosing span of the same task.'),
      column('kind', 'VARCHAR', 'direct, memcg, memcg_softlimit, node, throttle or compaction.'),
      TASK_ID,
      TID,
      CPU,
      NODE,
      START,
      END,
      CENSORED,
      column('alloc_order', 'INTEGER', 'Order of the allocation that caused it.'),
      column(
        'gfp_flags',
        'BIGINT',
        'Allocation flags as a number; their bits differ between kernels.',
      ),
      column('nr_reclaimed', 'BIGINT', 'Pages reclaimed as reported at the end.'),
    ],
  },
  {
    name: 'stall_parts',
    comment:
      'What each outermost or nested span was spent on; parts of a span sum to its length to the nanosecond.',
    scope: 'run',
    shared: ['part', 'detail'],
    columns: [
      column('span_id', 'BIGINT', 'Span (reclaim_spans.span_id).'),
      column(
        'part',
        'VARCHAR',
        'scan, unmap, store, slab, lock, runnable, io, throttle, other or unknown.',
      ),
      column('detail', 'VARCHAR', 'Finer cause where known, e.g. throttle reason or shrinker.'),
      column('ns', 'BIGINT', 'Nanoseconds.'),
    ],
  },
  {
    name: 'kswapd_spans',
    comment: 'Intervals between kswapd wake-up and its full sleep; naps of 100 ms lie inside.',
    scope: 'run',
    columns: [
      NODE,
      TASK_ID,
      TID,
      START,
      END,
      CENSORED,
      column('alloc_order', 'INTEGER', 'Highest order asked for.'),
    ],
  },
  {
    name: 'thread_states',
    comment: 'What every thread did, from scheduler events.',
    scope: 'run',
    shared: ['task_id', 'cpu', 'state', 'doing'],
    briefs: {
      // A run and what followed it, whose state is the shape's.
      pairs: {
        kept: [
          START,
          filled('run_ns', 'UINTEGER', 'Length of the run.'),
          filled('off_ns', 'UINTEGER', 'Length of the state after it.'),
        ],
        cells: { end_ns: 'r.start_ns + r.run_ns', state: "'running'" },
      },
      // Four such pairs of one shape, without a gap.
      fours: {
        kept: [
          START,
          ...EIGHT.map((k) =>
            filled(`at_${k}`, 'UINTEGER', `Time from start_ns to the end of state ${k}.`),
          ),
        ],
        cells: stateOfFour(1),
      },
    },
    implied: [
      ...EIGHT.slice(1).map((k) => ({ by: 'thread_states_fours', cells: stateOfFour(k) })),
      {
        by: 'thread_states_pairs',
        cells: {
          start_ns: 'r.start_ns + r.run_ns',
          end_ns: 'r.start_ns + r.run_ns + r.off_ns',
          doing: "'none'",
        },
      },
      // Reclaim unmaps a folio, then stores it: most states are said by the swap-out.
      {
        by: 'swapouts_brief',
        where: 'r.states_ns > 1',
        cells: {
          start_ns: 'r.ts_ns - r.held_ns - (r.states_ns - 1)',
          end_ns: 'r.ts_ns - r.held_ns',
          state: "'running'",
          doing: "'unmap'",
        },
      },
      {
        by: 'swapouts_brief',
        where: 'r.states_ns > 0',
        cells: {
          start_ns: 'r.ts_ns - r.held_ns',
          end_ns: 'r.ts_ns',
          state: "'running'",
          doing: "'store'",
        },
      },
    ],
    columns: [
      TASK_ID,
      CPU,
      START,
      END,
      choice(
        'state',
        ['running', 'runnable', 'sleeping', 'io', 'lock', 'nap'],
        'running, runnable, sleeping, io (uninterruptible), lock or nap.',
      ),
      choice(
        'doing',
        ['scan', 'unmap', 'store', 'slab', 'file', 'none'],
        'While running in reclaim: scan, unmap, store, slab, file; none otherwise.',
      ),
    ],
  },
  {
    name: 'wakeups',
    comment: 'Wake-ups of threads and of kswapd.',
    scope: 'run',
    shared: ['waker_task_id', 'task_id', 'reason'],
    columns: [
      TS,
      column('waker_task_id', 'BIGINT', 'Task that woke.'),
      column('task_id', 'BIGINT', 'Task that was woken.'),
      column('reason', 'VARCHAR', 'sched (scheduler wake-up), kswapd (wakeup_kswapd), queue, ...'),
    ],
  },
  {
    name: 'shrink_batches',
    comment: 'Batches of pages taken from an LRU list.',
    scope: 'run',
    shared: ['task_id', 'node', 'lru', 'priority'],
    columns: [
      column(
        'ts_ns',
        'BIGINT',
        'End of the batch (mm_vmscan_lru_shrink_*), ns; of its isolation where no end is traced.',
      ),
      column('start_ns', 'BIGINT', 'Isolation of the batch (mm_vmscan_lru_isolate), ns.'),
      TASK_ID,
      NODE,
      column(
        'lru',
        'VARCHAR',
        'inactive_anon, active_anon, inactive_file, active_file or unevictable.',
      ),
      column('nr_scanned', 'BIGINT', 'Pages scanned.'),
      column('nr_taken', 'BIGINT', 'Pages isolated.'),
      column('nr_reclaimed', 'BIGINT', 'Pages reclaimed.'),
      column('nr_dirty', 'BIGINT', 'Dirty pages met.'),
      column('nr_writeback', 'BIGINT', 'Pages under writeback met.'),
      column('nr_activate', 'BIGINT', 'Pages moved to the active list.'),
      column('priority', 'INTEGER', 'Scan priority: 12 lightest, 0 everything.'),
    ],
  },
  {
    name: 'slab_shrinks',
    comment: 'Calls of slab shrinkers.',
    scope: 'run',
    shared: ['task_id', 'node', 'shrinker'],
    columns: [
      START,
      END,
      TASK_ID,
      NODE,
      column('shrinker', 'VARCHAR', 'Function of the shrinker, or its address.'),
      column('nr_scanned', 'BIGINT', 'Objects scanned.'),
      column('nr_freed', 'BIGINT', 'Objects freed.'),
    ],
  },
  {
    name: 'pool_moves',
    comment: 'Pages that changed place after their store.',
    scope: 'run',
    shared: ['from_place', 'to_place', 'reason'],
    columns: [
      TS,
      PAGE_ID,
      column('from_place', 'VARCHAR', 'Place left (zram, zswap, disk, same, zero).'),
      column('to_place', 'VARCHAR', 'Place reached; NULL when the copy was dropped.'),
      column('reason', 'VARCHAR', 'writeback, reject, recompress or invalidate.'),
      column('age_ns', 'BIGINT', 'Time since the store, ns.'),
    ],
  },
  {
    name: 'block_ios',
    comment: 'Requests to block devices.',
    scope: 'run',
    columns: [
      column('device', 'VARCHAR', 'major:minor.'),
      column('sector', 'BIGINT', 'First 512-byte sector.'),
      column('sectors', 'BIGINT', 'Number of sectors.'),
      column('op', 'VARCHAR', 'Operation flags (rwbs).'),
      column('issue_ns', 'BIGINT', 'Queued or issued, ns.'),
      column('complete_ns', 'BIGINT', 'Completed, ns.'),
      TASK_ID,
    ],
  },
  {
    name: 'samples',
    comment: 'Values sampled over time, one row per name and moment.',
    scope: 'run',
    columns: [
      TS,
      NODE,
      column(
        'name',
        'VARCHAR',
        'What was sampled: free_pages, queued, pool_pages, pool_bytes, vmstat.NAME, mm_stat.NAME, psi.NAME, ...',
      ),
      column('value', 'DOUBLE', "Value, in the name's own unit (pages, bytes, counts)."),
    ],
  },
  {
    name: 'markers',
    comment: 'Named slices and marks written by programs (trace_marker, atrace, Perfetto).',
    scope: 'trace',
    columns: [TS, END, TASK_ID, column('name', 'VARCHAR', 'Name of the slice or mark.')],
  },
  {
    name: 'losses',
    comment: 'Intervals in which events of a CPU were lost.',
    scope: 'trace',
    columns: [
      CPU,
      START,
      END,
      column('events', 'BIGINT', 'Number of lost events; NULL when the source does not say.'),
    ],
  },
  {
    name: 'import_issues',
    comment: 'What the import met and could not use, counted.',
    scope: 'trace',
    columns: [
      column('code', 'VARCHAR', 'Stable code of the issue.'),
      column('severity', 'VARCHAR', 'info, error or data_loss.'),
      column('count', 'BIGINT', 'Occurrences.'),
      column('first_position', 'VARCHAR', 'Where it was first met.'),
      column('message', 'VARCHAR', 'One sentence.'),
    ],
  },
  {
    name: 'raw_fields',
    comment: "Each trace's own event layouts.",
    scope: 'trace',
    columns: [
      column('system', 'VARCHAR', 'Tracepoint group.'),
      column('event', 'VARCHAR', 'Event name.'),
      column('field', 'VARCHAR', 'Field name as the kernel spells it.'),
      column(
        'byte_offset',
        'INTEGER',
        "Offset from the record's start; NULL where the format has none.",
      ),
      column('size', 'INTEGER', 'Size in bytes; NULL where the format has none.'),
      column('signed', 'BOOLEAN', 'Signed number.'),
      column('type', 'VARCHAR', "C type as the trace's format description prints it."),
    ],
  },
  {
    name: 'runs',
    comment: 'Replays of a trace under a policy.',
    scope: 'catalogue',
    columns: [
      column('trace_id', 'INTEGER', 'Trace that was replayed.'),
      column('run_id', 'INTEGER', 'Number of the run in this database, from 1.'),
      column('policy', 'VARCHAR', 'Policy name.'),
      column('backend', 'VARCHAR', 'Backend name.'),
      column('codec', 'VARCHAR', 'Codec name.'),
      column('codec_version', 'VARCHAR', 'Codec implementation and version.'),
      column(
        'content_source',
        'VARCHAR',
        'Where page contents came from: swap-image, corpus, generator.',
      ),
      column('clock', 'VARCHAR', 'virtual or threads.'),
      column('demand', 'VARCHAR', 'closed or open.'),
      column('cpus', 'VARCHAR', 'CPUs of the run: a number, or groups such as 4x1.0+4x0.4.'),
      column('seed', 'BIGINT', 'Seed of the random generator.'),
      column('config', 'JSON', 'Complete configuration: the run can be repeated from it.'),
      column('state', 'VARCHAR', 'loading or complete; readers see complete runs only.'),
      column('pstrace_version', 'VARCHAR', 'Version of pstrace that ran it.'),
    ],
  },
  {
    name: 'metrics',
    comment: 'Figures of a recording (run_id NULL) or a run, each with what it rests on.',
    scope: 'run',
    columns: [
      column('metric', 'VARCHAR', 'Name of the metric.'),
      NODE,
      column('question', 'VARCHAR', 'Question it answers.'),
      column('value', 'DOUBLE', 'Value.'),
      column('lo', 'DOUBLE', 'Lower bound.'),
      column('hi', 'DOUBLE', 'Upper bound.'),
      column('unit', 'VARCHAR', 'Unit of value, lo and hi.'),
      column('basis', 'VARCHAR', 'event, snapshot, inferred or default.'),
      column('n', 'BIGINT', 'Observations behind it.'),
    ],
  },
]

export const RAW_SCHEMA = 'raw'
/** Leading columns of every raw table (packed-raw.ts). */
export const RAW_COLUMNS: readonly ColumnDefinition[] = [
  TRACE_ID,
  column('seq', 'BIGINT', "Rank in the trace's total order, from 0."),
  column('ts_ns', 'BIGINT', 'Time, ns in the trace clock.'),
  CPU,
  TID,
]

const ROW_KINDS: Readonly<Record<SqlType, ValueKind>> = {
  INTEGER: 'number',
  UINTEGER: 'number',
  BIGINT: 'number',
  DOUBLE: 'number',
  BOOLEAN: 'number',
  UBIGINT: 'wide',
  VARCHAR: 'text',
  JSON: 'text',
}

/** How a column travels in a RowBuffer. */
export function rowKindOf({ type, filled }: ColumnDefinition): ValueKind {
  return filled === true ? 'int' : ROW_KINDS[type]
}

/** How columns travel in a RowBuffer, by name. */
export function kindsOf(columns: readonly ColumnDefinition[]): Record<string, ValueKind> {
  return Object.fromEntries(columns.map((column) => [column.name, rowKindOf(column)]))
}

/** How the columns of a table travel in a RowBuffer. */
export function rowKinds(table: string): Record<string, ValueKind> {
  return kindsOf(tableOf(table).columns)
}

/** All columns in table order, trace_id and run_id included. */
export function allColumns(table: TableDefinition): readonly ColumnDefinition[] {
  if (table.scope === 'catalogue') return table.columns
  return table.scope === 'trace'
    ? [TRACE_ID, ...table.columns]
    : [TRACE_ID, RUN_ID, ...table.columns]
}

export function findTable(name: string): TableDefinition | undefined {
  return TABLES.find((table) => table.name === name)
}

/** A table that is known to exist. */
export function tableOf(name: string): TableDefinition {
  const table = findTable(name)
  if (table === undefined) throw new PstraceError('unknown_table', `no table ${name}`)
  return table
}

/** As an identifier in SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Type of a column in the file. */
export function sqlTypeOf({ type, values }: Pick<ColumnDefinition, 'type' | 'values'>): string {
  return values === undefined ? type : `ENUM (${values.map(quoteText).join(', ')})`
}
