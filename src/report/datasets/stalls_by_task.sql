-- Stall time per task and cause.
SELECT s.label AS "column", c.stalled AS task_class,
  coalesce(c.comm, '?') || ' (' || coalesce(CAST(c.tid AS VARCHAR), '?') || ')' AS task,
  c.part AS cause, sum(c.ns) / 1e6 AS ms, count(DISTINCT c.stall_id) AS stalls
FROM report_causes c
JOIN report_subjects s ON s.trace_id = c.trace_id AND s.run_id IS NOT DISTINCT FROM c.run_id
GROUP BY s.label, s.rank, c.stalled, task, c.part
HAVING sum(c.ns) > 0
ORDER BY s.rank, ms DESC, task, cause
