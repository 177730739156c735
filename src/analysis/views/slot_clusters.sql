-- Swap-outs per cluster of 512 slots.
SELECT
  s.trace_id, s.run_id, s.label, o.swap_type, o.swap_offset // 512 AS cluster,
  count(*) AS swapouts,
  count(DISTINCT o.swap_offset) AS slots,
  min(coalesce(o.submit_ns, o.ts_ns)) - s.start_ns AS first_use_ns,
  max(coalesce(o.submit_ns, o.ts_ns)) - s.start_ns AS last_use_ns
FROM swapouts o
JOIN subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
WHERE o.swap_offset IS NOT NULL
GROUP BY s.trace_id, s.run_id, s.label, s.start_ns, o.swap_type, cluster
ORDER BY s.trace_id, s.run_id NULLS FIRST, o.swap_type, cluster
