-- Stall time by cause; shares are of all stall time of that kind of task.
SELECT
  s.trace_id, s.run_id, s.label, c.stalled, c.part,
  count(DISTINCT c.stall_id) AS stalls,
  CAST(sum(c.ns) AS BIGINT) AS total_ns,
  sum(c.ns) / nullif(sum(sum(c.ns)) OVER (PARTITION BY s.trace_id, s.run_id, c.stalled), 0) AS stall_share
FROM stall_causes c
JOIN subjects s ON s.trace_id = c.trace_id AND s.run_id IS NOT DISTINCT FROM c.run_id
GROUP BY s.trace_id, s.run_id, s.label, c.stalled, c.part
ORDER BY s.trace_id, s.run_id NULLS FIRST, c.stalled, total_ns DESC
