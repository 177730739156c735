-- Swap-outs by context and swap-ins per second, counted from the subject's start.
WITH events AS (
  SELECT trace_id, run_id, coalesce(stored_ns, ts_ns, submit_ns) AS ts_ns, 'out' AS direction, context, 1 << coalesce(folio_order, 0) AS pages
  FROM swapouts
  UNION ALL
  SELECT trace_id, run_id, ts_ns, 'in', NULL, 1 FROM swapins
)
SELECT
  s.trace_id, s.run_id, s.label,
  (e.ts_ns - s.start_ns) // 1000000000 AS second,
  CAST(coalesce(sum(e.pages) FILTER (e.direction = 'out'), 0) AS BIGINT) AS swapout_pages,
  CAST(coalesce(sum(e.pages) FILTER (e.direction = 'out' AND e.context = 'kswapd'), 0) AS BIGINT) AS kswapd_pages,
  CAST(coalesce(sum(e.pages) FILTER (e.direction = 'out' AND e.context = 'direct'), 0) AS BIGINT) AS direct_pages,
  CAST(coalesce(sum(e.pages) FILTER (e.direction = 'in'), 0) AS BIGINT) AS swapin_pages
FROM events e
JOIN subjects s ON s.trace_id = e.trace_id AND s.run_id IS NOT DISTINCT FROM e.run_id
WHERE e.ts_ns IS NOT NULL
GROUP BY ALL
ORDER BY s.trace_id, s.run_id NULLS FIRST, second
