/** Names in `samples` of the counters of /proc/vmstat. */
export const VMSTAT_PREFIX = 'vmstat.'

/**
 * SQL of the rise of each counter of /proc/vmstat that was read before the first event and after the last: only such rises count what the
 * trace shows. Perfetto reads counters in between as well.
 */
export function wholeCounters(traceId: number): string {
  return `SELECT s.name, arg_max(s.value, s.ts_ns) - arg_min(s.value, s.ts_ns) AS rise
    FROM samples s JOIN traces t USING (trace_id)
    WHERE s.trace_id = ${traceId} AND s.run_id IS NULL AND s.name LIKE '${VMSTAT_PREFIX}%'
    GROUP BY s.name, t.start_ns, t.end_ns
    HAVING count(*) > 1 AND min(s.ts_ns) <= t.start_ns AND max(s.ts_ns) >= t.end_ns`
}
