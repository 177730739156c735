-- How much the policy lets wait in its queue, and how much the queue could hold, where the run says it.
SELECT s.label AS "column", coalesce(m.node, 0) AS node,
  coalesce(max(m.value) FILTER (m.metric = 'queue_depth'), max(m.value)) AS bound,
  max(m.value) FILTER (m.metric = 'queue_capacity') AS capacity
FROM metrics m
JOIN report_subjects s ON s.trace_id = m.trace_id AND s.run_id IS NOT DISTINCT FROM m.run_id
WHERE m.metric IN ('queue_depth', 'queue_capacity')
GROUP BY s.label, s.rank, coalesce(m.node, 0)
ORDER BY s.rank, node
