-- Swap-outs by path; whoever is not kswapd never meets its queue. A page is overtaken when a page submitted after it, in the same lane, was stored before it.
WITH later AS (
  SELECT trace_id, run_id, swapout_id, done_position,
    min(done_position) OVER (
      PARTITION BY trace_id, run_id, lane ORDER BY submit_position DESC
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS first_later
  FROM report_order
  WHERE context = 'kswapd'
),
overtaken AS (SELECT trace_id, run_id, swapout_id FROM later WHERE first_later < done_position)
SELECT "column", path, pages, overtaken FROM (
SELECT s.label AS "column", s.rank, CASE WHEN o.context = 'kswapd' THEN coalesce(o.path, 'unknown') ELSE 'bypass' END AS path, count(*) AS pages, count(v.swapout_id) AS overtaken
FROM swapouts o
JOIN report_subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
LEFT JOIN overtaken v ON v.trace_id = o.trace_id AND v.run_id IS NOT DISTINCT FROM o.run_id AND v.swapout_id = o.swapout_id
GROUP BY ALL
)
ORDER BY rank, path
