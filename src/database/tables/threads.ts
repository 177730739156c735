import { CPU, END, START, TASK_ID, TS } from './columns.ts'
import { choice, column, filled, type TableDefinition } from './definition.ts'

/** What threads did, and who woke whom. */

const EIGHT = [1, 2, 3, 4, 5, 6, 7, 8]

/** State `k` of four runs, each with the state that followed it. */
function stateOfFour(k: number): Readonly<Record<string, string>> {
  const start_ns = k === 1 ? 'r.start_ns' : `r.start_ns + r.at_${k - 1}`
  const times = { start_ns, end_ns: `r.start_ns + r.at_${k}` }
  return k % 2 === 1 ? { ...times, state: "'running'" } : { ...times, doing: "'none'" }
}

export const THREAD_STATES: TableDefinition = {
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
}

export const WAKEUPS: TableDefinition = {
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
}
