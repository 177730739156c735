-- What each stall was spent on. Parts sum to the stall to the nanosecond; what no event explains is the part unknown.
WITH outermost AS (
  SELECT r.trace_id, r.run_id, r.span_id, st.stall_id
  FROM reclaim_spans r
  JOIN stalls st
    ON st.trace_id = r.trace_id AND st.run_id IS NOT DISTINCT FROM r.run_id
    AND st.task_id IS NOT DISTINCT FROM r.task_id AND st.tid IS NOT DISTINCT FROM r.tid
    AND r.start_ns >= st.start_ns AND (r.start_ns < st.end_ns OR st.ns = 0)
    AND coalesce(r.end_ns, st.end_ns) <= st.end_ns
  WHERE r.parent_span_id IS NULL
),
explained AS (
  SELECT o.trace_id, o.run_id, o.stall_id, p.part, p.detail, CAST(sum(p.ns) AS BIGINT) AS ns
  FROM outermost o
  JOIN stall_parts p
    ON p.trace_id = o.trace_id AND p.run_id IS NOT DISTINCT FROM o.run_id AND p.span_id = o.span_id
  GROUP BY ALL
),
totals AS (
  SELECT trace_id, run_id, stall_id, sum(ns) AS ns FROM explained GROUP BY ALL
),
parts AS (
  SELECT trace_id, run_id, stall_id, part, detail, ns FROM explained
  UNION ALL
  SELECT st.trace_id, st.run_id, st.stall_id, 'unknown', 'no parts recorded', CAST(st.ns - coalesce(t.ns, 0) AS BIGINT)
  FROM stalls st
  LEFT JOIN totals t
    ON t.trace_id = st.trace_id AND t.run_id IS NOT DISTINCT FROM st.run_id AND t.stall_id = st.stall_id
  WHERE st.ns <> coalesce(t.ns, 0)
)
SELECT p.trace_id, p.run_id, p.stall_id, st.tid, st.comm, st.stalled, p.part, p.detail, p.ns
FROM parts p
JOIN stalls st
  ON st.trace_id = p.trace_id AND st.run_id IS NOT DISTINCT FROM p.run_id AND st.stall_id = p.stall_id
