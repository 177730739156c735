-- Without samples: what kswapd and direct reclaim prove about free memory in each interval, neighbours with the same proof joined. A fallback allocation raises all watermarks by up to 1.5 high, at least a page block of 2 MiB, per zone (boost_watermark, mm/page_alloc.c): upper bounds count it in full.
WITH marks AS (
  SELECT s.label, s.rank, s.origin_ns, s.start_ns, s.end_ns, s.trace_id, s.run_id,
    sum(z.wmark_min) * any_value(s.page_size) / 1048576 AS min_mib,
    sum(z.wmark_low) * any_value(s.page_size) / 1048576 AS low_mib,
    sum(z.wmark_high + greatest(1.5 * z.wmark_high, 2097152 / s.page_size)) * any_value(s.page_size) / 1048576 AS high_boosted_mib
  FROM report_subjects s
  JOIN zones z ON z.trace_id = s.trace_id
  WHERE NOT EXISTS (
    SELECT 1 FROM samples m
    WHERE m.trace_id = s.trace_id AND m.run_id IS NOT DISTINCT FROM s.run_id AND m.name = 'free_pages'
  )
  GROUP BY ALL
),
bins AS (
  SELECT k.*, e.fine_ns,
    unnest(generate_series(
      CAST(floor((k.start_ns - k.origin_ns) / e.fine_ns) AS BIGINT),
      CAST(ceil((k.end_ns - k.origin_ns) / e.fine_ns) AS BIGINT) - 1)) AS bin
  FROM marks k
  CROSS JOIN report_extent e
),
pieces AS (
  SELECT s.label, 'awake' AS what, greatest(k.start_ns, s.start_ns) - s.origin_ns AS from_ns,
    least(coalesce(k.end_ns, s.end_ns), s.end_ns) - s.origin_ns AS to_ns
  FROM kswapd_spans k
  JOIN report_subjects s ON s.trace_id = k.trace_id AND s.run_id IS NOT DISTINCT FROM k.run_id
  UNION ALL
  SELECT s.label, 'direct', greatest(r.start_ns, s.start_ns) - s.origin_ns,
    least(coalesce(r.end_ns, s.end_ns), s.end_ns) - s.origin_ns
  FROM reclaim_spans r
  JOIN report_subjects s ON s.trace_id = r.trace_id AND s.run_id IS NOT DISTINCT FROM r.run_id
  WHERE r.kind = 'direct'
),
spread AS (
  SELECT p.label, p.what, e.fine_ns, p.from_ns, p.to_ns,
    unnest(generate_series(
      CAST(floor(p.from_ns / e.fine_ns) AS BIGINT),
      CAST(floor(greatest(p.from_ns, p.to_ns) / e.fine_ns) AS BIGINT))) AS bin
  FROM pieces p
  CROSS JOIN report_extent e
),
seen AS (
  SELECT label, bin, bool_or(what = 'direct') AS direct,
    coalesce(sum(greatest(0, least(to_ns, (bin + 1) * fine_ns) - greatest(from_ns, bin * fine_ns)))
      FILTER (what = 'awake'), 0) AS awake_ns
  FROM spread
  GROUP BY ALL
),
proved AS (
  SELECT b.label, b.rank, b.bin, b.fine_ns,
    CASE WHEN v.direct THEN 0 WHEN coalesce(v.awake_ns, 0) > 0 THEN b.min_mib ELSE b.low_mib END AS lo_mib,
    CASE
      WHEN coalesce(v.awake_ns, 0) >= 0.999 * b.fine_ns THEN b.high_boosted_mib
    END AS hi_mib,
    CASE
      WHEN v.direct THEN 'a task entered or was in direct reclaim: below min, boosted'
      WHEN coalesce(v.awake_ns, 0) >= 0.999 * b.fine_ns THEN 'kswapd awake: below high, boosted'
      WHEN coalesce(v.awake_ns, 0) > 0 THEN 'kswapd awake for a part of it'
      ELSE 'kswapd asleep: at least low'
    END AS proof
  FROM bins b
  LEFT JOIN seen v ON v.label = b.label AND v.bin = b.bin
),
grouped AS (
  SELECT *, bin - row_number() OVER (PARTITION BY label, proof ORDER BY bin) AS island FROM proved
)
SELECT label AS "column", min(bin) * any_value(fine_ns) / 1e9 AS start_s, (max(bin) + 1) * any_value(fine_ns) / 1e9 AS end_s,
  any_value(lo_mib) AS lo_mib, any_value(hi_mib) AS hi_mib, proof
FROM grouped
GROUP BY label, rank, proof, island
ORDER BY rank, start_s
