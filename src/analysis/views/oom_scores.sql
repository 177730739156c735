-- The oom_score_adj of processes over time, from the moment each value was set (or first read).
SELECT
  trace_id, CAST(split_part(name, '.', 2) AS INTEGER) AS pid, ts_ns, CAST(value AS INTEGER) AS oom_score_adj
FROM samples
WHERE run_id IS NULL AND name LIKE 'process.%.oom_score_adj' AND value IS NOT NULL
