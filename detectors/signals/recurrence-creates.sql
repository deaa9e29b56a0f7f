-- Creates that repeat a record key created within the window before them by anyone, before (v = 0) and after (v = 1)
-- batch {seq}; the difference is what the batch changed. Only record keys that the batch touched are read.
SELECT contact_id, '%signal%' AS signal, {seq:UInt64} AS seq, toInt32(sum(if(v = 1, 1, -1))) AS n
FROM (
  SELECT v, contact_id, at,
    lagInFrame(at) OVER earlier AS previous_at,
    row_number() OVER earlier AS position
  FROM (
    SELECT v, record_key, at, contact_id, span_id
    FROM created_records
    ARRAY JOIN [0, 1] AS v
    WHERE record_key IN (SELECT record_key FROM created_record_changes WHERE seq = {seq:UInt64})
      AND at >= (SELECT min(at) FROM created_record_changes WHERE seq = {seq:UInt64}) - toIntervalMillisecond(%window_ms%)
      AND at <= (SELECT max(at) FROM created_record_changes WHERE seq = {seq:UInt64}) + toIntervalMillisecond(%window_ms%)
      AND created_records.seq <= {seq:UInt64} - 1 + v
    GROUP BY v, record_key, at, contact_id, span_id
    HAVING argMax(gone, created_records.seq) = 0
  )
  WINDOW earlier AS (PARTITION BY v, record_key ORDER BY at, contact_id, span_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE position > 1 AND date_diff('millisecond', previous_at, at) <= %window_ms%
GROUP BY contact_id
HAVING n != 0
