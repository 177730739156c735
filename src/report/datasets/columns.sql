-- Recording and runs as columns of the report; end_s on the common time axis.
SELECT
  s.label AS "column",
  CASE
    WHEN s.run_id IS NULL THEN 'as recorded'
    ELSE concat_ws(', ', 'replayed', r.backend, r.codec, 'contents ' || r.content_source, r.clock || ' clock', r.demand || ' demand')
  END AS description,
  (s.start_ns - s.origin_ns) / 1e9 AS start_s, (s.end_ns - s.origin_ns) / 1e9 AS end_s
FROM report_subjects s
LEFT JOIN runs r ON r.run_id = s.run_id
ORDER BY s.rank
