-- Swap-ins by where they met the page, with the wait of the faulting task and the refault distance (pages swapped out in between).
SELECT
  s.trace_id, s.run_id, s.label, coalesce(i.met, 'unknown') AS met,
  count(*) AS swapins,
  count(*) FILTER (i.readahead) AS readahead,
  count(i.swapout_id) AS refaults,
  count(*) FILTER (i.swapout_id IS NULL) AS older,
  quantile_disc(i.wait_ns, 0.5) AS p50_wait_ns,
  quantile_disc(i.wait_ns, 0.99) AS p99_wait_ns,
  max(i.wait_ns) AS max_wait_ns,
  quantile_disc(i.refault_distance, 0.5) AS p50_distance,
  quantile_disc(i.refault_distance, 0.99) AS p99_distance
FROM swapins i
JOIN subjects s ON s.trace_id = i.trace_id AND s.run_id IS NOT DISTINCT FROM i.run_id
GROUP BY s.trace_id, s.run_id, s.label, coalesce(i.met, 'unknown')
ORDER BY s.trace_id, s.run_id NULLS FIRST, met
