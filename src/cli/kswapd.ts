import type { Command } from 'commander'
import { registerOverview } from './overview.ts'

export function register(command: Command): void {
  registerOverview(command, {
    description:
      'How each kswapd spent its time, and who woke it. awake is from wake-up to full sleep and contains naps; running is ' +
      'time on a CPU, split into scan, unmap, store, slab and file where the recording has the events for it; other is ' +
      'running time that no event explains. Shares: busy of elapsed time, store of running time.',
    shown: ['time', 'waker', 'batch'],
    aspects: [
      {
        name: 'time',
        title: 'Time of kswapd',
        sql: 'SELECT * FROM kswapd_busy',
        empty:
          'kswapd did not run, or its events were not recorded (vmscan:mm_vmscan_kswapd_wake, sched:sched_switch)',
      },
      {
        name: 'waker',
        title: 'Woken by',
        sql: 'SELECT * FROM kswapd_wakers',
        empty: 'no wake-up was recorded',
      },
      {
        name: 'batch',
        title: 'Pages scanned',
        sql: `SELECT s.trace_id, s.run_id, s.label, coalesce(t.kind, 'unknown') AS reclaimer, b.node, b.lru,
            count(*) AS batches, CAST(sum(b.nr_scanned) AS BIGINT) AS scanned,
            CAST(sum(b.nr_reclaimed) AS BIGINT) AS reclaimed,
            sum(b.nr_reclaimed) / nullif(sum(b.nr_scanned), 0) AS reclaimed_share,
            CAST(sum(b.nr_writeback) AS BIGINT) AS writeback, CAST(sum(b.nr_activate) AS BIGINT) AS activated,
            min(b.priority) AS lowest_priority
          FROM shrink_batches b
          JOIN subjects s ON s.trace_id = b.trace_id AND s.run_id IS NOT DISTINCT FROM b.run_id
          LEFT JOIN tasks t ON t.trace_id = b.trace_id AND t.task_id = b.task_id
          GROUP BY ALL ORDER BY s.trace_id, s.run_id NULLS FIRST, reclaimer, b.node, b.lru`,
        empty: 'no batch was recorded',
      },
      {
        name: 'span',
        title: 'Wake-ups',
        sql: `SELECT s.trace_id, s.run_id, s.label, k.node, t.comm, k.start_ns - s.first_ns AS at_ns,
            k.end_ns - k.start_ns AS ns, k.censored, k.alloc_order, k.start_ns, k.end_ns
          FROM kswapd_spans k
          JOIN subjects s ON s.trace_id = k.trace_id AND s.run_id IS NOT DISTINCT FROM k.run_id
          LEFT JOIN tasks t ON t.trace_id = k.trace_id AND t.task_id = k.task_id
          ORDER BY s.trace_id, s.run_id NULLS FIRST, k.start_ns, k.node`,
        empty: 'kswapd never woke',
      },
    ],
    examples: `
pstrace kswapd
pstrace kswapd --by span --node 0
pstrace kswapd --by time --format json`,
  })
}
