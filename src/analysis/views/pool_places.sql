-- Where swapped-out pages went, with compressed bytes where they are known.
SELECT
  s.trace_id, s.run_id, s.label, o.place,
  count(*) AS swapouts,
  CAST(sum(1 << coalesce(o.folio_order, 0)) AS BIGINT) AS pages,
  count(o.compressed_bytes) AS sized,
  CAST(sum(o.compressed_bytes) AS BIGINT) AS compressed_bytes,
  sum(o.compressed_bytes) / nullif(sum(s.page_size * (1 << coalesce(o.folio_order, 0))) FILTER (o.compressed_bytes IS NOT NULL), 0) AS of_original_share,
  count(*) FILTER (o.place IN ('zram', 'zswap') AND o.compressed_bytes >= s.page_size) AS huge,
  quantile_disc(o.compressed_bytes, 0.5) AS p50_bytes,
  quantile_disc(o.compressed_bytes, 0.99) AS p99_bytes,
  max(o.compressed_bytes) AS max_bytes
FROM swapouts o
JOIN subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
GROUP BY s.trace_id, s.run_id, s.label, o.place
ORDER BY s.trace_id, s.run_id NULLS FIRST, o.place
