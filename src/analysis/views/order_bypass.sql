-- Swap-outs that never met a queue, by lane and reason: counted and shown apart, never an inversion.
SELECT
  s.trace_id, s.run_id, s.label, o.lane, o.context, o.bypass_reason,
  count(*) AS pages
FROM swapouts o
JOIN subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
WHERE o.path = 'bypass' OR o.submit_rank IS NULL
GROUP BY ALL
ORDER BY s.trace_id, s.run_id NULLS FIRST, o.lane, o.bypass_reason
