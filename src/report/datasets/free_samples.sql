-- Lowest free memory in each of at most 600 intervals; nodes added where all of them were sampled. The kernel's nr_free_pages counts all zones, a run has those that reclaim works on, from the workload's start value.
WITH per_node AS (
  SELECT s.label, s.rank, s.run_id, s.page_size, m.node,
    CAST(floor((m.ts_ns - s.origin_ns) / e.fine_ns) AS INTEGER) AS bin, min(m.value) AS pages
  FROM samples m
  JOIN report_subjects s ON s.trace_id = m.trace_id AND s.run_id IS NOT DISTINCT FROM m.run_id
  CROSS JOIN report_extent e
  WHERE m.name = 'free_pages'
  GROUP BY ALL
),
nodes AS (SELECT label, count(DISTINCT coalesce(node, -1)) AS nodes FROM per_node GROUP BY label)
SELECT p.label AS "column", p.bin * any_value(e.fine_ns) / 1e9 AS time_s,
  sum(p.pages) * any_value(p.page_size) / 1048576 AS free_mib,
  CASE WHEN any_value(p.run_id) IS NULL THEN 'all zones' ELSE 'the zones that reclaim works on' END AS zones
FROM per_node p
JOIN nodes n ON n.label = p.label
CROSS JOIN report_extent e
GROUP BY p.label, p.rank, p.bin
HAVING count(*) = any_value(n.nodes)
ORDER BY p.rank, p.bin
