-- Outcomes with the contact they are about: of their conversation the latest begun by then (else the earliest), however long ago; when no
-- such conversation is known, the customer's latest contact begun by then, with its age.
CREATE TEMPORARY TABLE recount_heard ENGINE = MergeTree ORDER BY outcome_id AS
SELECT outcome_id, kind, flag, at, conversation, customer, review_minutes,
  if(environment IN (%judged%), '', concat('in ', environment)) AS scope
FROM outcomes ORDER BY outcome_id, seq, position LIMIT 1 BY outcome_id;

CREATE TEMPORARY TABLE recount_by_conversation ENGINE = MergeTree ORDER BY outcome_id AS
SELECT h.outcome_id AS outcome_id, any(h.kind) AS kind, any(h.flag) AS flag, any(h.review_minutes) AS review_minutes,
  if(countIf(c.started_at <= h.at) > 0, argMaxIf(c.contact_id, (c.started_at, c.contact_id), c.started_at <= h.at),
    argMin(c.contact_id, (c.started_at, c.contact_id))) AS contact_id
FROM recount_heard AS h JOIN recount_contacts AS c ON c.scope = h.scope AND c.conversation = h.conversation
WHERE h.conversation != ''
GROUP BY h.outcome_id;

CREATE TEMPORARY TABLE recount_by_customer ENGINE = MergeTree ORDER BY outcome_id AS
SELECT o.outcome_id AS outcome_id, o.kind AS kind, o.flag AS flag, o.review_minutes AS review_minutes, c.contact_id AS contact_id, dateDiff('millisecond', c.started_at, o.at) AS age_ms
FROM (SELECT * FROM recount_heard WHERE customer != '' AND outcome_id NOT IN (SELECT outcome_id FROM recount_by_conversation)) AS o
ASOF JOIN (SELECT scope, customer, started_at, max(contact_id) AS contact_id FROM recount_contacts WHERE customer != '' GROUP BY scope, customer, started_at) AS c
  ON c.scope = o.scope AND c.customer = o.customer AND o.at >= c.started_at;

CREATE TEMPORARY TABLE recount_attributions ENGINE = MergeTree ORDER BY outcome_id AS
SELECT outcome_id, kind, flag, review_minutes, contact_id, 0 AS age_ms FROM recount_by_conversation
UNION ALL
SELECT outcome_id, kind, flag, review_minutes, contact_id, age_ms FROM recount_by_customer;
