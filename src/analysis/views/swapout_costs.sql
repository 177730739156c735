-- Wall time of the parts of a swap-out, by context and place: hand-over to start of the store (wait), the store itself, store to free frame.
SELECT
  s.trace_id, s.run_id, s.label, o.context, o.path, o.place,
  count(*) AS swapouts,
  quantile_disc(o.start_ns - o.submit_ns, 0.5) AS p50_wait_ns,
  quantile_disc(o.start_ns - o.submit_ns, 0.99) AS p99_wait_ns,
  max(o.start_ns - o.submit_ns) AS max_wait_ns,
  quantile_disc(o.stored_ns - o.start_ns, 0.5) AS p50_store_ns,
  quantile_disc(o.stored_ns - o.start_ns, 0.99) AS p99_store_ns,
  max(o.stored_ns - o.start_ns) AS max_store_ns,
  quantile_disc(o.freed_ns - o.stored_ns, 0.5) AS p50_free_ns,
  quantile_disc(o.freed_ns - o.stored_ns, 0.99) AS p99_free_ns
FROM swapouts o
JOIN subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
GROUP BY s.trace_id, s.run_id, s.label, o.context, o.path, o.place
ORDER BY s.trace_id, s.run_id NULLS FIRST, o.context, o.path, o.place
