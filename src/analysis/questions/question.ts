/** What a run is varied by to answer a question that one machine cannot. */
export type SweepAxis = 'background' | 'codec' | 'workers' | 'cpus'

/** A claim that a patch makes, or a question that a reviewer asked. */
export interface Question {
  readonly id: string
  readonly askedBy: string
  readonly question: string
  /** Measures and comparison figures by name, in the order in which they are shown. */
  readonly measures: readonly string[]
  /** Of `measures`: also shown as a ratio to the synchronous run. */
  readonly ratios?: readonly string[]
  /** Needs runs that differ in this; `measures` here are read from what a sweep stores. */
  readonly sweep?: {
    readonly axis: SweepAxis
    readonly measures: readonly string[]
    readonly command: string
  }
  /** Names of cost models that answer it without a trace. */
  readonly models?: readonly string[]
  /** Only of recordings and runs for which this measure has a value. */
  readonly onlyWith?: string
  /** Said where nothing is answered: how to get an answer. */
  readonly remedy?: string
  /** What no trace or run can tell. */
  readonly limit?: string
}

const KCOMPRESSD = 'kcompressd (Barry Song, Qun-Wei Lin)'
const PARALLEL = 'parallel-swapper'
const SHRINKER = 'zswap shrinker series (Takero Funaki)'

