-- Every contact of a known customer and intent with the customer's next contact of that intent: begun by the customer, over all agents
-- and channels, and never a part of the same conversation. Order: start, then contact id as text.

-- Contacts begun by the customer come in runs of one conversation; next_run is the first contact of the next run.
CREATE TEMPORARY TABLE recount_runs ENGINE = MergeTree ORDER BY (scope, customer, intent, started_at, contact_id) AS
SELECT *,
  anyLastIf((started_at, contact_id), begins_run) OVER (PARTITION BY scope, customer, intent ORDER BY started_at DESC, contact_id DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS next_run
FROM (
  SELECT scope, customer, intent, started_at, contact_id, conversation, initiator IN ('', 'customer') AS is_by_customer,
    is_by_customer AND conversation != anyLastIf(conversation, initiator IN ('', 'customer')) OVER (PARTITION BY scope, customer, intent
      ORDER BY started_at, contact_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS begins_run
  FROM recount_contacts WHERE customer != '' AND intent != ''
);

-- The next contact begun by the customer is the one, unless it is of the same conversation: then the first of the run after it.
CREATE TEMPORARY TABLE recount_returns ENGINE = MergeTree ORDER BY contact_id AS
SELECT contact_id, if(next.1 != conversation, next.2, next.3) AS return, return.2 AS return_id,
  dateDiff('millisecond', started_at, return.1) AS after_ms
FROM (
  SELECT contact_id, conversation, started_at,
    anyLastIf((conversation, (started_at, contact_id), next_run), is_by_customer) OVER (PARTITION BY scope, customer, intent
      ORDER BY started_at DESC, contact_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS next
  FROM recount_runs
)
WHERE return_id != '';
