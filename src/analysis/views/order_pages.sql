-- Swap-outs that met the queue, with their positions within the lane (from 1): submit is the gate, start the begin of the store, done the stored page. Displacement is position minus submit position among the pages that got there.
WITH placed AS (
  SELECT
    o.trace_id, o.run_id, o.lane, o.swapout_id, o.page_id, o.node, o.context, o.path, o.submit_ns, o.start_ns, o.stored_ns,
    row_number() OVER submitted AS submit_position,
    count(o.start_rank) OVER submitted AS among_started,
    count(o.done_rank) OVER submitted AS among_done,
    CASE WHEN o.start_rank IS NOT NULL THEN
      row_number() OVER (PARTITION BY o.trace_id, o.run_id, o.lane, o.start_rank IS NULL ORDER BY o.start_rank, o.swapout_id)
    END AS start_position,
    CASE WHEN o.done_rank IS NOT NULL THEN
      row_number() OVER (PARTITION BY o.trace_id, o.run_id, o.lane, o.done_rank IS NULL ORDER BY o.done_rank, o.swapout_id)
    END AS done_position
  FROM swapouts o
  WHERE o.path IS DISTINCT FROM 'bypass' AND o.submit_rank IS NOT NULL
  WINDOW submitted AS (PARTITION BY o.trace_id, o.run_id, o.lane ORDER BY o.submit_rank, o.swapout_id ROWS UNBOUNDED PRECEDING)
)
SELECT
  * EXCLUDE (among_started, among_done),
  start_position - among_started AS start_displacement,
  done_position - among_done AS done_displacement
FROM placed
