-- Swap slots per area: how many were used, how often they were reused, and how contiguous consecutive swap-outs of a lane are.
WITH neighbours AS (
  SELECT
    trace_id, run_id, swap_type, swap_offset, swap_offset // 512 AS cluster,
    lag(swap_offset) OVER (PARTITION BY trace_id, run_id, swap_type, lane ORDER BY swapout_id) AS previous
  FROM swapouts
  WHERE swap_offset IS NOT NULL
)
SELECT
  s.trace_id, s.run_id, s.label, n.swap_type,
  count(*) AS swapouts,
  count(DISTINCT n.swap_offset) AS slots,
  count(DISTINCT n.cluster) AS clusters,
  min(n.swap_offset) AS lowest_offset,
  max(n.swap_offset) AS highest_offset,
  count(*) - count(DISTINCT n.swap_offset) AS reuses,
  count(*) FILTER (n.swap_offset = n.previous + 1) / nullif(count(n.previous), 0) AS contiguous_share
FROM neighbours n
JOIN subjects s ON s.trace_id = n.trace_id AND s.run_id IS NOT DISTINCT FROM n.run_id
GROUP BY s.trace_id, s.run_id, s.label, n.swap_type
ORDER BY s.trace_id, s.run_id NULLS FIRST, n.swap_type
