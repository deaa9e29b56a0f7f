-- What batch {seq} changed in every count: the contacts that it touched, as they count after it minus as they counted before.
-- Each element of counts is (signal, measure, value); hits of identified contacts keep the customer, for the cap per day.
INSERT INTO deltas (seq, signal, measure, environment, agent, release, channel, queue, minute, customer, n)
WITH affected AS MATERIALIZED (
  SELECT contact_id FROM contact_changes WHERE seq = {seq:UInt64}
  UNION ALL
  SELECT contact_id FROM mark_changes WHERE seq = {seq:UInt64}
)
SELECT {seq:UInt64} AS seq, count.1 AS signal, count.2 AS measure, environment, agent, release, channel, queue,
  toStartOfMinute(started_at) AS minute, if(count.2 = 'hits', customer, '') AS customer_of_hit,
  sum(if(v = 1, count.3, -count.3)) AS n
FROM (
  SELECT * FROM (
    SELECT v, * FROM contacts
    ARRAY JOIN [0, 1] AS v
    WHERE contact_id IN (SELECT contact_id FROM affected) AND seq <= {seq:UInt64} - 1 + v
    ORDER BY seq DESC
    LIMIT 1 BY v, contact_id
  )
  WHERE gone = 0
) AS contact
LEFT JOIN (
  SELECT v, contact_id, sumMap(map(toString(signal), toInt64(n))) AS marked
  FROM marks
  ARRAY JOIN [0, 1] AS v
  WHERE contact_id IN (SELECT contact_id FROM affected) AND marks.seq <= {seq:UInt64} - 1 + v
  GROUP BY v, contact_id
) AS mark ON mark.v = contact.v AND mark.contact_id = contact.contact_id
ARRAY JOIN arrayFilter(c -> c.3 != 0, [
%counts%
]) AS count
GROUP BY signal, measure, environment, agent, release, channel, queue, minute, customer_of_hit
HAVING n != 0
UNION ALL
SELECT {seq:UInt64}, signal, 'unattributed', '', '', '', '', '', toDateTime(0, 'UTC'), '', toFloat64(sum(mark_changes.n)) AS total
FROM mark_changes
WHERE seq = {seq:UInt64} AND contact_id = ''
GROUP BY signal
HAVING total != 0
SETTINGS insert_deduplication_token = '%token%', insert_select_deduplicate = 1, enable_materialized_cte = 1, max_threads = 1
