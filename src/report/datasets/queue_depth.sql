-- Pages between hand-over and start of their store, for pages that met a queue.
WITH waits AS (
  SELECT s.label, s.rank, coalesce(o.node, 0) AS node, o.submit_ns - s.origin_ns AS from_ns, o.start_ns - s.origin_ns AS to_ns
  FROM swapouts o
  JOIN report_subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
  WHERE o.path IN ('queued', 'displaced') AND o.submit_ns IS NOT NULL AND o.start_ns > o.submit_ns
),
spread AS (
  SELECT w.*, e.bin_ns,
    unnest(generate_series(CAST(floor(w.from_ns / e.bin_ns) AS BIGINT), CAST(floor(w.to_ns / e.bin_ns) AS BIGINT))) AS bin
  FROM waits w
  CROSS JOIN report_extent e
),
means AS (
  SELECT label, rank, node, bin, any_value(bin_ns) AS bin_ns,
    sum(least(to_ns, (bin + 1) * bin_ns) - greatest(from_ns, bin * bin_ns)) / any_value(bin_ns) AS depth_mean
  FROM spread
  GROUP BY label, rank, node, bin
),
steps AS (
  SELECT label, node, moment, sum(change) OVER (PARTITION BY label, node ORDER BY moment, change) AS depth
  FROM (
    SELECT label, node, from_ns AS moment, 1 AS change FROM waits
    UNION ALL
    SELECT label, node, to_ns, -1 FROM waits
  )
),
peaks AS (
  SELECT p.label, p.node, CAST(floor(p.moment / e.bin_ns) AS BIGINT) AS bin, max(p.depth) AS depth_max
  FROM steps p
  CROSS JOIN report_extent e
  GROUP BY ALL
)
SELECT m.label AS "column", m.node, m.bin * m.bin_ns / 1e9 AS start_s, (m.bin + 1) * m.bin_ns / 1e9 AS end_s, m.depth_mean,
  greatest(coalesce(p.depth_max, 0), m.depth_mean) AS depth_max
FROM means m
LEFT JOIN peaks p ON p.label = m.label AND p.node = m.node AND p.bin = m.bin
ORDER BY m.rank, m.node, m.bin
