import { type Measure, NEEDS_SCHED, NEEDS_WORKERS, type Topic } from './measure.ts'

/** Tasks that stored pages which others had handed over; a kworker that reclaims for itself is none. */
const WORKERS_CTE = `workers AS (
  SELECT trace_id, run_id, task_id FROM (
    SELECT DISTINCT o.trace_id, o.run_id, o.stored_by AS task_id
    FROM swapouts o
    WHERE o.path = 'queued' AND o.stored_by IS DISTINCT FROM o.task_id AND o.stored_by IS NOT NULL
    UNION
    SELECT DISTINCT t.trace_id, t.run_id, t.task_id
    FROM thread_states t JOIN tasks k ON k.trace_id = t.trace_id AND k.task_id = t.task_id
    WHERE k.kind = 'compressor'
  )
)`

/** Thread states cut to what is looked at; role worker, kswapd or application. */
const STATES_CTE = `${WORKERS_CTE},
states AS (
  SELECT t.trace_id, t.run_id, t.task_id, t.state, t.doing,
    greatest(t.start_ns, s.start_ns) AS start_ns,
    least(coalesce(t.end_ns, s.end_ns), s.end_ns) AS end_ns,
    CASE WHEN w.task_id IS NOT NULL THEN 'worker' WHEN k.kind = 'kswapd' THEN 'kswapd' WHEN k.kind = 'user' THEN 'application' ELSE 'other' END AS role
  FROM thread_states t
  JOIN subjects s ON s.trace_id = t.trace_id AND s.run_id IS NOT DISTINCT FROM t.run_id
  JOIN tasks k ON k.trace_id = t.trace_id AND k.task_id = t.task_id
  LEFT JOIN workers w ON w.trace_id = t.trace_id AND w.run_id IS NOT DISTINCT FROM t.run_id AND w.task_id = t.task_id
  WHERE k.tid <> 0
)`

const THREADS = 'thread_states, tasks.kind, swapouts.stored_by'

function ofWorkers(name: string, title: string, unit: Measure['unit']): Measure {
  return { name, title, unit, restsOn: THREADS, needs: NEEDS_WORKERS, grows: true }
}
function ofKswapd(name: string, title: string, unit: Measure['unit']): Measure {
  return { name, title, unit, restsOn: THREADS, needs: NEEDS_SCHED, grows: true }
}

