-- Number and length of stalls by kind of task.
SELECT s.label AS "column", q.stalled AS task_class, q.stalls, q.censored, q.p50_ns / 1e6 AS p50_ms, q.p99_ns / 1e6 AS p99_ms, q.max_ns / 1e6 AS max_ms,
  q.total_ns / 1e6 AS total_ms, q.rounds
FROM stall_summary q
JOIN report_subjects s ON s.trace_id = q.trace_id AND s.run_id IS NOT DISTINCT FROM q.run_id
ORDER BY s.rank, task_class
