-- Outcomes charged back to the contact they are about, before (v = 0) and after (v = 1) batch {seq}; the difference is what
-- the batch changed. By conversation without limit (its latest contact begun by then, else its earliest); else the same
-- customer's latest contact begun within the window before the outcome. contact_id '' counts what cannot be attributed.
WITH
  touched AS MATERIALIZED (
    SELECT arrayJoin([concat('c/', conversation), if(customer = '', '', concat('u/', customer)), if(was_customer = '', '', concat('u/', was_customer))]) AS link
    FROM contact_changes WHERE seq = {seq:UInt64}
    UNION ALL
    SELECT arrayJoin([if(conversation = '', 'none', concat('c/', conversation)), if(customer = '', 'none', concat('u/', customer))])
    FROM outcomes WHERE seq = {seq:UInt64}
  ),
  affected AS MATERIALIZED (
    SELECT v, outcome_id, any(at) AS at, any(conversation) AS conversation, any(customer) AS customer
    FROM linked_outcomes
    ARRAY JOIN [0, 1] AS v
    WHERE link IN (SELECT link FROM touched WHERE link != '')
      AND kind = '%outcome%' AND ('%flag%' = '' OR flag = '%flag%')
      AND linked_outcomes.seq <= {seq:UInt64} - 1 + v
    GROUP BY v, outcome_id
  ),
  by_conversation AS (
    SELECT o.v AS v, o.outcome_id AS outcome_id,
      if(countIf(c.started_at <= o.at) > 0,
        argMaxIf(c.contact_id, (c.started_at, c.contact_id), c.started_at <= o.at),
        argMin(c.contact_id, (c.started_at, c.contact_id))) AS contact_id
    FROM affected AS o
    INNER JOIN (
      SELECT v, conversation, contact_id, argMax(started_at, conversation_contacts.seq) AS started_at
      FROM conversation_contacts
      ARRAY JOIN [0, 1] AS v
      WHERE conversation IN (SELECT conversation FROM affected WHERE conversation != '')
        AND conversation_contacts.seq <= {seq:UInt64} - 1 + v
      GROUP BY v, conversation, contact_id
      HAVING argMax(gone, conversation_contacts.seq) = 0
    ) AS c ON c.v = o.v AND c.conversation = o.conversation
    GROUP BY o.v, o.outcome_id
  ),
  by_customer AS (
    SELECT v, id AS outcome_id, if(date_diff('millisecond', contact.1, at) <= %window_ms%, contact.2, '') AS contact_id
    FROM (
      SELECT v, id, at, is_outcome,
        anyLastIf((at, id), is_outcome = 0) OVER earlier AS contact
      FROM (
        SELECT v, customer, at, outcome_id AS id, 1 AS is_outcome FROM affected WHERE customer != ''
        UNION ALL
        SELECT v, customer, started_at AS at, contact_id AS id, 0 AS is_outcome
        FROM customer_contacts
        ARRAY JOIN [0, 1] AS v
        WHERE customer IN (SELECT customer FROM affected WHERE customer != '')
          AND started_at >= (SELECT min(at) FROM affected) - toIntervalMillisecond(%window_ms%)
          AND started_at <= (SELECT max(at) FROM affected)
          AND customer_contacts.seq <= {seq:UInt64} - 1 + v
        GROUP BY v, customer, started_at, contact_id
        HAVING argMax(gone, customer_contacts.seq) = 0
      )
      WINDOW earlier AS (PARTITION BY v, customer ORDER BY at, is_outcome, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    WHERE is_outcome = 1 AND contact.2 != ''
  )
SELECT if(by_conversation.contact_id != '', by_conversation.contact_id, by_customer.contact_id) AS contact_id,
  '%signal%' AS signal, {seq:UInt64} AS seq, toInt32(sum(if(affected.v = 1, 1, -1))) AS n
FROM affected
LEFT JOIN by_conversation ON by_conversation.v = affected.v AND by_conversation.outcome_id = affected.outcome_id
LEFT JOIN by_customer ON by_customer.v = affected.v AND by_customer.outcome_id = affected.outcome_id
GROUP BY contact_id
HAVING n != 0
