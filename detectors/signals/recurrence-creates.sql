-- Creates that repeat a record key created within the window before them by anyone, before (v = 0) and after (v = 1)
-- batch {seq}; the difference is what the batch changed. Only record keys that the batch touched are read.
SELECT contact_id, mark, toFloat64(sum(if(v = 1, 1, -1))) AS n
FROM (
  SELECT v, contact_id, at, lagInFrame(toNullable(at)) OVER (PARTITION BY v, key ORDER BY at, contact_id, item ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS previous_at
  FROM (
    SELECT v, key, at, contact_id, item
    FROM places
    ARRAY JOIN [0, 1] AS v
    WHERE key IN {records:Array(String)} AND seq <= {seq:UInt64} - 1 + v
      AND at >= fromUnixTimestamp64Milli({from:Int64} - %window_ms%, 'UTC') AND at <= fromUnixTimestamp64Milli({to:Int64} + %window_ms%, 'UTC')
    GROUP BY v, key, at, contact_id, item
    HAVING argMax(gone, seq) = 0
  )
)
ARRAY JOIN [%marks%] AS mark, [%windows%] AS window_ms
WHERE date_diff('millisecond', previous_at, at) <= window_ms
GROUP BY contact_id, mark
HAVING n != 0
