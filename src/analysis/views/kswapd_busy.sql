-- How each kswapd spent the recording or run, from scheduler events: shares are of elapsed time. scan_ns, unmap_ns, ... split running_ns; other_ns is running time that no event explains.
WITH kswapds AS (
  SELECT trace_id, task_id, tid, comm, node FROM tasks WHERE kind = 'kswapd'
),
states AS (
  SELECT
    t.trace_id, t.run_id, t.task_id, t.state, t.doing,
    least(coalesce(t.end_ns, s.end_ns), s.end_ns) - greatest(t.start_ns, s.start_ns) AS ns
  FROM thread_states t
  JOIN subjects s ON s.trace_id = t.trace_id AND s.run_id IS NOT DISTINCT FROM t.run_id
  WHERE t.task_id IN (SELECT k.task_id FROM kswapds k WHERE k.trace_id = t.trace_id)
),
awake AS (
  SELECT
    k.trace_id, k.run_id, k.task_id,
    count(*) AS wakes,
    CAST(sum(least(coalesce(k.end_ns, s.end_ns), s.end_ns) - greatest(k.start_ns, s.start_ns)) AS BIGINT) AS awake_ns
  FROM kswapd_spans k
  JOIN subjects s ON s.trace_id = k.trace_id AND s.run_id IS NOT DISTINCT FROM k.run_id
  GROUP BY ALL
),
spent AS (
  SELECT
    trace_id, run_id, task_id,
    CAST(sum(ns) FILTER (state = 'running') AS BIGINT) AS running_ns,
    CAST(sum(ns) FILTER (state = 'running' AND doing = 'scan') AS BIGINT) AS scan_ns,
    CAST(sum(ns) FILTER (state = 'running' AND doing = 'unmap') AS BIGINT) AS unmap_ns,
    CAST(sum(ns) FILTER (state = 'running' AND doing = 'store') AS BIGINT) AS store_ns,
    CAST(sum(ns) FILTER (state = 'running' AND doing = 'slab') AS BIGINT) AS slab_ns,
    CAST(sum(ns) FILTER (state = 'running' AND doing = 'file') AS BIGINT) AS file_ns,
    CAST(sum(ns) FILTER (state = 'running' AND coalesce(doing, 'none') = 'none') AS BIGINT) AS other_ns,
    CAST(sum(ns) FILTER (state = 'runnable') AS BIGINT) AS runnable_ns,
    CAST(sum(ns) FILTER (state = 'lock') AS BIGINT) AS lock_ns,
    CAST(sum(ns) FILTER (state = 'io') AS BIGINT) AS io_ns
  FROM states
  GROUP BY ALL
)
SELECT
  s.trace_id, s.run_id, s.label, k.node, k.tid, k.comm,
  a.wakes, a.awake_ns,
  p.running_ns, p.running_ns / nullif(s.end_ns - s.start_ns, 0) AS busy_share,
  p.scan_ns, p.unmap_ns, p.store_ns, p.slab_ns, p.file_ns, p.other_ns,
  p.store_ns / nullif(p.running_ns, 0) AS store_share,
  p.runnable_ns, p.lock_ns, p.io_ns
FROM kswapds k
JOIN subjects s ON s.trace_id = k.trace_id
LEFT JOIN awake a ON a.trace_id = s.trace_id AND a.run_id IS NOT DISTINCT FROM s.run_id AND a.task_id = k.task_id
LEFT JOIN spent p ON p.trace_id = s.trace_id AND p.run_id IS NOT DISTINCT FROM s.run_id AND p.task_id = k.task_id
WHERE a.task_id IS NOT NULL OR p.task_id IS NOT NULL
ORDER BY s.trace_id, s.run_id NULLS FIRST, k.node, k.tid