/** How long threads ran, waited for a CPU, and waited for the queue's lock. */
export const threadTimes: Topic = {
  measures: [
    ofWorkers('worker_runqueue_p50_ns', 'worker waits for a CPU, p50', 'ns'),
    ofWorkers('worker_runqueue_p99_ns', 'worker waits for a CPU, p99', 'ns'),
    ofWorkers('worker_runqueue_max_ns', 'worker waits for a CPU, longest', 'ns'),
    ofWorkers('worker_runqueue_ns', 'worker waits for a CPU, total', 'ns'),
    ofWorkers('worker_cpu_ns', 'CPU time of workers', 'ns'),
    ofWorkers('worker_idle_cpu_ns', 'CPU time of workers without a store or reclaim', 'ns'),
    ofWorkers('workers', 'workers that stored', 'count'),
    ofWorkers('worker_busy_share', 'utilisation of a worker (time on a CPU)', 'share'),
    ofWorkers('worker_lock_ns', 'workers wait for a lock, total', 'ns'),
    ofKswapd('kswapd_runqueue_ns', 'kswapd waits for a CPU, total', 'ns'),
    ofKswapd('kswapd_runqueue_p99_ns', 'kswapd waits for a CPU, p99', 'ns'),
    {
      ...ofKswapd('kswapd_lock_p50_ns', 'kswapd waits for a lock, p50', 'ns'),
      needs: NEEDS_WORKERS,
    },
    {
      ...ofKswapd('kswapd_lock_p99_ns', 'kswapd waits for a lock, p99', 'ns'),
      needs: NEEDS_WORKERS,
    },
    {
      ...ofKswapd('kswapd_lock_max_ns', 'kswapd waits for a lock, longest', 'ns'),
      needs: NEEDS_WORKERS,
    },
    ofKswapd('kswapd_lock_ns', 'kswapd waits for a lock, total', 'ns'),
    ofKswapd('scan_cpu_share', 't1: scan and unmap, of CPU time of kswapd and workers', 'share'),
    ofKswapd('store_cpu_share', 't2: compress and store', 'share'),
    ofKswapd('free_cpu_share', 't3: rest (free, slab, file pages, loop)', 'share'),
    ofKswapd('overlap_limit', 'limit of overlapping: (t1+t2+t3) / max(t1+t3, t2)', 'ratio'),
    ofKswapd('context_switches', 'context switches', 'count'),
  ],
  // t1:t2:t3 are of kswapd and its workers together: what one thread does under the synchronous policy.
  sql: `WITH ${STATES_CTE},
sums AS (
  SELECT trace_id, run_id,
    count(DISTINCT task_id) FILTER (role = 'worker') AS workers,
    quantile_disc(end_ns - start_ns, 0.5) FILTER (role = 'worker' AND state = 'runnable') AS worker_runqueue_p50_ns,
    quantile_disc(end_ns - start_ns, 0.99) FILTER (role = 'worker' AND state = 'runnable') AS worker_runqueue_p99_ns,
    max(end_ns - start_ns) FILTER (role = 'worker' AND state = 'runnable') AS worker_runqueue_max_ns,
    sum(end_ns - start_ns) FILTER (role = 'worker' AND state = 'runnable') AS worker_runqueue_ns,
    count(*) FILTER (role = 'worker' AND state = 'runnable') AS n_worker_runqueue_ns,
    sum(end_ns - start_ns) FILTER (role = 'worker' AND state = 'running') AS worker_cpu_ns,
    sum(end_ns - start_ns) FILTER (role = 'worker' AND state = 'running' AND coalesce(doing, 'none') = 'none') AS worker_idle_cpu_ns,
    sum(end_ns - start_ns) FILTER (role = 'worker' AND state = 'lock') AS worker_lock_ns,
    sum(end_ns - start_ns) FILTER (role = 'kswapd' AND state = 'runnable') AS kswapd_runqueue_ns,
    quantile_disc(end_ns - start_ns, 0.99) FILTER (role = 'kswapd' AND state = 'runnable') AS kswapd_runqueue_p99_ns,
    quantile_disc(end_ns - start_ns, 0.5) FILTER (role = 'kswapd' AND state = 'lock') AS kswapd_lock_p50_ns,
    quantile_disc(end_ns - start_ns, 0.99) FILTER (role = 'kswapd' AND state = 'lock') AS kswapd_lock_p99_ns,
    max(end_ns - start_ns) FILTER (role = 'kswapd' AND state = 'lock') AS kswapd_lock_max_ns,
    coalesce(sum(end_ns - start_ns) FILTER (role = 'kswapd' AND state = 'lock'), 0) AS kswapd_lock_ns,
    count(*) FILTER (role = 'kswapd' AND state = 'lock') AS n_kswapd_lock_ns,
    count(*) FILTER (role = 'kswapd') AS kswapd_rows,
    sum(end_ns - start_ns) FILTER (role IN ('kswapd', 'worker') AND state = 'running' AND doing IN ('scan', 'unmap')) AS t1,
    sum(end_ns - start_ns) FILTER (role IN ('kswapd', 'worker') AND state = 'running' AND doing = 'store') AS t2,
    sum(end_ns - start_ns) FILTER (role IN ('kswapd', 'worker') AND state = 'running' AND coalesce(doing, 'none') NOT IN ('scan', 'unmap', 'store')) AS t3
  FROM states WHERE end_ns > start_ns GROUP BY ALL
),
-- Running is split by what is done; a switch is a begin of running that follows something else.
switched AS (
  SELECT trace_id, run_id, count(*) AS context_switches FROM (
    SELECT trace_id, run_id, state, start_ns,
      lag(state) OVER own AS before, lag(end_ns) OVER own AS before_end
    FROM states WHERE end_ns > start_ns
    WINDOW own AS (PARTITION BY trace_id, run_id, task_id ORDER BY start_ns)
  ) WHERE state = 'running' AND (before IS DISTINCT FROM 'running' OR before_end < start_ns)
  GROUP BY ALL
)
SELECT u.trace_id, u.run_id,
  nullif(u.workers, 0) AS workers,
  worker_runqueue_p50_ns, worker_runqueue_p99_ns, worker_runqueue_max_ns, worker_runqueue_ns, n_worker_runqueue_ns,
  worker_cpu_ns, worker_idle_cpu_ns,
  worker_cpu_ns / nullif(u.workers * (s.end_ns - s.start_ns), 0) AS worker_busy_share,
  CASE WHEN u.workers > 0 THEN coalesce(worker_lock_ns, 0) END AS worker_lock_ns,
  kswapd_runqueue_ns, kswapd_runqueue_p99_ns,
  kswapd_lock_p50_ns, kswapd_lock_p99_ns, kswapd_lock_max_ns,
  CASE WHEN kswapd_rows > 0 THEN kswapd_lock_ns END AS kswapd_lock_ns, n_kswapd_lock_ns,
  CASE WHEN t2 IS NOT NULL THEN t1 / (t1 + t2 + coalesce(t3, 0)) END AS scan_cpu_share,
  CASE WHEN t1 IS NOT NULL THEN t2 / (t1 + t2 + coalesce(t3, 0)) END AS store_cpu_share,
  CASE WHEN t1 IS NOT NULL AND t2 IS NOT NULL THEN coalesce(t3, 0) / (t1 + t2 + coalesce(t3, 0)) END AS free_cpu_share,
  (t1 + t2 + coalesce(t3, 0)) / greatest(t1 + coalesce(t3, 0), t2) AS overlap_limit,
  w.context_switches
FROM sums u
JOIN subjects s ON s.trace_id = u.trace_id AND s.run_id IS NOT DISTINCT FROM u.run_id
LEFT JOIN switched w ON w.trace_id = u.trace_id AND w.run_id IS NOT DISTINCT FROM u.run_id`,
}

