-- Capacity of the policy's queue, where the run says it.
SELECT s.label AS "column", coalesce(m.node, 0) AS node, max(m.value) AS bound
FROM metrics m
JOIN report_subjects s ON s.trace_id = m.trace_id AND s.run_id IS NOT DISTINCT FROM m.run_id
WHERE m.metric = 'queue_capacity'
GROUP BY s.label, s.rank, coalesce(m.node, 0)
ORDER BY s.rank, node
