-- Compressed sizes in steps of 128 bytes (a thirty-second of the page where pages are larger), by class of content.
WITH sized AS (
  SELECT s.label, s.rank, s.page_size,
    CASE
      WHEN o.place = 'same' THEN 'same-filled'
      WHEN o.place = 'zero' THEN 'zero'
      WHEN o.compressed_bytes >= s.page_size THEN 'stored raw'
      ELSE 'compressed'
    END AS class,
    CASE WHEN o.place IN ('same', 'zero') THEN 0 ELSE o.compressed_bytes END AS bytes
  FROM swapouts o
  JOIN report_subjects s ON s.trace_id = o.trace_id AND s.run_id IS NOT DISTINCT FROM o.run_id
  WHERE o.place IN ('same', 'zero') OR (o.compressed_bytes IS NOT NULL AND o.place IS DISTINCT FROM 'disk')
)
SELECT label AS "column", class, least(bytes // (page_size // 32), 31) * (page_size // 32) AS from_bytes,
  (least(bytes // (page_size // 32), 31) + 1) * (page_size // 32) AS to_bytes,
  count(*) AS pages, count(*) / sum(count(*)) OVER (PARTITION BY label) AS share
FROM sized
GROUP BY label, rank, page_size, class, from_bytes, to_bytes
ORDER BY rank, from_bytes, class
