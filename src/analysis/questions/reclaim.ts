import { type Measure, NEEDS_ZSWAP, type Topic } from './measure.ts'

const NEEDS_BATCHES = 'needs the event vmscan:mm_vmscan_lru_shrink_inactive'
const NEEDS_SWAPINS = 'needs swap-ins with their entry: a probe at swap_readpage or swap_read_folio'
const NEEDS_ENTRY =
  'needs the swap entry of each swap-out: a probe at swap_writepage (6.17+: swap_writeout)'
const NEEDS_DISK =
  'no page went to a disk; needs a recording or run with one: `pstrace replay --backend zswap`'

function measure(
  name: string,
  title: string,
  unit: Measure['unit'],
  restsOn: string,
  needs: string,
): Measure {
  return { name, title, unit, restsOn, needs, grows: true }
}
/** Of a distribution: lost events do not make it a lower bound. */
function spread(
  name: string,
  title: string,
  unit: Measure['unit'],
  restsOn: string,
  needs: string,
): Measure {
  return { name, title, unit, restsOn, needs }
}

/** What scanning costs and yields. */
export const scanning: Topic = {
  measures: [
    spread(
      'anon_scans_per_steal',
      'anonymous pages scanned per page reclaimed',
      'ratio',
      'shrink_batches',
      NEEDS_BATCHES,
    ),
    spread(
      'kswapd_scan_per_s',
      'pages scanned by kswapd',
      'per_s',
      'shrink_batches, tasks.kind',
      NEEDS_BATCHES,
    ),
    spread(
      'lowest_priority',
      'lowest scan priority reached (12 = lightest)',
      'count',
      'shrink_batches',
      NEEDS_BATCHES,
    ),
    spread(
      'direct_share',
      'swap-outs by direct reclaim, which meets no queue',
      'share',
      'swapouts.context',
      'no swap-out was recorded',
    ),
    spread(
      'swapouts_per_s',
      'swap-outs per second',
      'per_s',
      'swapouts',
      'no swap-out was recorded',
    ),
  ],
  sql: `WITH batches AS (
  SELECT b.trace_id, b.run_id,
    sum(nr_scanned) FILTER (lru LIKE '%inactive_anon') / nullif(sum(nr_reclaimed) FILTER (lru LIKE '%inactive_anon'), 0) AS anon_scans_per_steal,
    sum(nr_reclaimed) FILTER (lru LIKE '%inactive_anon') AS n_anon_scans_per_steal,
    sum(nr_scanned) FILTER (k.kind = 'kswapd') AS kswapd_scanned,
    min(priority) AS lowest_priority
  FROM shrink_batches b LEFT JOIN tasks k ON k.trace_id = b.trace_id AND k.task_id = b.task_id
  GROUP BY b.trace_id, b.run_id
),
outs AS (
  SELECT trace_id, run_id, count(*) AS swapouts,
    count(*) FILTER (context = 'direct') / nullif(count(context), 0) AS direct_share
  FROM swapouts GROUP BY ALL
)
SELECT s.trace_id, s.run_id, b.anon_scans_per_steal, b.n_anon_scans_per_steal, b.lowest_priority,
  b.kswapd_scanned / nullif((s.end_ns - s.start_ns) / 1e9, 0) AS kswapd_scan_per_s,
  o.direct_share, o.swapouts AS n_direct_share,
  o.swapouts / nullif((s.end_ns - s.start_ns) / 1e9, 0) AS swapouts_per_s
FROM subjects s
LEFT JOIN batches b ON b.trace_id = s.trace_id AND b.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN outs o ON o.trace_id = s.trace_id AND o.run_id IS NOT DISTINCT FROM s.run_id`,
}

const MET = 'swapins.met'

