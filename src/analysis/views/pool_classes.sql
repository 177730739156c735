-- Size classes of a run's pool when they were last sampled: objects, pages, stored bytes, how full the pages are, and places without an object.
WITH sampled AS (
  SELECT m.trace_id, m.run_id, m.ts_ns,
    split_part(m.name, '.', 1) AS what, CAST(split_part(m.name, '.', 2) AS BIGINT) AS size_class, m.value
  FROM samples m WHERE m.name LIKE 'class\_%.%' ESCAPE '\'
),
last AS (
  SELECT trace_id, run_id, max(ts_ns) AS ts_ns FROM sampled GROUP BY ALL
)
SELECT
  s.trace_id, s.run_id, s.label, c.size_class,
  CAST(max(c.value) FILTER (c.what = 'class_objects') AS BIGINT) AS objects,
  CAST(max(c.value) FILTER (c.what = 'class_pages') AS BIGINT) AS pages,
  CAST(max(c.value) FILTER (c.what = 'class_stored') AS BIGINT) AS stored_bytes,
  stored_bytes / (pages * s.page_size) AS density_share,
  1 - objects * c.size_class / (pages * s.page_size) AS free_share
FROM sampled c
JOIN last l ON l.trace_id = c.trace_id AND l.run_id IS NOT DISTINCT FROM c.run_id AND l.ts_ns = c.ts_ns
JOIN subjects s ON s.trace_id = c.trace_id AND s.run_id IS NOT DISTINCT FROM c.run_id
GROUP BY s.trace_id, s.run_id, s.label, s.page_size, c.size_class
ORDER BY s.trace_id, s.run_id NULLS FIRST, c.size_class
