-- Displacement per lane = (node, submitting context); bypass is what never met the queue. Exact inversion counts come from the command order.
WITH displaced AS (
  SELECT
    trace_id, run_id, lane,
    count(*) AS pages,
    count(start_position) AS started,
    count(done_position) AS done,
    count(*) FILTER (start_displacement <> 0) AS start_displaced,
    quantile_disc(abs(start_displacement), 0.5) AS start_p50,
    quantile_disc(abs(start_displacement), 0.99) AS start_p99,
    max(abs(start_displacement)) AS start_max,
    count(*) FILTER (done_displacement <> 0) AS done_displaced,
    quantile_disc(abs(done_displacement), 0.5) AS done_p50,
    quantile_disc(abs(done_displacement), 0.99) AS done_p99,
    max(abs(done_displacement)) AS done_max
  FROM order_pages
  GROUP BY ALL
)
SELECT s.label, d.*
FROM displaced d
JOIN subjects s ON s.trace_id = d.trace_id AND s.run_id IS NOT DISTINCT FROM d.run_id
ORDER BY s.trace_id, s.run_id NULLS FIRST, d.lane
