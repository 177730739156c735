-- Stalls per control group of the task that stalled (NULL: not known). A group's row holds its own tasks only, not those of groups below it.
SELECT
  s.trace_id, s.run_id, s.label, st.cgroup, st.stalled,
  count(*) AS stalls,
  count(*) FILTER (st.censored IS NOT NULL) AS censored,
  CAST(sum(st.rounds) AS BIGINT) AS rounds,
  count(DISTINCT st.task_id) AS tasks,
  CAST(sum(st.ns) AS BIGINT) AS total_ns,
  quantile_disc(st.ns, 0.5) AS p50_ns,
  quantile_disc(st.ns, 0.99) AS p99_ns,
  max(st.ns) AS max_ns,
  CAST(sum(st.nr_reclaimed) AS BIGINT) AS reclaimed_pages
FROM stalls st
JOIN subjects s ON s.trace_id = st.trace_id AND s.run_id IS NOT DISTINCT FROM st.run_id
GROUP BY s.trace_id, s.run_id, s.label, st.cgroup, st.stalled
ORDER BY s.trace_id, s.run_id NULLS FIRST, total_ns DESC, st.cgroup, st.stalled
