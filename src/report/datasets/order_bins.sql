-- In kswapd's lane: displacement (completion position - submission position) against submission position, counted in cells; exact up to 4 pages, a third of an octave beyond.
WITH extent AS (
  SELECT CAST(greatest(1, ceil(max(submit_position) / 80)) AS BIGINT) AS step FROM report_order WHERE context = 'kswapd'
),
cells AS (
  SELECT s.label, s.rank, e.step, (o.submit_position - 1) // e.step AS bin, o.done_displacement AS d,
    CASE WHEN abs(o.done_displacement) > 4 THEN floor(3 * log2((abs(o.done_displacement) - 0.5) / 4.5)) END AS octave
  FROM report_order o
  JOIN report_subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
  CROSS JOIN extent e
  WHERE o.done_displacement IS NOT NULL AND o.context = 'kswapd'
),
edges AS (
  SELECT label, rank, bin, step,
    CASE
      WHEN octave IS NULL THEN d - 0.5
      WHEN d > 0 THEN 4.5 * pow(2, octave / 3)
      ELSE -4.5 * pow(2, (octave + 1) / 3)
    END AS displacement_from,
    CASE
      WHEN octave IS NULL THEN d + 0.5
      WHEN d > 0 THEN 4.5 * pow(2, (octave + 1) / 3)
      ELSE -4.5 * pow(2, octave / 3)
    END AS displacement_to
  FROM cells
)
SELECT label AS "column", bin * any_value(step) AS submit_from, (bin + 1) * any_value(step) AS submit_to,
  displacement_from, displacement_to, count(*) AS pages
FROM edges
GROUP BY label, rank, bin, displacement_from, displacement_to
ORDER BY rank, bin, displacement_from
