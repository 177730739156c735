-- Stalls by length in powers of two of a microsecond: from_ns <= length < to_ns; the first bucket begins at 0.
SELECT
  s.trace_id, s.run_id, s.label, st.stalled,
  CASE WHEN st.ns < 1000 THEN 0 ELSE CAST(1000 * 2 ** floor(log2(st.ns / 1000)) AS BIGINT) END AS from_ns,
  CASE WHEN st.ns < 1000 THEN 1000 ELSE CAST(2000 * 2 ** floor(log2(st.ns / 1000)) AS BIGINT) END AS to_ns,
  count(*) AS stalls,
  count(*) FILTER (st.censored IS NOT NULL) AS censored,
  CAST(sum(st.ns) AS BIGINT) AS total_ns
FROM stalls st
JOIN subjects s ON s.trace_id = st.trace_id AND s.run_id IS NOT DISTINCT FROM st.run_id
GROUP BY ALL
ORDER BY s.trace_id, s.run_id NULLS FIRST, st.stalled, from_ns
