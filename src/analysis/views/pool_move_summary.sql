-- Pages that changed place after their store (writeback, rejection, recompression), with their age.
SELECT
  s.trace_id, s.run_id, s.label, m.reason, m.from_place, m.to_place,
  count(*) AS pages,
  quantile_disc(m.age_ns, 0.5) AS p50_age_ns,
  quantile_disc(m.age_ns, 0.99) AS p99_age_ns,
  max(m.age_ns) AS max_age_ns
FROM pool_moves m
JOIN subjects s ON s.trace_id = m.trace_id AND s.run_id IS NOT DISTINCT FROM m.run_id
GROUP BY ALL
ORDER BY s.trace_id, s.run_id NULLS FIRST, m.reason, m.from_place
