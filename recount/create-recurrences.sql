-- Successful creates with the time since the same record was created before, by anyone. A create without a natural key is compared
-- with creates of the same tool and arguments in its own contact; without arguments it is compared with nothing.
CREATE TEMPORARY TABLE recount_creates ENGINE = MergeTree ORDER BY key AS
SELECT n.session_id AS contact_id, s.started_at AS at, m.span_id AS span_id, c.scope AS scope,
  multiIf(m.record_key != '', m.record_key, m.arguments_hash != '', concat(m.contact_id, '\x1f', s.tool, '\x1f', m.arguments_hash), '') AS key
FROM recount_members AS m
JOIN recount_sessions AS n ON n.contact_id = m.contact_id AND n.trace_id = m.trace_id
JOIN recount_spans AS s ON s.trace_id = m.trace_id AND s.span_id = m.span_id
JOIN recount_contacts AS c ON c.contact_id = n.session_id
WHERE m.is_write AND m.is_ok AND m.action = 'create';

CREATE TEMPORARY TABLE recount_recreations ENGINE = MergeTree ORDER BY contact_id AS
SELECT contact_id, dateDiff('millisecond', before, at) AS after_ms
FROM (
  SELECT contact_id, at, lagInFrame(toNullable(at), 1) OVER (PARTITION BY scope, key ORDER BY at, contact_id, span_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
  FROM recount_creates WHERE key != ''
)
WHERE before IS NOT NULL;

