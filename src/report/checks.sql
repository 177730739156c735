-- Sums that have to agree, per column of the report.
WITH parts AS (
  SELECT trace_id, run_id, sum(ns) AS ns FROM report_causes GROUP BY ALL
),
stalled AS (SELECT trace_id, run_id, sum(ns) AS ns FROM stalls GROUP BY ALL),
paths AS (
  SELECT trace_id, run_id, count(*) AS swapouts, count(DISTINCT swapout_id) AS ids,
    count(*) FILTER (path IN ('inline', 'queued', 'displaced', 'bypass')) AS with_path,
    count(*) FILTER (stored_ns IS NOT NULL AND start_ns IS NOT NULL AND stored_ns < start_ns) AS backwards,
    count(start_ns) FILTER (stored_ns IS NOT NULL) AS timed
  FROM swapouts GROUP BY ALL
),
busy AS (
  SELECT trace_id, run_id, sum(running_ns) AS running_ns,
    sum(coalesce(scan_ns, 0) + coalesce(unmap_ns, 0) + coalesce(store_ns, 0) + coalesce(slab_ns, 0) + coalesce(file_ns, 0) + coalesce(other_ns, 0)) AS parts_ns
  FROM kswapd_busy WHERE running_ns IS NOT NULL GROUP BY ALL
),
checks AS (
  SELECT s.rank, s.label, 1 AS place, 'stall time = sum of its causes' AS name, 'ms' AS unit, coalesce(t.ns, 0) / 1e6 AS one, coalesce(p.ns, 0) / 1e6 AS other, 0 AS tolerance
  FROM report_subjects s
  LEFT JOIN stalled t ON t.trace_id = s.trace_id AND t.run_id IS NOT DISTINCT FROM s.run_id
  LEFT JOIN parts p ON p.trace_id = s.trace_id AND p.run_id IS NOT DISTINCT FROM s.run_id
  WHERE t.ns IS NOT NULL
  UNION ALL
  SELECT s.rank, s.label, 2, 'swap-outs = inline + queued + displaced + bypass', 'pages', p.swapouts, p.with_path, 0
  FROM report_subjects s JOIN paths p ON p.trace_id = s.trace_id AND p.run_id IS NOT DISTINCT FROM s.run_id
  UNION ALL
  SELECT s.rank, s.label, 3, 'every swap-out is one row', 'rows', p.swapouts, p.ids, 0
  FROM report_subjects s JOIN paths p ON p.trace_id = s.trace_id AND p.run_id IS NOT DISTINCT FROM s.run_id
  UNION ALL
  SELECT s.rank, s.label, 4, 'stores that end before they begin', 'rows', p.backwards, 0, 0
  FROM report_subjects s JOIN paths p ON p.trace_id = s.trace_id AND p.run_id IS NOT DISTINCT FROM s.run_id WHERE p.timed > 0
  UNION ALL
  SELECT s.rank, s.label, 5, 'kswapd on a CPU = scan + unmap + store + slab + file + other', 'ms', b.running_ns / 1e6, b.parts_ns / 1e6, 0
  FROM report_subjects s JOIN busy b ON b.trace_id = s.trace_id AND b.run_id IS NOT DISTINCT FROM s.run_id
)
SELECT label AS "column", name, unit, one, other, abs(one - other) <= tolerance + 1e-6 AS holds
FROM checks
ORDER BY place, rank
