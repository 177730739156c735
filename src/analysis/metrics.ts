import type { Metric } from './figure.ts'
import { PLACE_METRICS } from './place-figures.ts'

export const METRICS: readonly Metric[] = [
  {
    name: 'work_ns',
    title: 'time for the work',
    question: 'how long did the same work take',
    unit: 'ns',
  },
  {
    name: 'swapout_pages',
    title: 'swap-outs',
    question: 'how much was swapped out',
    unit: 'count',
  },
  {
    name: 'swapin_pages',
    title: 'swap-ins',
    question: 'how much came back',
    unit: 'count',
  },
  {
    name: 'pgsteal_anon_per_s',
    title: 'pgsteal_anon per second',
    question: 'how fast is anonymous memory reclaimed',
    unit: 'per_s',
  },
  {
    name: 'allocstalls',
    title: 'allocstalls (direct reclaims)',
    question: 'how often did tasks reclaim for themselves',
    unit: 'count',
  },
  {
    name: 'app_stalls',
    title: 'applications: stalls',
    question: 'who stalled',
    unit: 'count',
  },
  {
    name: 'app_stall_ns',
    title: 'applications: stall time',
    question: 'who stalled, how long',
    unit: 'ns',
  },
  {
    name: 'app_stall_p50_ns',
    title: '  p50',
    question: 'how long is a stall',
    unit: 'ns',
  },
  {
    name: 'app_stall_p99_ns',
    title: '  p99',
    question: 'how long is a stall',
    unit: 'ns',
  },
  {
    name: 'app_stall_max_ns',
    title: '  longest',
    question: 'how long is the worst stall',
    unit: 'ns',
  },
  {
    name: 'app_stalls_censored',
    title: '  censored',
    question: 'whose end was not seen',
    unit: 'count',
  },
  {
    name: 'worker_stalls',
    title: 'workers: stalls',
    question: 'do workers reclaim for themselves',
    unit: 'count',
  },
  {
    name: 'worker_stall_ns',
    title: 'workers: stall time',
    question: 'do workers reclaim for themselves',
    unit: 'ns',
  },
  {
    name: 'worker_stall_p50_ns',
    title: '  p50',
    question: 'how long is a stall of a worker',
    unit: 'ns',
  },
  {
    name: 'worker_stall_p99_ns',
    title: '  p99',
    question: 'how long is a stall of a worker',
    unit: 'ns',
  },
  {
    name: 'worker_stall_max_ns',
    title: '  longest',
    question: 'how long is the worst stall of a worker',
    unit: 'ns',
  },
  {
    name: 'psi_some_share',
    title: 'PSI memory, some',
    question: 'how much of the time did somebody wait for memory',
    unit: 'share',
  },
  {
    name: 'psi_full_share',
    title: '  full',
    question: 'how much of the time did everybody wait for memory',
    unit: 'share',
  },
  {
    name: 'kswapd_busy_share',
    title: 'kswapd on a CPU',
    question: 'how busy is kswapd',
    unit: 'share',
  },
  {
    name: 'kswapd_scan_share',
    title: '  scan',
    question: 'what does kswapd do',
    unit: 'share',
  },
  {
    name: 'kswapd_store_share',
    title: '  store',
    question: 'what does kswapd do',
    unit: 'share',
  },
  {
    name: 'order_start_inversions',
    title: "inversions in kswapd's lane, at start",
    question: 'is the order kept',
    unit: 'count',
  },
  {
    name: 'order_done_inversions',
    title: '  at completion',
    question: 'is the order kept',
    unit: 'count',
  },
  {
    name: 'order_start_max',
    title: 'largest displacement, at start',
    question: 'is the order kept',
    unit: 'count',
  },
  {
    name: 'order_done_max',
    title: '  at completion',
    question: 'is the order kept',
    unit: 'count',
  },
  {
    name: 'bypass_pages',
    title: "swap-outs outside kswapd's queue",
    question: 'is the order kept',
    unit: 'count',
  },
  {
    name: 'refaults_queued',
    title: 'refaults that met the queue',
    question: 'are pages stored in vain',
    unit: 'count',
  },
  {
    name: 'compressed_bytes',
    title: 'compressed bytes',
    question: 'what does it cost in memory',
    unit: 'bytes',
  },
  {
    name: 'pool_peak_bytes',
    title: 'compressed bytes in the pool, peak',
    question: 'what does it cost in memory',
    unit: 'bytes',
  },
  ...PLACE_METRICS,
  {
    name: 'reclaim_cpu_ns',
    title: 'CPU time of kswapd and workers',
    question: 'what does it cost in CPU time',
    unit: 'ns',
  },
  {
    name: 'cpu_ns',
    title: 'CPU time of all tasks',
    question: 'what does it cost in CPU time',
    unit: 'ns',
  },
]

/** Undefined for a name that no metric has: names come from users. */
export function findMetric(name: string): Metric | undefined {
  return METRICS.find((metric) => metric.name === name)
}
