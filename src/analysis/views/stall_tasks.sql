-- Stalls per task, with the share of the recording (or run) that the task spent stalled.
SELECT
  s.trace_id, s.run_id, s.label, st.tid, st.comm, st.package, st.task_kind, st.stalled,
  count(*) AS stalls,
  count(*) FILTER (st.censored IS NOT NULL) AS censored,
  CAST(sum(st.rounds) AS BIGINT) AS rounds,
  CAST(sum(st.ns) AS BIGINT) AS total_ns,
  sum(st.ns) / nullif(any_value(s.end_ns - s.start_ns), 0) AS elapsed_share,
  quantile_disc(st.ns, 0.5) AS p50_ns,
  quantile_disc(st.ns, 0.99) AS p99_ns,
  max(st.ns) AS max_ns,
  CAST(sum(st.nr_reclaimed) AS BIGINT) AS reclaimed_pages
FROM stalls st
JOIN subjects s ON s.trace_id = st.trace_id AND s.run_id IS NOT DISTINCT FROM st.run_id
GROUP BY s.trace_id, s.run_id, s.label, st.task_id, st.tid, st.comm, st.package, st.task_kind, st.stalled
ORDER BY s.trace_id, s.run_id NULLS FIRST, total_ns DESC, st.tid