/** What threads did at the same time. */
export const threadOverlap: Topic = {
  measures: [
    ofWorkers('kswapd_waits_for_worker_ns', 'kswapd waits for a CPU while a worker runs', 'ns'),
    ofWorkers('workers_at_once_max', 'workers on a CPU at the same time, most', 'count'),
    ofKswapd('stores_at_once_max', 'threads storing at the same time, most', 'count'),
    ofWorkers(
      'application_waits_for_worker_ns',
      'applications wait for a CPU while workers run, at most',
      'ns',
    ),
  ],
  // Which CPU a waiting thread would have had is not known, so the delay by workers is at most one waiting thread per running worker.
  sql: `WITH ${STATES_CTE},
edges AS (
  SELECT trace_id, run_id, ts, sum(kswapd) AS kswapd, sum(worker) AS worker, sum(store) AS store, sum(application) AS application
  FROM (
    SELECT trace_id, run_id, unnest([start_ns, end_ns]) AS ts, unnest([1, -1]) AS step,
      CASE WHEN role = 'kswapd' AND state = 'runnable' THEN step ELSE 0 END AS kswapd,
      CASE WHEN role = 'worker' AND state = 'running' THEN step ELSE 0 END AS worker,
      CASE WHEN state = 'running' AND doing = 'store' THEN step ELSE 0 END AS store,
      CASE WHEN role = 'application' AND state = 'runnable' THEN step ELSE 0 END AS application
    FROM states
    WHERE end_ns > start_ns AND (state = 'runnable' AND role IN ('kswapd', 'application') OR state = 'running' AND (role = 'worker' OR doing = 'store'))
  ) GROUP BY ALL
),
levels AS (
  SELECT trace_id, run_id, lead(ts) OVER own - ts AS ns,
    sum(kswapd) OVER own AS kswapd, sum(worker) OVER own AS worker, sum(store) OVER own AS store, sum(application) OVER own AS application
  FROM edges
  WINDOW own AS (PARTITION BY trace_id, run_id ORDER BY ts)
),
busy AS (
  SELECT trace_id, run_id,
    sum(ns) FILTER (kswapd > 0 AND worker > 0) AS overlap_ns,
    max(worker) AS workers, max(store) AS stores,
    sum(ns * least(worker, application)) AS delay
  FROM levels GROUP BY ALL
)
SELECT trace_id, run_id,
  CASE WHEN workers > 0 THEN coalesce(overlap_ns, 0) END AS kswapd_waits_for_worker_ns,
  nullif(workers, 0) AS workers_at_once_max,
  nullif(stores, 0) AS stores_at_once_max,
  CASE WHEN workers > 0 THEN delay END AS application_waits_for_worker_ns
FROM busy`,
}

