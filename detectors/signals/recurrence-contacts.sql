-- Contacts of a customer that are followed by the customer's next contact with the same intent within the window,
-- before (v = 0) and after (v = 1) batch {seq}; the difference is what the batch changed. Only customers that the batch
-- touched are read: "followed within the window" depends on nothing but the customer's own contacts.
-- The next contact: another conversation, begun by the customer, later in (start, contact id). c1 is the nearest later
-- candidate of any conversation; where it belongs to the row's own conversation, c2 is the first one after that conversation's run.
SELECT marked AS contact_id, mark, toFloat64(sum(if(v = 1, 1, -1))) AS n
FROM (
  SELECT v, at, contact_id, if(c1.3 != conversation, c1, c2) AS next
  FROM (
    SELECT *, anyLastIf(c1, is_candidate AND c1.2 != '' AND c1.3 != conversation) OVER later AS c2
    FROM (
      SELECT *, anyLastIf((at, contact_id, conversation), is_candidate) OVER later AS c1
      FROM (
        SELECT v, key, at, contact_id, argMax((gone, intent), seq) AS place, argMax(conversation, seq) AS conversation,
          argMax(initiator, seq) IN ('', 'customer') AS is_candidate
        FROM places
        ARRAY JOIN [0, 1] AS v
        WHERE key IN {customers:Array(String)} AND seq <= {seq:UInt64} - 1 + v
          AND at >= fromUnixTimestamp64Milli({from:Int64} - %window_ms%, 'UTC') AND at <= fromUnixTimestamp64Milli({to:Int64} + %window_ms%, 'UTC')
        GROUP BY v, key, at, contact_id
      )
      WHERE place.1 = 0 AND place.2 != ''
      WINDOW later AS (PARTITION BY v, key, place.2 ORDER BY at DESC, contact_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    WINDOW later AS (PARTITION BY v, key, place.2 ORDER BY at DESC, contact_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  )
)
ARRAY JOIN [%marked%] AS marked, [%marks%] AS mark, [%windows%] AS window_ms
WHERE next.2 != '' AND date_diff('millisecond', at, next.1) <= window_ms
GROUP BY marked, mark
HAVING n != 0