/** Faults on pages that reclaim has not finished with. */
export const earlyFaults: Topic = {
  measures: [
    measure(
      'refaults_met_queue',
      'refaults of pages in the queue or being stored',
      'count',
      MET,
      NEEDS_SWAPINS,
    ),
    spread(
      'refaults_met_per_1000',
      'refaults met in the queue per 1000 swap-outs',
      'ratio',
      MET,
      NEEDS_SWAPINS,
    ),
    spread(
      'refault_wait_p50_ns',
      'extra latency of a fault that met the queue, p50',
      'ns',
      'swapins.wait_ns',
      'no fault met a page in the queue',
    ),
    spread(
      'refault_wait_max_ns',
      'extra latency of a fault that met the queue, longest',
      'ns',
      'swapins.wait_ns',
      'no fault met a page in the queue',
    ),
    measure(
      'refaults_met_stored',
      'refaults of pages stored in vain (not freed yet)',
      'count',
      MET,
      NEEDS_SWAPINS,
    ),
    measure(
      'cancel_saving_ns',
      'store time that cancelling queued pages would save',
      'ns',
      `${MET}, swapouts`,
      NEEDS_SWAPINS,
    ),
    measure(
      'disk_young',
      'read from disk although swapped out later than the median page in the pool',
      'count',
      MET,
      NEEDS_DISK,
    ),
  ],
  // A page that is being stored cannot be cancelled any more.
  sql: `WITH outs AS (
  SELECT trace_id, run_id, count(*) AS swapouts, count(start_ns) AS started,
    avg(stored_ns - start_ns) FILTER (context = 'kswapd' AND place NOT IN ('same', 'zero')) AS store_ns
  FROM swapouts GROUP BY ALL
),
ins AS (
  SELECT trace_id, run_id, count(met) AS known,
    count(*) FILTER (met IN ('queued', 'storing')) AS met,
    count(*) FILTER (met = 'queued') AS waiting,
    count(*) FILTER (met = 'stored') AS stored,
    count(*) FILTER (met = 'disk') AS disk,
    quantile_disc(wait_ns, 0.5) FILTER (met IN ('queued', 'storing')) AS p50, max(wait_ns) FILTER (met IN ('queued', 'storing')) AS longest
  FROM swapins GROUP BY ALL
),
distances AS (
  SELECT trace_id, run_id, quantile_disc(refault_distance, 0.5) FILTER (met = 'pool') AS middle FROM swapins GROUP BY ALL
),
young AS (
  SELECT i.trace_id, i.run_id, count(*) FILTER (i.refault_distance < d.middle) AS pages
  FROM swapins i JOIN distances d ON d.trace_id = i.trace_id AND d.run_id IS NOT DISTINCT FROM i.run_id
  WHERE i.met = 'disk' AND d.middle IS NOT NULL GROUP BY ALL
)
SELECT i.trace_id, i.run_id,
  CASE WHEN known > 0 THEN met END AS refaults_met_queue, known AS n_refaults_met_queue,
  CASE WHEN known > 0 THEN 1000 * met / nullif(o.swapouts, 0) END AS refaults_met_per_1000, o.swapouts AS n_refaults_met_per_1000,
  p50 AS refault_wait_p50_ns, longest AS refault_wait_max_ns, met AS n_refault_wait_p50_ns,
  CASE WHEN known > 0 THEN stored END AS refaults_met_stored,
  CASE WHEN known > 0 AND o.store_ns IS NOT NULL THEN waiting * o.store_ns END AS cancel_saving_ns, waiting AS n_cancel_saving_ns,
  y.pages AS disk_young, disk AS n_disk_young
FROM ins i
LEFT JOIN outs o ON o.trace_id = i.trace_id AND o.run_id IS NOT DISTINCT FROM i.run_id
LEFT JOIN young y ON y.trace_id = i.trace_id AND y.run_id IS NOT DISTINCT FROM i.run_id`,
}

/** Stores of the same page again and again. */
export const restores: Topic = {
  measures: [
    measure(
      'stores_per_page_max',
      'stores of one page, most',
      'count',
      'swapouts.page_id',
      NEEDS_ENTRY,
    ),
    measure(
      'restored_unread',
      'pages stored again without having been read in between',
      'count',
      'swapouts, swapins',
      NEEDS_ENTRY,
    ),
    measure(
      'restored_incompressible',
      'pages stored again unread that were incompressible',
      'count',
      'swapouts.compressed_bytes',
      NEEDS_ENTRY,
    ),
    measure(
      'refused_pages',
      'pages that could be stored nowhere, and stay in memory',
      'count',
      'swapouts.place',
      NEEDS_ENTRY,
    ),
  ],
  sql: `WITH happened AS (
  SELECT trace_id, run_id, page_id, coalesce(submit_ns, ts_ns) AS ts, 1 AS is_out, compressed_bytes, place FROM swapouts WHERE page_id IS NOT NULL
  UNION ALL
  SELECT trace_id, run_id, page_id, ts_ns, 0, NULL, NULL FROM swapins WHERE page_id IS NOT NULL
),
ordered AS (
  SELECT *, lag(is_out) OVER own AS before, lag(compressed_bytes) OVER own AS bytes_before, lag(place) OVER own AS place_before
  FROM happened
  WINDOW own AS (PARTITION BY trace_id, run_id, page_id ORDER BY ts, is_out)
),
pages AS (
  SELECT trace_id, run_id, page_id, count(*) FILTER (is_out = 1) AS stores,
    count(*) FILTER (is_out = 1 AND before = 1) AS again,
    count(*) FILTER (is_out = 1 AND before = 1 AND (bytes_before >= 4096 OR place_before = 'reject')) AS poor
  FROM ordered GROUP BY ALL
),
refused AS (
  SELECT trace_id, run_id, count(*) FILTER (place = 'reject') AS refused, count(place) AS placed FROM swapouts GROUP BY ALL
)
SELECT p.trace_id, p.run_id, max(stores) AS stores_per_page_max, sum(again) AS restored_unread, sum(poor) AS restored_incompressible,
  count(*) AS n_stores_per_page_max,
  CASE WHEN any_value(r.placed) > 0 THEN any_value(r.refused) END AS refused_pages
FROM pages p LEFT JOIN refused r ON r.trace_id = p.trace_id AND r.run_id IS NOT DISTINCT FROM p.run_id
GROUP BY p.trace_id, p.run_id`,
}

