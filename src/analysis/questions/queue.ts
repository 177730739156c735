import { type Measure, NEEDS_GATE, NEEDS_QUEUE, type Topic } from './measure.ts'

const SWAPOUTS = 'swapouts'
const NEEDS_FREED =
  'the moment at which a page frame became free is not recorded; runs have it: `pstrace replay`'

function ofQueue(name: string, title: string, unit: Measure['unit']): Measure {
  return { name, title, unit, restsOn: SWAPOUTS, needs: NEEDS_QUEUE }
}

/** Swap-outs of kswapd's lanes, cut off where a page was refaulted. `refault_ns`: the fault that met it before it was freed. */
const LANE_CTE = `lane AS (
  SELECT o.*, s.page_size * (1 << coalesce(o.folio_order, 0)) AS bytes, s.end_ns AS last_ns, r.ts_ns AS refault_ns,
    o.path IN ('queued', 'displaced') AS waited
  FROM swapouts o
  JOIN subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
  LEFT JOIN (
    SELECT trace_id, run_id, swapout_id, min(ts_ns) AS ts_ns FROM swapins
    WHERE met IN ('queued', 'storing', 'stored') AND swapout_id IS NOT NULL GROUP BY ALL
  ) r ON r.trace_id = o.trace_id AND r.run_id IS NOT DISTINCT FROM o.run_id AND r.swapout_id = o.swapout_id
  WHERE o.context = 'kswapd' AND o.path IS DISTINCT FROM 'bypass' AND o.submit_ns IS NOT NULL
)`

/** How long pages wait in the queue, which of them do, and what overflows. */
export const queueWaits: Topic = {
  measures: [
    ofQueue('queued_pages', 'pages stored by workers', 'count'),
    ofQueue('queue_age_p50_ns', 'age in the queue when the store starts, p50', 'ns'),
    ofQueue('queue_age_p99_ns', 'age in the queue when the store starts, p99', 'ns'),
    ofQueue('queue_age_max_ns', 'age in the queue when the store starts, oldest', 'ns'),
    ofQueue('overflow_newest', 'overflow: newest page stored by kswapd', 'count'),
    ofQueue('overflow_oldest', 'overflow: oldest page stored by kswapd', 'count'),
    ofQueue('overflow_share', "overflow, share of kswapd's lane", 'share'),
    ofQueue(
      'overflow_store_p50_ns',
      'kswapd stores the oldest page, p50 (the lock may be held)',
      'ns',
    ),
    ofQueue('same_queue_ns', 'time that same-filled and zero pages waited in the queue', 'ns'),
    ofQueue(
      'same_queue_share',
      'share of all waiting in the queue by same-filled and zero pages',
      'share',
    ),
    ofQueue(
      'refused_queue_ns',
      'time in the queue of pages that were then refused or sent to disk',
      'ns',
    ),
    { ...ofQueue('lane_store_mean_ns', 'begin to end of a store, mean', 'ns'), needs: NEEDS_GATE },
  ],
  sql: `WITH ${LANE_CTE}
SELECT trace_id, run_id,
  count(*) FILTER (path = 'queued') AS queued_pages,
  quantile_disc(start_ns - submit_ns, 0.5) FILTER (waited) AS queue_age_p50_ns,
  quantile_disc(start_ns - submit_ns, 0.99) FILTER (waited) AS queue_age_p99_ns,
  max(start_ns - submit_ns) FILTER (waited) AS queue_age_max_ns,
  count(start_ns) FILTER (waited) AS n_queue_age_max_ns,
  CASE WHEN bool_or(waited) THEN count(*) FILTER (path = 'inline') END AS overflow_newest,
  CASE WHEN bool_or(waited) THEN count(*) FILTER (path = 'displaced') END AS overflow_oldest,
  CASE WHEN bool_or(waited) THEN count(*) FILTER (path IN ('inline', 'displaced')) / count(*) END AS overflow_share,
  quantile_disc(stored_ns - start_ns, 0.5) FILTER (path = 'displaced') AS overflow_store_p50_ns,
  CASE WHEN bool_or(waited) THEN coalesce(sum(start_ns - submit_ns) FILTER (waited AND place IN ('same', 'zero')), 0) END AS same_queue_ns,
  count(*) FILTER (waited AND place IN ('same', 'zero')) AS n_same_queue_ns,
  sum(start_ns - submit_ns) FILTER (waited AND place IN ('same', 'zero')) / nullif(sum(start_ns - submit_ns) FILTER (waited), 0) AS same_queue_share,
  CASE WHEN bool_or(waited) THEN coalesce(sum(start_ns - submit_ns) FILTER (waited AND place IN ('reject', 'disk')), 0) END AS refused_queue_ns,
  count(*) FILTER (waited AND place IN ('reject', 'disk')) AS n_refused_queue_ns,
  avg(stored_ns - start_ns) FILTER (place IS DISTINCT FROM 'same' AND place IS DISTINCT FROM 'zero') AS lane_store_mean_ns,
  count(stored_ns) AS n_lane_store_mean_ns
FROM lane
GROUP BY ALL`,
}

