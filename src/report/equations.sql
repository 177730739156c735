-- t1 scan and unmap, t2 store (whoever does it), t3 everything else of kswapd: the terms of t1+t2+t3 and max(t1+t3, t2), in ms of CPU time.
WITH stored AS (
  SELECT trace_id, run_id, sum(end_ns - start_ns) AS ns
  FROM thread_states t
  WHERE state = 'running' AND doing = 'store'
  GROUP BY ALL
),
kswapd AS (
  SELECT trace_id, run_id, sum(coalesce(scan_ns, 0) + coalesce(unmap_ns, 0)) AS t1_ns,
    sum(coalesce(slab_ns, 0) + coalesce(file_ns, 0) + coalesce(other_ns, 0)) AS t3_ns, sum(store_ns) AS own_store_ns,
    sum(running_ns) AS running_ns
  FROM kswapd_busy
  WHERE running_ns IS NOT NULL
  GROUP BY ALL
)
SELECT s.label AS "column", k.t1_ns / 1e6 AS t1_ms, coalesce(t.ns, 0) / 1e6 AS t2_ms, k.t3_ns / 1e6 AS t3_ms,
  (k.t1_ns + coalesce(t.ns, 0) + k.t3_ns) / 1e6 AS sum_ms,
  greatest(k.t1_ns + k.t3_ns, coalesce(t.ns, 0)) / 1e6 AS max_ms,
  k.running_ns / 1e6 AS running_ms
FROM report_subjects s
JOIN kswapd k ON k.trace_id = s.trace_id AND k.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN stored t ON t.trace_id = s.trace_id AND t.run_id IS NOT DISTINCT FROM s.run_id
ORDER BY s.rank
