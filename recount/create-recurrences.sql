-- Successful creates with the time since the same record was created before, by anyone. A create without a natural key is compared
-- with creates of the same tool and arguments in its own contact; without arguments it is compared with nothing.
CREATE TEMPORARY TABLE recount_creates ENGINE = MergeTree ORDER BY key AS
SELECT contact_id, started_at AS at, span_id,
  multiIf(record_key != '', record_key, arguments_hash != '', concat(contact_id, '\x1f', tool, '\x1f', arguments_hash), '') AS key
FROM recount_members WHERE role = 'tool' AND action = 'create' AND result = 'ok';

CREATE TEMPORARY TABLE recount_recreations ENGINE = MergeTree ORDER BY contact_id AS
SELECT contact_id, dateDiff('millisecond', before, at) AS after_ms
FROM (
  SELECT contact_id, at, lagInFrame(toNullable(at), 1) OVER (PARTITION BY key ORDER BY at, contact_id, span_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
  FROM recount_creates WHERE key != ''
)
WHERE before IS NOT NULL;

