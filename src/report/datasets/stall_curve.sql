-- Share of stalls longer than a length, at fixed shares that are closer together towards the longest.
WITH levels AS (
  SELECT unnest(list_concat(
    list_transform(range(0, 50), i -> i / 50),
    list_transform(range(0, 41), i -> 1 - 0.02 * pow(10, -i / 20)))) AS level
),
sorted AS (
  SELECT s.label, s.rank, st.stalled, list_sort(list(st.ns)) AS lengths
  FROM stalls st
  JOIN report_subjects s ON s.trace_id = st.trace_id AND s.run_id IS NOT DISTINCT FROM st.run_id
  GROUP BY s.label, s.rank, st.stalled
),
points AS (
  SELECT label, rank, stalled, len(lengths) AS n, lengths, CAST(floor(level * len(lengths)) AS BIGINT) AS below
  FROM sorted
  CROSS JOIN levels
)
SELECT DISTINCT label AS "column", stalled AS task_class, lengths[below + 1] / 1e6 AS ms, 100 * (n - below) / n AS longer_percent, rank
FROM points
WHERE below < n AND lengths[below + 1] > 0
ORDER BY rank, task_class, ms, longer_percent DESC
