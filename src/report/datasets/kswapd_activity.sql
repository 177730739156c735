-- Share of each interval in which kswapd was awake, over all kswapds.
WITH pieces AS (
  SELECT s.label, s.rank, k.node, greatest(k.start_ns, s.start_ns) - s.origin_ns AS from_ns,
    least(coalesce(k.end_ns, s.end_ns), s.end_ns) - s.origin_ns AS to_ns
  FROM kswapd_spans k
  JOIN report_subjects s ON s.trace_id = k.trace_id AND s.run_id IS NOT DISTINCT FROM k.run_id
),
kswapds AS (SELECT label, count(DISTINCT coalesce(node, -1)) AS kswapds FROM pieces GROUP BY label),
spread AS (
  SELECT p.*, e.bin_ns,
    unnest(generate_series(CAST(floor(p.from_ns / e.bin_ns) AS BIGINT), CAST(floor(p.to_ns / e.bin_ns) AS BIGINT))) AS bin
  FROM pieces p
  CROSS JOIN report_extent e
  WHERE p.to_ns > p.from_ns
)
SELECT p.label AS "column", p.bin * any_value(p.bin_ns) / 1e9 AS start_s, (p.bin + 1) * any_value(p.bin_ns) / 1e9 AS end_s,
  100 * sum(least(p.to_ns, (p.bin + 1) * p.bin_ns) - greatest(p.from_ns, p.bin * p.bin_ns)) / any_value(p.bin_ns) / any_value(k.kswapds) AS busy_percent
FROM spread p
JOIN kswapds k ON k.label = p.label
GROUP BY p.label, p.rank, p.bin
ORDER BY p.rank, p.bin
