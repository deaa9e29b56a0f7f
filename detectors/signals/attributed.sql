-- Outcomes charged back to the contact they are about, before (v = 0) and after (v = 1) batch {seq}; the difference is what
-- the batch changed. By conversation without limit (its latest contact begun by then, else its earliest); else the same
-- customer's latest contact begun within the window before the outcome. contact_id '' counts what cannot be attributed.
SELECT multiIf(by_conversation != '', by_conversation, date_diff('millisecond', by_customer.1, outcome_at) <= window_ms, by_customer.2, '') AS contact_id, mark,
  round(sum(if(v = 1, weight, -weight)), 6) AS n
FROM (
  SELECT v, outcome_id, any(kind) AS kind, any(flag) AS flag, any(review_minutes) AS review_minutes,
    maxIf(if(latest.2 != '', latest.2, earliest.2), is_conversation) AS by_conversation,
    maxIf(latest, NOT is_conversation) AS by_customer, any(at) AS outcome_at
  FROM (
    SELECT *, key LIKE 'c/%' AS is_conversation,
      anyLastIf((at, contact_id), contact_id != '') OVER (PARTITION BY v, key ORDER BY at, outcome_id, contact_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS latest,
      minIf((at, contact_id), contact_id != '') OVER (PARTITION BY v, key) AS earliest
    FROM (
      SELECT v, key, at, '' AS contact_id, outcome_id, kind, flag, review_minutes
      FROM linked_outcomes
      ARRAY JOIN [0, 1] AS v
      WHERE key IN {outcome_keys:Array(String)} AND outcome_id IN {outcomes:Array(String)} AND seq <= {seq:UInt64} - 1 + v
      UNION ALL
      SELECT v, key, at, contact_id, '', '', '', 0
      FROM places
      ARRAY JOIN [0, 1] AS v
      WHERE key IN {outcome_keys:Array(String)} AND seq <= {seq:UInt64} - 1 + v
      GROUP BY v, key, at, contact_id
      HAVING argMax(gone, seq) = 0
    )
  )
  WHERE outcome_id != ''
  GROUP BY v, outcome_id
)
ARRAY JOIN [%marks%] AS mark, [%matches%] AS matches, [%windows%] AS window_ms, [%weights%] AS weight
WHERE matches
GROUP BY contact_id, mark
HAVING n != 0
