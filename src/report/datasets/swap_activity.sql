-- Pages written to and read from swap per second, in intervals.
WITH moves AS (
  SELECT s.label, s.rank, coalesce(o.stored_ns, o.ts_ns, o.submit_ns) - s.origin_ns AS moment, 'swap-out' AS direction, 1 << coalesce(o.folio_order, 0) AS pages
  FROM swapouts o
  JOIN report_subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
  UNION ALL
  SELECT s.label, s.rank, i.ts_ns - s.origin_ns, 'swap-in', 1
  FROM swapins i
  JOIN report_subjects s ON s.trace_id = i.trace_id AND s.run_id IS NOT DISTINCT FROM i.run_id
),
counted AS (
  SELECT m.label, m.rank, m.direction, CAST(floor(m.moment / e.bin_ns) AS BIGINT) AS bin, any_value(e.bin_ns) AS bin_ns, sum(m.pages) AS pages
  FROM moves m
  CROSS JOIN report_extent e
  WHERE m.moment IS NOT NULL
  GROUP BY ALL
)
SELECT label AS "column", bin * bin_ns / 1e9 AS start_s, (bin + 1) * bin_ns / 1e9 AS end_s, direction,
  pages / (bin_ns / 1e9) AS pages_per_s,
  CASE direction WHEN 'swap-in' THEN -pages ELSE pages END / (bin_ns / 1e9) AS signed_per_s
FROM counted
ORDER BY rank, bin, direction