/** What is in swap, and where. */
export const held: Topic = {
  measures: [
    measure(
      'same_pages',
      'same-filled and zero pages',
      'count',
      'swapouts.place',
      'needs a run, or a recording with a probe that tells same-filled pages',
    ),
    spread(
      'same_share',
      'same-filled and zero pages, share of swap-outs',
      'share',
      'swapouts.place',
      'needs a run, or a recording with a probe that tells same-filled pages',
    ),
    spread(
      'same_stored_bytes',
      'bytes of same-filled and zero pages in the pool',
      'bytes',
      'swapouts.compressed_bytes',
      'needs a run with same-filled pages',
    ),
    spread(
      'stored_mean_bytes',
      'stored bytes of a swapped-out page, mean',
      'bytes',
      'swapouts.compressed_bytes',
      'needs a run: sizes come from real compression',
    ),
    measure('swapped_peak', 'pages in swap, peak', 'count', 'swapouts, swapins', NEEDS_ENTRY),
    measure(
      'swapped_end',
      'pages in swap at the end: what swapoff would read',
      'count',
      'swapouts, swapins',
      NEEDS_ENTRY,
    ),
    measure(
      'zswap_slots_peak',
      'slots taken by pages in zswap, peak',
      'count',
      'swapouts.place',
      'needs a recording or run with zswap: `pstrace replay --backend zswap`',
    ),
    measure('slots_used', 'different slots used', 'count', 'swapouts.swap_offset', NEEDS_ENTRY),
  ],
  sql: `WITH happened AS (
  SELECT trace_id, run_id, page_id, coalesce(stored_ns, ts_ns, submit_ns) AS ts, 1 AS is_out, place = 'zswap' AS zswap
  FROM swapouts WHERE page_id IS NOT NULL AND place IS DISTINCT FROM 'reject'
  UNION ALL
  SELECT trace_id, run_id, page_id, ts_ns, 0, NULL FROM swapins WHERE page_id IS NOT NULL
  UNION ALL
  SELECT trace_id, run_id, page_id, ts_ns, 0, NULL FROM pool_moves WHERE page_id IS NOT NULL AND to_place IS NULL
),
ordered AS (
  SELECT *, lag(is_out) OVER own AS before, lag(zswap) OVER own AS zswap_before
  FROM happened WHERE ts IS NOT NULL
  WINDOW own AS (PARTITION BY trace_id, run_id, page_id ORDER BY ts, is_out)
),
levels AS (
  SELECT trace_id, run_id, ts,
    sum(is_out - coalesce(before, 0)) OVER own AS pages,
    sum(CAST(coalesce(is_out = 1 AND zswap, false) AS INTEGER) - CAST(coalesce(before = 1 AND zswap_before, false) AS INTEGER)) OVER own AS zswap
  FROM ordered
  WINDOW own AS (PARTITION BY trace_id, run_id ORDER BY ts ROWS UNBOUNDED PRECEDING)
),
peaks AS (
  SELECT trace_id, run_id, max(pages) AS pages, arg_max(pages, ts) AS pages_end, max(zswap) AS zswap FROM levels GROUP BY ALL
),
outs AS (
  SELECT trace_id, run_id, count(*) AS swapouts, count(place) AS placed, count(compressed_bytes) AS sized,
    count(*) FILTER (place IN ('same', 'zero')) AS same,
    sum(coalesce(compressed_bytes, 0)) FILTER (place IN ('same', 'zero')) AS same_bytes,
    avg(compressed_bytes) AS mean_bytes,
    count(DISTINCT (swap_type, swap_offset)) FILTER (swap_offset IS NOT NULL) AS slots,
    count(*) FILTER (place = 'zswap') AS zswap
  FROM swapouts GROUP BY ALL
)
SELECT o.trace_id, o.run_id,
  CASE WHEN o.run_id IS NOT NULL OR same > 0 THEN same END AS same_pages,
  CASE WHEN o.run_id IS NOT NULL OR same > 0 THEN same / nullif(swapouts, 0) END AS same_share,
  CASE WHEN o.run_id IS NOT NULL THEN same_bytes END AS same_stored_bytes,
  mean_bytes AS stored_mean_bytes, sized AS n_stored_mean_bytes,
  p.pages AS swapped_peak, p.pages_end AS swapped_end,
  CASE WHEN o.zswap > 0 THEN p.zswap END AS zswap_slots_peak,
  nullif(slots, 0) AS slots_used
FROM outs o
LEFT JOIN peaks p ON p.trace_id = o.trace_id AND p.run_id IS NOT DISTINCT FROM o.run_id`,
}

