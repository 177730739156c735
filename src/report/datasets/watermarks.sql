-- Watermarks summed over the zones, for every column.
WITH sums AS (
  SELECT s.label, s.rank, any_value(s.page_size) / 1048576 AS mib_per_page,
    sum(z.wmark_min) AS min, sum(z.wmark_low) AS low, sum(z.wmark_high) AS high,
    string_agg(DISTINCT z.basis, ', ' ORDER BY z.basis) AS basis
  FROM report_subjects s
  JOIN zones z ON z.trace_id = s.trace_id
  GROUP BY s.label, s.rank
)
SELECT label AS "column", name, pages * mib_per_page AS mib, basis
FROM (
  SELECT label, rank, basis, mib_per_page, unnest(['min', 'low', 'high']) AS name, unnest([min, low, high]) AS pages FROM sums
)
WHERE pages IS NOT NULL
ORDER BY rank, pages
