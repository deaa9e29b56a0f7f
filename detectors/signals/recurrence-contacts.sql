-- Contacts of a customer that are followed by the customer's next contact with the same intent within the window,
-- before (v = 0) and after (v = 1) batch {seq}; the difference is what the batch changed. Only customers that the batch
-- touched are read: "followed within the window" depends on nothing but the customer's own contacts.
-- The next contact: another conversation, begun by the customer, later in (start, contact id). c1 is the nearest later
-- candidate of any conversation; where it belongs to the row's own conversation, c2 is the first one after that conversation's run.
SELECT mark.1 AS contact_id, mark.2 AS signal, {seq:UInt64} AS seq, toInt32(sum(if(v = 1, 1, -1))) AS n
FROM (
  SELECT v, arrayJoin([(contact_id, '%signal%'), (next.2, '%signal%.arrivals')]) AS mark
  FROM (
  SELECT v, contact_id, if(c1.3 != conversation, c1, c2) AS next, started_at
  FROM (
    SELECT *,
      anyLastIf(c1, is_candidate AND c1.2 != '' AND c1.3 != conversation) OVER later AS c2
    FROM (
      SELECT *,
        anyLastIf((started_at, contact_id, conversation), is_candidate) OVER later AS c1
      FROM (
        SELECT v, customer, started_at, contact_id,
          argMax(gone, customer_contacts.seq) AS is_gone,
          argMax(conversation, customer_contacts.seq) AS conversation,
          argMax(intent, customer_contacts.seq) AS intent,
          argMax(initiator, customer_contacts.seq) IN ('', 'customer') AS is_candidate
        FROM customer_contacts
        ARRAY JOIN [0, 1] AS v
        WHERE customer IN (
            SELECT customer FROM contact_changes WHERE seq = {seq:UInt64} AND customer != ''
            UNION ALL
            SELECT was_customer FROM contact_changes WHERE seq = {seq:UInt64} AND was_customer != '')
          AND started_at >= (SELECT min(if(was_customer = '', started_at, least(started_at, was_started_at))) FROM contact_changes WHERE seq = {seq:UInt64}) - toIntervalMillisecond(%window_ms%)
          AND started_at <= (SELECT max(if(was_customer = '', started_at, greatest(started_at, was_started_at))) FROM contact_changes WHERE seq = {seq:UInt64}) + toIntervalMillisecond(%window_ms%)
          AND customer_contacts.seq <= {seq:UInt64} - 1 + v
        GROUP BY v, customer, started_at, contact_id
        HAVING is_gone = 0 AND intent != ''
      )
      WINDOW later AS (PARTITION BY v, customer, intent ORDER BY started_at DESC, contact_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    WINDOW later AS (PARTITION BY v, customer, intent ORDER BY started_at DESC, contact_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  )
  )
  WHERE next.2 != '' AND date_diff('millisecond', started_at, next.1) <= %window_ms%
)
GROUP BY mark.1, mark.2
HAVING n != 0
