-- Intervals in which events of a CPU were lost; only a recording has them.
SELECT s.label AS "column",
  (greatest(l.start_ns, s.start_ns) - s.origin_ns) / 1e9 AS start_s, (least(l.end_ns, s.end_ns) - s.origin_ns) / 1e9 AS end_s, l.cpu, l.events
FROM losses l
JOIN report_subjects s ON s.trace_id = l.trace_id AND s.run_id IS NULL
WHERE l.end_ns >= s.start_ns AND l.start_ns <= s.end_ns
ORDER BY l.start_ns, l.cpu
LIMIT 500
