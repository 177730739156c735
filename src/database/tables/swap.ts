import { CPU, END, NODE, PAGE_ID, SWAP_OFFSET, SWAP_TYPE, TASK_ID, TID, TS } from './columns.ts'
import { choice, column, filled, type TableDefinition } from './definition.ts'

/** Pages on their way to swap, back, and between places. */

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

export const SWAPOUTS: TableDefinition = {
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
    column('submit_rank', 'BIGINT', 'Rank of submit_ns within the lane, from 1; NULL for bypass.'),
    column('start_rank', 'BIGINT', 'Rank of start_ns within the lane, from 1; NULL for bypass.'),
    column('done_rank', 'BIGINT', 'Rank of stored_ns within the lane, from 1; NULL for bypass.'),
    column('span_id', 'BIGINT', 'Innermost reclaim span it happened in (reclaim_spans.span_id).'),
  ],
}

export const SWAPINS: TableDefinition = {
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
}

export const POOL_MOVES: TableDefinition = {
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
}
