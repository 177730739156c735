-- One row per stall: the union of a task's outermost reclaim spans; overlapping spans, and throttling with the reclaim it delays, are one stall, nested spans never count twice. A censored stall is at least ns long.
WITH spans AS (
  SELECT
    r.trace_id, r.run_id, r.span_id, r.parent_span_id, r.kind, r.task_id, r.tid, r.cpu, r.node, r.start_ns,
    greatest(coalesce(r.end_ns, s.last_ns, r.start_ns), r.start_ns) AS end_ns,
    CASE
      WHEN r.end_ns IS NOT NULL OR r.censored IN ('end', 'both') THEN r.censored
      WHEN r.censored = 'start' THEN 'both'
      ELSE 'end'
    END AS censored,
    r.alloc_order, r.gfp_flags, r.nr_reclaimed
  FROM reclaim_spans r
  JOIN subjects s ON s.trace_id = r.trace_id AND s.run_id IS NOT DISTINCT FROM r.run_id
),
edges AS (
  SELECT
    *,
    max(end_ns) OVER (
      PARTITION BY trace_id, run_id, task_id, tid ORDER BY start_ns, span_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS covered_until,
    arg_max(kind, end_ns) OVER (
      PARTITION BY trace_id, run_id, task_id, tid ORDER BY start_ns, span_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS covering_kind
  FROM spans
),
-- Two direct reclaims that touch are two stalls: virtual time passes nothing between them, a kernel always something.
begun AS (
  SELECT
    *,
    covered_until IS NULL OR start_ns > covered_until
      OR (start_ns = covered_until AND covering_kind <> 'throttle' AND end_ns > start_ns) AS begins
  FROM edges
),
islands AS (
  SELECT
    *,
    count(*) FILTER (begins) OVER (
      PARTITION BY trace_id, run_id, task_id, tid ORDER BY start_ns, span_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS island,
    covered_until IS NULL OR end_ns > covered_until AS outermost
  FROM begun
),
unions AS (
  SELECT
    trace_id, run_id, task_id, tid,
    arg_min(span_id, (start_ns, span_id)) AS stall_id,
    arg_min(cpu, (start_ns, span_id)) AS cpu,
    arg_min(node, (start_ns, span_id)) FILTER (node IS NOT NULL) AS node,
    min(start_ns) AS start_ns,
    max(end_ns) AS end_ns,
    bool_or(censored IN ('start', 'both')) AS start_unseen,
    bool_or(censored IN ('end', 'both')) AS end_unseen,
    string_agg(DISTINCT kind, '+' ORDER BY kind) FILTER (parent_span_id IS NULL OR outermost) AS kinds,
    count(*) FILTER (kind = 'direct') AS rounds,
    max(alloc_order) AS alloc_order,
    arg_min(gfp_flags, (start_ns, span_id)) FILTER (gfp_flags IS NOT NULL) AS gfp_flags,
    CAST(sum(nr_reclaimed) FILTER (outermost) AS BIGINT) AS nr_reclaimed
  FROM islands
  GROUP BY trace_id, run_id, task_id, tid, island
)
SELECT
  u.trace_id, u.run_id, u.stall_id, u.task_id, u.tid, t.comm,
  coalesce(t.kind, 'user') AS task_kind,
  CASE
    WHEN t.kind IN ('kworker', 'compressor') THEN 'worker'
    WHEN t.kind IN ('kswapd', 'kcompactd') THEN 'other'
    ELSE 'application'
  END AS stalled,
  u.kinds, u.cpu, u.node, u.start_ns, u.end_ns, u.end_ns - u.start_ns AS ns,
  CASE
    WHEN u.start_unseen AND u.end_unseen THEN 'both'
    WHEN u.start_unseen THEN 'start'
    WHEN u.end_unseen THEN 'end'
  END AS censored,
  u.rounds, u.alloc_order, u.gfp_flags, u.nr_reclaimed,
  t.tgid, t.process, t.package, t.cgroup
FROM unions u
LEFT JOIN tasks t ON t.trace_id = u.trace_id AND t.task_id = u.task_id
