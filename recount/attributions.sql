-- Outcomes with the contact they are about: of its conversation the latest begun by then (else the earliest), however long ago; if no such
-- conversation is known, the customer's latest contact begun by then, with its age.
heard AS MATERIALIZED (
  SELECT outcome_id, kind, flag, at, conversation, customer, environment FROM outcomes ORDER BY outcome_id, seq LIMIT 1 BY outcome_id
),
by_conversation AS MATERIALIZED (
  SELECT heard.outcome_id AS outcome_id,
    if(countIf(c.started_at <= heard.at) > 0, argMaxIf(c.contact_id, (c.started_at, c.contact_id), c.started_at <= heard.at), argMin(c.contact_id, (c.started_at, c.contact_id))) AS contact_id
  FROM heard JOIN contacts_recounted AS c ON c.conversation = heard.conversation
  WHERE heard.conversation != ''
  GROUP BY heard.outcome_id
),
by_customer AS (
  SELECT o.outcome_id AS outcome_id, o.kind AS kind, o.flag AS flag, c.contact_id AS contact_id, dateDiff('millisecond', c.started_at, o.at) AS age_ms
  FROM (SELECT * FROM heard WHERE customer != '' AND outcome_id NOT IN (SELECT outcome_id FROM by_conversation)) AS o
  ASOF JOIN (SELECT customer, started_at, max(contact_id) AS contact_id FROM contacts_recounted WHERE customer != '' GROUP BY customer, started_at) AS c
    ON c.customer = o.customer AND o.at >= c.started_at
),
attributions AS MATERIALIZED (
  SELECT outcome_id, kind, flag, contact_id, 0 AS age_ms FROM by_conversation JOIN heard USING (outcome_id)
  UNION ALL
  SELECT outcome_id, kind, flag, contact_id, age_ms FROM by_customer
)
