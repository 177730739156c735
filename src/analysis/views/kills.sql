-- Processes killed to free memory, with the stalls that went on at that moment.
WITH killed AS (
  SELECT
    trace_id, coalesce(tgid, tid) AS pid, killed_ns AS ts_ns, any_value(killed_by) AS killed_by,
    arg_min(comm, abs(tid - coalesce(tgid, tid))) AS comm, any_value(process) AS process, any_value(package) AS package,
    any_value(cgroup) AS cgroup, any_value(oom_score_adj) AS oom_score_adj
  FROM tasks
  WHERE killed_ns IS NOT NULL
  GROUP BY trace_id, coalesce(tgid, tid), killed_ns
)
SELECT
  k.trace_id, k.ts_ns, k.ts_ns - s.first_ns AS at_ns, k.killed_by, k.pid, k.comm, k.process, k.package, k.cgroup, k.oom_score_adj,
  (
    SELECT count(*) FROM stalls st
    WHERE st.trace_id = k.trace_id AND st.run_id IS NULL AND st.start_ns <= k.ts_ns AND st.end_ns >= k.ts_ns
  ) AS stalls
FROM killed k
JOIN subjects s ON s.trace_id = k.trace_id AND s.run_id IS NULL
WHERE k.ts_ns BETWEEN s.start_ns AND s.end_ns
ORDER BY k.trace_id, k.ts_ns, k.pid