/** Claims of the patches, then the reviewers' questions. */
export const QUESTIONS: readonly Question[] = [
  {
    id: 'C1',
    askedBy: KCOMPRESSD,
    question: 'pgsteal_anon per second rises from 300,000 to 800,000 (a factor of 2.67: +167 %)',
    measures: ['pgsteal_anon_per_s'],
    ratios: ['pgsteal_anon_per_s'],
  },
  {
    id: 'C2',
    askedBy: KCOMPRESSD,
    question: 'one thread halves the allocstalls',
    measures: ['allocstalls', 'app_stall_ns', 'psi_some_share', 'psi_full_share', 'workers'],
    ratios: ['allocstalls', 'app_stall_ns'],
  },
  {
    id: 'C3',
    askedBy: KCOMPRESSD,
    question: 't1+t2+t3 becomes max(t1+t3, t2): with one helper at most twice as fast',
    measures: [
      'scan_cpu_share',
      'store_cpu_share',
      'free_cpu_share',
      'overlap_limit',
      'pgsteal_anon_per_s',
    ],
    ratios: ['pgsteal_anon_per_s'],
  },
  {
    id: 'C4',
    askedBy: 'Nhat Pham',
    question: 'with zswap the same work takes as long as before (negative control)',
    measures: ['work_ns', 'zswap_slots_peak'],
    ratios: ['work_ns'],
    onlyWith: 'zswap_slots_peak',
    remedy: 'answered only by what used zswap: `pstrace replay --backend zswap`',
  },
  {
    id: 'C5',
    askedBy: 'Qun-Wei Lin',
    question: 'a folio is scanned again only a few times before it is freed',
    measures: [
      'anon_scans_per_steal',
      'engine.freed_at_next_scan',
      'engine.freed_at_second_scan',
      'engine.freed_at_third_scan',
      'engine.freed_at_later_scan',
      'engine.most_scans_again',
      'store_to_free_p50_ns',
      'not_freed',
    ],
    limit:
      'how often one folio is scanned is not in the events of a recording: batches are counted, not their pages',
  },
  {
    id: 'C6',
    askedBy: PARALLEL,
    question: 'storing the newest page on overflow breaks the order, storing the oldest keeps it',
    measures: [
      'order_start_inversions',
      'order_done_inversions',
      'order_start_max',
      'order_done_max',
      'overflow_newest',
      'overflow_oldest',
    ],
  },
  {
    id: 'C7',
    askedBy: PARALLEL,
    question: 'no thundering herd of workers',
    measures: [
      'worker_wakeups',
      'worker_wakeups_per_page',
      'worker_wakeups_empty',
      'worker_idle_cpu_ns',
      'workers_at_once_max',
    ],
  },
  {
    id: 'C8',
    askedBy: PARALLEL,
    question: 'locking in favour of kswapd keeps its waits short',
    measures: [
      'kswapd_lock_p50_ns',
      'kswapd_lock_p99_ns',
      'kswapd_lock_max_ns',
      'kswapd_lock_ns',
      'worker_lock_ns',
      'overflow_store_p50_ns',
    ],
  },
  {
    id: 'C9',
    askedBy: PARALLEL,
    question: 'throughput "may potentially" rise significantly (no number was ever given)',
    measures: ['swapouts_per_s', 'work_ns'],
    ratios: ['swapouts_per_s', 'work_ns'],
  },
  {
    id: 'C10',
    askedBy: SHRINKER,
    question: 'all patches: 11.17 s instead of 13.10 s with patches 1 to 3 (zswap off: 11.81 s)',
    measures: [],
    models: ['published_zswap'],
    remedy:
      'the published machine is in no trace; a model of it takes a minute: `pstrace questions --id C10 --scenarios`. For a recorded machine replay zswap without and with the patches: `pstrace replay --backend zswap --set form=6.10 --set shrinker_patches=1,2,3,4,5,6`',
  },
  {
    id: 'C11',
    askedBy: SHRINKER,
    question: 'the 16th empty memory cgroup ends the shrinking',
    measures: [],
    models: ['empty_memcgs'],
  },
  {
    id: 'C12',
    askedBy: SHRINKER,
    question: 'the pool stays at 90 to 91 % of its limit instead of about 100 %',
    measures: ['pool_fill_mean_share', 'pool_fill_max_share', 'written_back'],
  },
  {
    id: 'C13',
    askedBy: KCOMPRESSD,
    question: 'a same-filled page takes 8 bytes and no memory of the pool',
    measures: ['same_pages', 'same_share', 'same_stored_bytes'],
    models: ['same_filled'],
  },
  {
    id: 'C14',
    askedBy: 'Yosry Ahmed',
    question:
      'a swap descriptor of 24 or 32 bytes costs 0.6 or 0.8 % of a page, against 1 byte per slot',
    measures: ['swapped_peak'],
    models: ['descriptor_bytes', 'break_even'],
  },
  {
    id: 'C15',
    askedBy: 'Kairui Song',
    question: 'the swap table gains 5 to 20 % and takes less memory',
    measures: ['slots_used'],
    models: ['slot_metadata'],
    limit:
      'the gain in time comes from locks that the replay does not contend for; only the memory is answered',
  },
  {
    id: 'C16',
    askedBy: 'Barry Song',
    question: 'four threads are slower than eight writers inline, and heat a phone',
    measures: ['work_ns', 'reclaim_cpu_ns', 'stores_at_once_max'],
    sweep: {
      axis: 'workers',
      measures: ['work_ns', 'reclaim_cpu_ns'],
      command: 'pstrace sweep --policy kswapd,kcompressd-v1 --set pstrace.workers=1,2,4 --cpus 8',
    },
    limit: 'heat needs a power model; CPU time is what a trace has',
  },
  {
    id: 'Q1',
    askedBy: 'Sergey Senozhatsky',
    question: 'if all CPUs are busy, do workers ever run?',
    measures: [
      'worker_runqueue_p50_ns',
      'worker_runqueue_p99_ns',
      'worker_runqueue_max_ns',
      'queue_age_p99_ns',
      'queue_age_max_ns',
    ],
    sweep: {
      axis: 'background',
      measures: [
        'allocstalls',
        'app_stall_ns',
        'worker_runqueue_p99_ns',
        'queue_age_max_ns',
        'work_ns',
      ],
      command:
        'pstrace sweep --policy kswapd,kcompressd,parallel --background 0 --background 0.5 --background 0.9',
    },
  },
  {
    id: 'Q2',
    askedBy: 'Sergey Senozhatsky',
    question: 'do compressors preempt kswapd?',
    measures: [
      'kswapd_runqueue_ns',
      'kswapd_runqueue_p99_ns',
      'kswapd_waits_for_worker_ns',
      'kswapd_scan_per_s',
    ],
  },
  {
    id: 'Q3',
    askedBy: 'Sergey Senozhatsky',
    question: 'scanning is far faster than compressing: is compressing directly a useful brake?',
    measures: [
      'backlog_max',
      'backlog_mean',
      'overflow_share',
      'in_flight_peak_bytes',
      'lowest_priority',
      'psi_some_share',
      'psi_full_share',
    ],
  },
  {
    id: 'Q4',
    askedBy: 'Sergey Senozhatsky',
    question: 'what does a refault of a queued page cost?',
    measures: [
      'refaults_met_queue',
      'refaults_met_per_1000',
      'refault_wait_p50_ns',
      'refault_wait_max_ns',
      'refaults_met_stored',
    ],
  },
  {
    id: 'Q5',
    askedBy: 'Barry Song, Qun-Wei Lin',
    question: 'could a page that is still queued be cancelled?',
    measures: ['refaults_met_queue', 'cancel_saving_ns', 'lane_store_mean_ns'],
    limit: 'no policy cancels: the saving is what it could be at most',
  },
  {
    id: 'Q6',
    askedBy: 'Sergey Senozhatsky',
    question: 'same-filled pages wait in the queue for nothing',
    measures: ['same_queue_ns', 'same_queue_share'],
  },
  {
    id: 'Q7',
    askedBy: 'Barry Song',
    question: 'how much memory do folios hold until they are scanned again?',
    measures: [
      'in_flight_byte_seconds',
      'in_flight_peak_bytes',
      'store_to_free_p50_ns',
      'store_to_free_p99_ns',
      'store_to_free_max_ns',
    ],
  },
  {
    id: 'Q8',
    askedBy: 'Barry Song',
    question: 'is a stored folio rotated soon and scanned again?',
    measures: [
      'store_to_free_p50_ns',
      'store_to_free_p99_ns',
      'not_freed',
      'engine.isolated_at_store',
    ],
  },
  {
    id: 'Q9',
    askedBy: 'Barry Song',
    question: 'lz4 or zstd: does the benefit vanish or grow?',
    measures: ['store_cpu_share', 'overlap_limit', 'lane_store_mean_ns'],
    sweep: {
      axis: 'codec',
      measures: ['work_ns', 'pgsteal_anon_per_s', 'allocstalls', 'store_cpu_share'],
      command:
        'pstrace sweep --policy kswapd,kcompressd,parallel --codec lz4 --codec zstd --set pstrace.cost.store=1,3',
    },
    limit:
      "the device's time per page is known for the recorded codec; for another give its ratio: --set pstrace.cost.store=3",
  },
  {
    id: 'Q10',
    askedBy: 'Barry Song',
    question: 'which share of CPU time went to scanning and unmapping, which to compressing?',
    measures: ['scan_cpu_share', 'store_cpu_share', 'free_cpu_share'],
  },
  {
    id: 'Q11',
    askedBy: 'Nhat Pham',
    question: 'which stage is the bottleneck?',
    measures: ['kswapd_busy_share', 'worker_busy_share', 'workers', 'backlog_mean', 'backlog_max'],
  },
  {
    id: 'Q12',
    askedBy: 'Nhat Pham',
    question: 'zswap falls back to disk: who waits behind a disk write?',
    measures: [
      'disk_pages',
      'disk_pages_by_workers',
      'disk_store_p50_ns',
      'behind_disk_age_p50_ns',
      'queue_age_p50_ns',
    ],
  },
  {
    id: 'Q13',
    askedBy: 'Minchan Kim',
    question: 'would parallelism below the device also help file I/O?',
    measures: [],
    limit:
      'needs a recording of a file system on zram (block:block_rq_issue and _complete of the zram device); swap traces do not hold it',
  },
  {
    id: 'Q14',
    askedBy: 'Minchan Kim, Barry Song',
    question: 'why only kswapd? what if direct reclaim could use the queue?',
    measures: ['direct_share', 'allocstalls', 'app_stall_p50_ns', 'app_stall_p99_ns'],
    limit:
      'no posted policy admits direct reclaim; `pstrace replay --policy kcompressd --set pstrace.direct=1` is the counterfactual, whose run stands beside these',
  },
  {
    id: 'Q15',
    askedBy: 'Barry Song',
    question: 'how many threads?',
    measures: ['workers', 'workers_at_once_max', 'worker_busy_share'],
    sweep: {
      axis: 'workers',
      measures: ['work_ns', 'allocstalls', 'app_stall_ns', 'reclaim_cpu_ns'],
      command: 'pstrace sweep --policy parallel --set vm.parallel_swap=1,2,3,4 --cpus 4 --cpus 8',
    },
  },
  {
    id: 'Q16',
    askedBy: 'Barry Song',
    question: 'do bursts of compression cost power, and preempt critical work?',
    measures: [
      'reclaim_cpu_ns',
      'worker_cpu_ns',
      'wakeups',
      'stores_at_once_max',
      'application_waits_for_worker_ns',
    ],
    limit: 'energy itself needs a power model and is not derivable',
  },
  {
    id: 'Q17',
    askedBy: 'Barry Song',
    question: 'with as many writers as cores, does a queue only add context switches?',
    measures: ['context_switches', 'context_switches_per_page', 'work_ns'],
    ratios: ['work_ns'],
  },
  {
    id: 'Q18',
    askedBy: 'Barry Song',
    question: 'the bandwidth of a CPU varies: is throttling by congestion stable?',
    measures: ['queue_age_p50_ns', 'queue_age_p99_ns'],
    sweep: {
      axis: 'background',
      measures: ['queue_age_p99_ns', 'app_stall_p99_ns', 'work_ns'],
      command:
        'pstrace sweep --policy kcompressd,parallel --background 0 --background 0.3 --background 0.6 --background 0.9',
    },
    limit:
      'background load is constant within a run (or as recorded); load that varies is seen only across runs',
  },
  {
    id: 'Q19',
    askedBy: 'Andrew Morton',
    question: 'does a machine with a single CPU lose?',
    measures: [],
    sweep: {
      axis: 'cpus',
      measures: ['work_ns', 'allocstalls', 'app_stall_ns', 'context_switches'],
      command: 'pstrace sweep --policy kswapd,kcompressd,parallel --cpus 1',
    },
  },
  {
    id: 'Q20',
    askedBy: 'Nhat Pham',
    question: 'is an incompressible page that may not be written back tried again too soon?',
    measures: [
      'stores_per_page_max',
      'restored_unread',
      'restored_incompressible',
      'refused_pages',
    ],
  },
  {
    id: 'Q21',
    askedBy: 'Nhat Pham',
    question: 'the zswap limit is reached: are pages queued in vain?',
    measures: ['refused_queue_ns', 'refused_pages', 'disk_pages'],
    limit:
      'the limit of the machine always counts, memory.zswap.max of a memory cgroup where `memcgs` beside the recording tells it',
  },
  {
    id: 'Q22',
    askedBy: 'Johannes Weiner',
    question: 'what does it cost where swap is not compressed?',
    measures: ['bypass_pages'],
    limit:
      'the gate of a policy that refuses a page costs no time in the replay; the cost of the hand-over itself is in `pstrace workload` (enqueue)',
  },
  {
    id: 'Q23',
    askedBy: 'Nhat Pham',
    question: 'does delaying the shrinker invert the order of age?',
    measures: ['refused_age_p50_ns', 'written_back_age_p50_ns', 'written_back', 'disk_young'],
  },
  {
    id: 'Q24',
    askedBy: 'Yosry Ahmed, Yang Shi',
    question: 'is allocating a descriptor on the reclaim path a bottleneck?',
    measures: ['swapouts_per_s', 'stored_mean_bytes'],
    models: ['net_bytes'],
  },
  {
    id: 'Q25',
    askedBy: 'Johannes Weiner, Yosry Ahmed',
    question: 'what does it buy to separate swap entries from their backing?',
    measures: ['zswap_slots_peak', 'swapped_end'],
    models: ['slots_wasted'],
  },
]

/** Identifiers of the questions that a measure answers, as `metrics.question` has them. */
export function questionsOf(measure: string): string[] {
  return QUESTIONS.filter(
    ({ measures, sweep }) =>
      measures.includes(measure) || sweep?.measures.includes(measure) === true,
  ).map(({ id }) => id)
}
