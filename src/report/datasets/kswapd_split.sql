-- What each kswapd's time went into; unknown where no scheduler events say.
WITH parts AS (
  SELECT s.label, s.rank, k.node,
    unnest(['scan', 'unmap', 'store', 'slab', 'other', 'runnable', 'lock', 'io', 'unknown']) AS part,
    unnest([
      k.scan_ns, k.unmap_ns, k.store_ns, k.slab_ns, coalesce(k.file_ns, 0) + coalesce(k.other_ns, 0),
      k.runnable_ns, k.lock_ns, k.io_ns, CASE WHEN k.running_ns IS NULL THEN k.awake_ns END
    ]) AS ns
  FROM kswapd_busy k
  JOIN report_subjects s ON s.trace_id = k.trace_id AND s.run_id IS NOT DISTINCT FROM k.run_id
)
SELECT label AS "column", coalesce(node, 0) AS node, part, sum(ns) / 1e6 AS ms,
  sum(ns) / sum(sum(ns)) OVER (PARTITION BY label, coalesce(node, 0)) AS share
FROM parts
WHERE ns > 0
GROUP BY label, rank, coalesce(node, 0), part
ORDER BY rank, node, part