const WAKEUPS = 'wakeups, swapouts.stored_by'

/** Wake-ups of workers, and what came of them. */
export const workerWakeups: Topic = {
  measures: [
    { ...ofWorkers('worker_wakeups', 'wake-ups of workers', 'count'), restsOn: WAKEUPS },
    {
      ...ofWorkers('worker_wakeups_per_page', 'wake-ups of workers per page they stored', 'ratio'),
      restsOn: WAKEUPS,
    },
    {
      ...ofWorkers(
        'worker_wakeups_empty',
        'wake-ups after which the worker stored nothing',
        'count',
      ),
      restsOn: WAKEUPS,
    },
    {
      name: 'wakeups',
      title: 'wake-ups of all threads',
      unit: 'count',
      restsOn: 'wakeups',
      needs: NEEDS_SCHED,
      grows: true,
    },
  ],
  sql: `WITH ${WORKERS_CTE},
woken AS (
  SELECT u.trace_id, u.run_id, u.task_id, u.ts_ns
  FROM wakeups u
  JOIN workers w ON w.trace_id = u.trace_id AND w.run_id IS NOT DISTINCT FROM u.run_id AND w.task_id = u.task_id
),
stores AS (
  SELECT o.trace_id, o.run_id, o.stored_by AS task_id, o.start_ns
  FROM swapouts o
  JOIN workers w ON w.trace_id = o.trace_id AND w.run_id IS NOT DISTINCT FROM o.run_id AND w.task_id = o.stored_by
  WHERE o.path = 'queued' AND o.start_ns IS NOT NULL
),
used AS (
  SELECT e.trace_id, e.run_id, count(DISTINCT (e.task_id, e.ts_ns)) AS used FROM (
    SELECT s.trace_id, s.run_id, s.task_id, k.ts_ns
    FROM stores s ASOF JOIN (SELECT trace_id, coalesce(run_id, -1) AS run, task_id, ts_ns FROM woken) k
      ON k.trace_id = s.trace_id AND k.run = coalesce(s.run_id, -1) AND k.task_id = s.task_id AND s.start_ns >= k.ts_ns
  ) e GROUP BY ALL
),
-- One wake-up may be reported twice at the same instant (sched_waking and sched_wakeup).
counted AS (SELECT trace_id, run_id, count(DISTINCT (task_id, ts_ns)) AS wakeups FROM woken GROUP BY ALL),
stored AS (SELECT trace_id, run_id, count(*) AS pages FROM stores GROUP BY ALL),
everything AS (SELECT trace_id, run_id, count(*) AS wakeups FROM wakeups WHERE reason IS DISTINCT FROM 'kswapd' GROUP BY ALL)
SELECT s.trace_id, s.run_id, e.wakeups,
  c.wakeups AS worker_wakeups,
  c.wakeups / nullif(p.pages, 0) AS worker_wakeups_per_page,
  c.wakeups - coalesce(u.used, 0) AS worker_wakeups_empty
FROM subjects s
LEFT JOIN everything e ON e.trace_id = s.trace_id AND e.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN counted c ON c.trace_id = s.trace_id AND c.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN stored p ON p.trace_id = s.trace_id AND p.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN used u ON u.trace_id = s.trace_id AND u.run_id IS NOT DISTINCT FROM s.run_id`,
}
