-- Stalls per subject and kind of task: how many, how long in all, p50, p99 and longest. Sums count censored stalls with what was seen of them.
SELECT
  s.trace_id, s.run_id, s.label, st.stalled,
  count(*) AS stalls,
  count(*) FILTER (st.censored IS NOT NULL) AS censored,
  CAST(sum(st.rounds) AS BIGINT) AS rounds,
  count(DISTINCT st.task_id) AS tasks,
  CAST(sum(st.ns) AS BIGINT) AS total_ns,
  CAST(round(avg(st.ns)) AS BIGINT) AS mean_ns,
  quantile_disc(st.ns, 0.5) AS p50_ns,
  quantile_disc(st.ns, 0.99) AS p99_ns,
  max(st.ns) AS max_ns
FROM stalls st
JOIN subjects s ON s.trace_id = st.trace_id AND s.run_id IS NOT DISTINCT FROM st.run_id
GROUP BY ALL
ORDER BY s.trace_id, s.run_id NULLS FIRST, st.stalled
