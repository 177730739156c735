-- Who asked for kswapd, per kswapd and waker.
SELECT
  s.trace_id, s.run_id, s.label, k.comm AS kswapd, w.reason, t.comm AS waker, t.kind AS waker_kind,
  count(*) AS wakeups
FROM wakeups w
JOIN subjects s ON s.trace_id = w.trace_id AND s.run_id IS NOT DISTINCT FROM w.run_id
JOIN tasks k ON k.trace_id = w.trace_id AND k.task_id = w.task_id AND k.kind = 'kswapd'
LEFT JOIN tasks t ON t.trace_id = w.trace_id AND t.task_id = w.waker_task_id
GROUP BY ALL
ORDER BY s.trace_id, s.run_id NULLS FIRST, wakeups DESC, waker
