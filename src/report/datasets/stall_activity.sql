-- Mean number of stalled tasks in each interval, by kind of task.
WITH pieces AS (
  SELECT s.label, s.rank, st.stalled, greatest(st.start_ns, s.start_ns) - s.origin_ns AS from_ns,
    least(st.end_ns, s.end_ns) - s.origin_ns AS to_ns
  FROM stalls st
  JOIN report_subjects s ON s.trace_id = st.trace_id AND s.run_id IS NOT DISTINCT FROM st.run_id
),
spread AS (
  SELECT p.*, e.bin_ns,
    unnest(generate_series(CAST(floor(p.from_ns / e.bin_ns) AS BIGINT), CAST(floor(p.to_ns / e.bin_ns) AS BIGINT))) AS bin
  FROM pieces p
  CROSS JOIN report_extent e
  WHERE p.to_ns > p.from_ns
)
SELECT label AS "column", bin * any_value(bin_ns) / 1e9 AS start_s, (bin + 1) * any_value(bin_ns) / 1e9 AS end_s, stalled AS task_class,
  sum(least(to_ns, (bin + 1) * bin_ns) - greatest(from_ns, bin * bin_ns)) / any_value(bin_ns) AS stalled_tasks
FROM spread
GROUP BY label, rank, bin, stalled
ORDER BY rank, bin, stalled