/** Pages that go to a disk, and those that leave the pool. */
export const disk: Topic = {
  measures: [
    measure('disk_pages', 'pages sent to disk', 'count', 'swapouts.place', NEEDS_DISK),
    measure(
      'disk_pages_by_workers',
      'pages sent to disk by workers',
      'count',
      'swapouts.place, stored_by',
      NEEDS_DISK,
    ),
    spread(
      'disk_store_p50_ns',
      'begin to end of a store to disk, p50',
      'ns',
      'swapouts',
      NEEDS_DISK,
    ),
    spread(
      'behind_disk_age_p50_ns',
      'age in the queue of the page right behind a disk write, p50',
      'ns',
      'swapouts',
      `${NEEDS_DISK} and a queue`,
    ),
    measure('written_back', 'pages written back from the pool', 'count', 'pool_moves', NEEDS_ZSWAP),
    spread(
      'written_back_age_p50_ns',
      'age of pages written back, p50',
      'ns',
      'pool_moves.age_ns',
      NEEDS_ZSWAP,
    ),
    spread(
      'refused_age_p50_ns',
      'age of pages refused to disk, p50 (0: straight from memory)',
      'ns',
      'pool_moves, swapouts',
      'no page was refused to disk',
    ),
  ],
  sql: `WITH outs AS (
  SELECT o.*, lag(o.place) OVER (PARTITION BY o.trace_id, o.run_id, o.lane ORDER BY o.start_ns, o.swapout_id) AS ahead
  FROM swapouts o
),
sent AS (
  SELECT trace_id, run_id,
    count(*) FILTER (place = 'disk') AS disk,
    count(*) FILTER (place = 'disk' AND path = 'queued') AS by_workers,
    quantile_disc(stored_ns - start_ns, 0.5) FILTER (place = 'disk') AS store_ns,
    quantile_disc(start_ns - submit_ns, 0.5) FILTER (ahead = 'disk' AND path IN ('queued', 'displaced')) AS behind_ns
  FROM outs GROUP BY ALL
),
moved AS (
  SELECT trace_id, run_id, count(*) FILTER (reason = 'writeback') AS pages,
    quantile_disc(age_ns, 0.5) FILTER (reason = 'writeback') AS age_ns,
    quantile_disc(age_ns, 0.5) FILTER (reason = 'reject') AS refused_ns
  FROM pool_moves GROUP BY ALL
),
zswap AS (SELECT trace_id, run_id, bool_or(place = 'zswap') AS used FROM swapouts GROUP BY ALL)
SELECT s.trace_id, s.run_id,
  nullif(disk, 0) AS disk_pages,
  CASE WHEN disk > 0 THEN by_workers END AS disk_pages_by_workers,
  store_ns AS disk_store_p50_ns, behind_ns AS behind_disk_age_p50_ns,
  CASE WHEN z.used OR m.pages > 0 THEN coalesce(m.pages, 0) END AS written_back,
  m.age_ns AS written_back_age_p50_ns,
  coalesce(m.refused_ns, CASE WHEN z.used AND disk > 0 THEN 0 END) AS refused_age_p50_ns
FROM sent s
LEFT JOIN moved m ON m.trace_id = s.trace_id AND m.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN zswap z ON z.trace_id = s.trace_id AND z.run_id IS NOT DISTINCT FROM s.run_id`,
}

/** How full the compressed pool was against its limit. */
export const poolLevel: Topic = {
  measures: [
    spread(
      'pool_fill_mean_share',
      'pool against its limit, mean over samples',
      'share',
      'samples, metrics',
      'needs samples of the pool and its limit (zswap): `pstrace replay --backend zswap`',
    ),
    spread(
      'pool_fill_max_share',
      'pool against its limit, most',
      'share',
      'samples, metrics',
      'needs samples of the pool and its limit (zswap): `pstrace replay --backend zswap`',
    ),
  ],
  sql: `WITH limits AS (
  SELECT trace_id, run_id, max(value) AS pages FROM metrics WHERE metric = 'pool_limit' GROUP BY ALL
)
SELECT p.trace_id, p.run_id,
  avg(p.value / l.pages) AS pool_fill_mean_share, max(p.value / l.pages) AS pool_fill_max_share, count(*) AS n_pool_fill_mean_share
FROM samples p
JOIN limits l ON l.trace_id = p.trace_id AND l.run_id IS NOT DISTINCT FROM p.run_id
WHERE p.name = 'pool_pages' AND l.pages > 0
GROUP BY p.trace_id, p.run_id`,
}
