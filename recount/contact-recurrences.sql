-- Every contact of a known customer and intent with the customer's next contact of that intent: begun by the customer, over all agents
-- and channels, and never a part of the same conversation. Order: start, then contact id as text.
next_contacts AS MATERIALIZED (
  SELECT contact_id, if(candidate.conversation != conversation, candidate.this, candidate.other) AS next
  FROM (
    -- candidate: the next contact begun by the customer, and the first one after it that belongs to another conversation than it does
    SELECT contact_id, conversation,
      anyLastIf(CAST((conversation, (started_at, contact_id), next_run), 'Tuple(conversation String, this Tuple(at DateTime64(3, \'UTC\'), contact_id String), other Tuple(at DateTime64(3, \'UTC\'), contact_id String))'),
        initiator = 'customer') OVER later AS candidate
    FROM (
      SELECT *, anyLastIf((started_at, contact_id), begins_run) OVER later AS next_run
      FROM (
        SELECT contact_id, conversation, customer, intent, started_at, initiator,
          initiator = 'customer' AND conversation != anyLastIf(conversation, initiator = 'customer')
            OVER (PARTITION BY customer, intent ORDER BY started_at, contact_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS begins_run
        FROM contacts_recounted WHERE customer != '' AND intent != ''
      )
      WINDOW later AS (PARTITION BY customer, intent ORDER BY started_at DESC, contact_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    WINDOW later AS (PARTITION BY customer, intent ORDER BY started_at DESC, contact_id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  )
  WHERE next.contact_id != ''
),
returns AS MATERIALIZED (
  SELECT earlier.contact_id AS contact_id, next.contact_id AS later_contact_id, dateDiff('millisecond', earlier.started_at, next.at) AS after_ms
  FROM next_contacts JOIN contacts_recounted AS earlier ON earlier.contact_id = next_contacts.contact_id
)
