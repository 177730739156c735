-- One row per column of the report with every figure that recording and runs share.
WITH stalled AS (
  SELECT trace_id, run_id,
    sum(stalls) FILTER (stalled = 'application') AS stalls,
    sum(total_ns) FILTER (stalled = 'application') AS stall_ns,
    max(p50_ns) FILTER (stalled = 'application') AS stall_p50_ns,
    max(p99_ns) FILTER (stalled = 'application') AS stall_p99_ns,
    max(max_ns) FILTER (stalled = 'application') AS stall_max_ns,
    sum(censored) FILTER (stalled = 'application') AS censored,
    sum(total_ns) FILTER (stalled = 'worker') AS worker_ns,
    sum(rounds) AS rounds
  FROM stall_summary
  GROUP BY ALL
),
kswapd AS (
  SELECT trace_id, run_id, sum(running_ns) AS kswapd_running_ns, sum(awake_ns) AS kswapd_awake_ns, sum(store_ns) AS kswapd_store_ns
  FROM kswapd_busy
  GROUP BY ALL
),
swapped AS (
  SELECT o.trace_id, o.run_id, sum(1 << coalesce(o.folio_order, 0)) AS swapouts,
    quantile_disc(o.start_ns - o.submit_ns, 0.99) FILTER (o.path IN ('queued', 'displaced')) AS wait_p99_ns,
    count(o.compressed_bytes) FILTER (o.place IN ('zram', 'zswap')) AS sized,
    avg(o.compressed_bytes) FILTER (o.place IN ('zram', 'zswap')) AS mean_bytes
  FROM swapouts o
  GROUP BY ALL
),
moved AS (
  SELECT trace_id, run_id, max(abs(done_displacement)) AS displacement_max, count(done_displacement) AS ranked
  FROM order_pages
  GROUP BY ALL
),
swapped_in AS (
  SELECT trace_id, run_id, count(*) AS swapins, quantile_disc(wait_ns, 0.99) AS swapin_p99_ns FROM swapins GROUP BY ALL
),
demanded AS (SELECT DISTINCT trace_id, run_id FROM reclaim_spans)
SELECT s.label, s.run_id, s.end_ns - greatest(s.start_ns, s.origin_ns + s.offset_ns) AS work_ns, s.page_size,
  d.trace_id IS NOT NULL AS has_spans, t.stalls, t.stall_ns, t.stall_p50_ns, t.stall_p99_ns, t.stall_max_ns, t.censored, t.worker_ns, t.rounds,
  k.kswapd_running_ns, k.kswapd_awake_ns, k.kswapd_store_ns, o.swapouts, o.wait_p99_ns, o.sized, o.mean_bytes, m.displacement_max, m.ranked,
  i.swapins, i.swapin_p99_ns
FROM report_subjects s
LEFT JOIN demanded d ON d.trace_id = s.trace_id AND d.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN stalled t ON t.trace_id = s.trace_id AND t.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN kswapd k ON k.trace_id = s.trace_id AND k.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN swapped o ON o.trace_id = s.trace_id AND o.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN moved m ON m.trace_id = s.trace_id AND m.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN swapped_in i ON i.trace_id = s.trace_id AND i.run_id IS NOT DISTINCT FROM s.run_id
ORDER BY s.rank
