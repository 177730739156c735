-- Pages between hand-over and start of their store, for pages that met a queue. A run knows which stores never began: those pages wait until its end.
WITH waits AS (
  SELECT s.label, s.rank, coalesce(o.node, 0) AS node, o.submit_ns - s.origin_ns AS from_ns,
    coalesce(o.start_ns, CASE WHEN o.run_id IS NOT NULL THEN s.end_ns END) - s.origin_ns AS to_ns
  FROM swapouts o
  JOIN report_subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
  WHERE o.path IN ('queued', 'displaced') AND to_ns > from_ns
),
-- A wait that ends where an interval begins is none of its. Widths have fractions, so a billionth of one is no distance.
spread AS (
  SELECT w.*, e.bin_ns,
    unnest(generate_series(
      CAST(floor(w.from_ns / e.bin_ns) AS BIGINT),
      greatest(CAST(floor(w.from_ns / e.bin_ns) AS BIGINT), CAST(ceil(w.to_ns / e.bin_ns - 1e-9) AS BIGINT) - 1)
    )) AS bin
  FROM waits w
  CROSS JOIN report_extent e
),
means AS (
  SELECT label, rank, node, bin, any_value(bin_ns) AS bin_ns,
    sum(least(to_ns, (bin + 1) * bin_ns) - greatest(from_ns, bin * bin_ns)) / any_value(bin_ns) AS depth_mean
  FROM spread
  GROUP BY label, rank, node, bin
),
changes AS (
  SELECT label, node, moment, sum(change) AS change
  FROM (
    SELECT label, node, from_ns AS moment, 1 AS change FROM waits
    UNION ALL
    SELECT label, node, to_ns, -1 FROM waits
  )
  GROUP BY label, node, moment
),
steps AS (
  SELECT label, node, moment, change, sum(change) OVER (PARTITION BY label, node ORDER BY moment) AS depth
  FROM changes
),
-- An interval in which the queue only drains is deepest before its first step.
peaks AS (
  SELECT label, node, bin, max(depth) AS depth_max
  FROM (
    SELECT p.label, p.node, CAST(floor(p.moment / e.bin_ns) AS BIGINT) AS bin, p.depth
    FROM steps p
    CROSS JOIN report_extent e
    UNION ALL
    SELECT p.label, p.node, CAST(ceil(p.moment / e.bin_ns - 1e-9) AS BIGINT) - 1, p.depth - p.change
    FROM steps p
    CROSS JOIN report_extent e
  )
  GROUP BY ALL
)
SELECT m.label AS "column", m.node, m.bin * m.bin_ns / 1e9 AS start_s, (m.bin + 1) * m.bin_ns / 1e9 AS end_s, m.depth_mean,
  greatest(coalesce(p.depth_max, 0), m.depth_mean) AS depth_max
FROM means m
LEFT JOIN peaks p ON p.label = m.label AND p.node = m.node AND p.bin = m.bin
ORDER BY m.rank, m.node, m.bin
