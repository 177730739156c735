-- First, largest and last value of every sampled pool figure.
SELECT
  s.trace_id, s.run_id, s.label, m.node, m.name,
  count(*) AS samples,
  arg_min(m.value, m.ts_ns) AS first_value,
  max(m.value) AS max_value,
  arg_max(m.value, m.ts_ns) AS last_value
FROM samples m
JOIN subjects s ON s.trace_id = m.trace_id AND s.run_id IS NOT DISTINCT FROM m.run_id
WHERE m.name IN ('pool_pages', 'pool_bytes', 'queued') OR m.name LIKE 'mm_stat.%' OR m.name LIKE 'zswap%'
GROUP BY s.trace_id, s.run_id, s.label, m.node, m.name
ORDER BY s.trace_id, s.run_id NULLS FIRST, m.node, m.name