/** Lengths of the queue and of what is in flight, over time. */
export const backlog: Topic = {
  measures: [
    ofQueue('backlog_max', 'pages in the queue, most', 'count'),
    ofQueue('backlog_mean', 'pages in the queue, mean over time', 'ratio'),
    {
      ...ofQueue('in_flight_peak_bytes', 'queued or stored but not freed, peak', 'bytes'),
      needs: NEEDS_FREED,
    },
  ],
  sql: `WITH ${LANE_CTE},
steps AS (
  SELECT trace_id, run_id, ts, sum(queued) AS queued, sum(flying) AS flying FROM (
    SELECT trace_id, run_id, submit_ns AS ts, CAST(waited AS INTEGER) AS queued, bytes AS flying FROM lane
    UNION ALL
    SELECT trace_id, run_id, coalesce(start_ns, refault_ns, last_ns), -CAST(waited AS INTEGER), 0 FROM lane
    UNION ALL
    SELECT trace_id, run_id, coalesce(freed_ns, refault_ns, stored_ns, last_ns), 0, -bytes FROM lane
  ) GROUP BY ALL
),
levels AS (
  SELECT trace_id, run_id, lead(ts) OVER own - ts AS ns, sum(queued) OVER own AS queued, sum(flying) OVER own AS flying
  FROM steps WINDOW own AS (PARTITION BY trace_id, run_id ORDER BY ts)
),
freed AS (SELECT trace_id, run_id, count(freed_ns) AS freed, bool_or(waited) AS waited FROM lane GROUP BY ALL)
SELECT l.trace_id, l.run_id,
  CASE WHEN any_value(f.waited) THEN max(l.queued) END AS backlog_max,
  CASE WHEN any_value(f.waited) THEN sum(l.ns * l.queued) / nullif(any_value(s.end_ns - s.start_ns), 0) END AS backlog_mean,
  CASE WHEN any_value(f.freed) > 0 THEN max(l.flying) END AS in_flight_peak_bytes
FROM levels l
JOIN freed f ON f.trace_id = l.trace_id AND f.run_id IS NOT DISTINCT FROM l.run_id
JOIN subjects s ON s.trace_id = l.trace_id AND s.run_id IS NOT DISTINCT FROM l.run_id
GROUP BY l.trace_id, l.run_id`,
}

/** How long the memory of swapped-out pages stays taken. */
export const unfreed: Topic = {
  measures: [
    {
      ...ofQueue(
        'in_flight_byte_seconds',
        'bytes queued or stored but not freed, over time',
        'byte_s',
      ),
      needs: NEEDS_FREED,
    },
    { ...ofQueue('store_to_free_p50_ns', 'stored to freed, p50', 'ns'), needs: NEEDS_FREED },
    { ...ofQueue('store_to_free_p99_ns', 'stored to freed, p99', 'ns'), needs: NEEDS_FREED },
    { ...ofQueue('store_to_free_max_ns', 'stored to freed, longest', 'ns'), needs: NEEDS_FREED },
    {
      ...ofQueue('not_freed', 'stored, but not freed before the end', 'count'),
      needs: NEEDS_FREED,
    },
  ],
  // A page without a known end counts until it was stored; counted to the end it would be the upper bound.
  sql: `WITH ${LANE_CTE}, known AS (SELECT trace_id, run_id, count(freed_ns) AS freed FROM lane GROUP BY ALL)
SELECT l.trace_id, l.run_id,
  CASE WHEN any_value(k.freed) > 0 THEN sum(CAST(bytes AS DOUBLE) * (coalesce(freed_ns, refault_ns, stored_ns, last_ns) - submit_ns)) / 1e9 END AS in_flight_byte_seconds,
  CASE WHEN any_value(k.freed) > 0 THEN sum(CAST(bytes AS DOUBLE) * (coalesce(freed_ns, refault_ns, last_ns) - submit_ns)) / 1e9 END AS hi_in_flight_byte_seconds,
  count(*) AS n_in_flight_byte_seconds,
  quantile_disc(freed_ns - stored_ns, 0.5) AS store_to_free_p50_ns,
  quantile_disc(freed_ns - stored_ns, 0.99) AS store_to_free_p99_ns,
  max(freed_ns - stored_ns) AS store_to_free_max_ns,
  count(freed_ns) AS n_store_to_free_p50_ns,
  CASE WHEN any_value(k.freed) > 0 THEN count(*) FILTER (freed_ns IS NULL AND stored_ns IS NOT NULL AND refault_ns IS NULL) END AS not_freed
FROM lane l JOIN known k ON k.trace_id = l.trace_id AND k.run_id IS NOT DISTINCT FROM l.run_id
GROUP BY l.trace_id, l.run_id`,
}
