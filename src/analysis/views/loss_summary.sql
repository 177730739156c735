-- Lost events per CPU; uncounted gaps are those whose number of events the source does not know.
SELECT
  l.trace_id, l.cpu,
  count(*) AS gaps,
  count(*) FILTER (l.events IS NULL) AS uncounted_gaps,
  CAST(coalesce(sum(l.events), 0) AS BIGINT) AS lost_events,
  CAST(sum(l.end_ns - l.start_ns) AS BIGINT) AS gap_ns
FROM losses l
GROUP BY ALL
ORDER BY l.trace_id, l.cpu
