-- From raw spans to contacts, over everything the store holds, step by step. A step is a table of this session.

-- The first accepted copy of a span counts.
CREATE TEMPORARY TABLE recount_spans ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT trace_id, span_id, parent_span_id, parent_is_remote, role::String AS role, started_at, ended_at, agent_name::String AS agent_name,
  service_name::String AS service_name, release, environment, conversation, customer, intent, channel, queue, region, autonomy,
  initiator::String AS initiator, contact_end, tool::String AS tool, action::String AS action, record_key, arguments_hash,
  result::String AS result, amount, sampled
FROM spans WHERE span_id != ''
ORDER BY trace_id, span_id, seq, position LIMIT 1 BY trace_id, span_id;

-- Spans that no root leads to stand in a ring of parents, or below one. Of a ring (up to %longest_ring% spans) the earliest span counts as root.
CREATE TEMPORARY TABLE recount_ringed ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
WITH RECURSIVE reached AS (
  SELECT trace_id, span_id FROM recount_spans WHERE (trace_id, parent_span_id) NOT IN (SELECT trace_id, span_id FROM recount_spans)
  UNION ALL
  SELECT child.trace_id, child.span_id
  FROM recount_spans AS child JOIN reached ON child.trace_id = reached.trace_id AND child.parent_span_id = reached.span_id
)
SELECT trace_id, span_id, parent_span_id, (started_at, span_id) AS turn FROM recount_spans
WHERE (trace_id, span_id) NOT IN (SELECT trace_id, span_id FROM reached);

CREATE TEMPORARY TABLE recount_ring_roots ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
WITH RECURSIVE upward AS (
  SELECT trace_id, span_id, turn, parent_span_id AS at, turn AS earliest, 1 AS steps FROM recount_ringed
  UNION ALL
  SELECT u.trace_id, u.span_id, u.turn, above.parent_span_id AS at, least(u.earliest, above.turn) AS earliest, u.steps + 1 AS steps
  FROM upward AS u JOIN recount_ringed AS above ON above.trace_id = u.trace_id AND above.span_id = u.at
  WHERE u.at != u.span_id AND u.steps < %longest_ring%
)
SELECT trace_id, span_id FROM upward WHERE at = span_id AND earliest = turn;

-- From the roots of every trace down, each span through its one parent: `outermost`, the first agent span on the way; `settled`, whether
-- the root is one (its parent is nobody, or ran in another process) or a span whose parent may still come; `call`, the topmost of
-- tool spans of one tool one under the other, with no agent between: one call, seen from both of its sides.
CREATE TEMPORARY TABLE recount_walked ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
WITH RECURSIVE walk AS (
  SELECT trace_id, span_id, if(role = 'agent', span_id, '') AS outermost,
    parent_span_id = '' OR parent_is_remote = 1 OR is_ring AS settled,
    if(role = 'tool', tool, '') AS call_tool, if(role = 'tool', span_id, '') AS call,
    (trace_id, span_id) IN (SELECT trace_id, span_id FROM recount_ring_roots) AS is_ring
  FROM recount_spans WHERE is_ring OR (trace_id, parent_span_id) NOT IN (SELECT trace_id, span_id FROM recount_spans)
  UNION ALL
  SELECT child.trace_id, child.span_id,
    multiIf(walk.outermost != '', walk.outermost, child.role = 'agent', child.span_id, '') AS outermost, walk.settled,
    multiIf(child.role = 'tool', child.tool, child.role = 'agent', '', walk.call_tool) AS call_tool,
    multiIf(child.role = 'tool' AND (walk.call = '' OR walk.call_tool != child.tool), child.span_id, child.role = 'agent', '', walk.call) AS call, toUInt8(0) AS is_ring
  FROM recount_spans AS child JOIN walk ON child.trace_id = walk.trace_id AND child.parent_span_id = walk.span_id
  WHERE (child.trace_id, child.span_id) NOT IN (SELECT trace_id, span_id FROM recount_ring_roots)
)
SELECT trace_id, span_id, outermost, settled, call FROM walk;

-- What is not reached stands in a longer ring and is its own root. A row without a span id in `spans` says that waiting
--  for the parents of its trace ended. `carries`: a tool span that names all of its identity itself.
CREATE TEMPORARY TABLE recount_placed ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT s.trace_id AS trace_id, s.span_id AS span_id, s.role AS role, s.conversation AS conversation, s.environment AS environment,
  s.release AS release, if(s.role = 'agent' AND s.agent_name = '', s.service_name, s.agent_name) AS agent, (s.started_at, s.span_id) AS turn,
  multiIf(w.span_id != '', w.outermost, s.role = 'agent', s.span_id, '') AS outermost,
  multiIf(w.span_id != '', w.call, s.role = 'tool', s.span_id, '') AS call,
  w.span_id = '' OR w.settled OR s.trace_id IN (SELECT trace_id FROM spans WHERE span_id = '') AS is_placed,
  s.role = 'tool' AND s.agent_name != '' AND s.agent_name = s.service_name AND s.release != '' AND s.conversation != '' AS carries
FROM recount_spans AS s LEFT JOIN recount_walked AS w ON w.trace_id = s.trace_id AND w.span_id = s.span_id;

CREATE TEMPORARY TABLE recount_traces ENGINE = MergeTree ORDER BY trace_id AS
SELECT trace_id,
  if(uniqExactIf(p.conversation, p.conversation != '') = 1, anyIf(p.conversation, p.conversation != ''), trace_id) AS fallback,
  argMinIf(p.span_id, p.turn, p.outermost = p.span_id AND p.is_placed) AS first_agent,
  max(trace_id IN (SELECT trace_id FROM spans WHERE span_id = '')) AS ended
FROM recount_placed AS p GROUP BY trace_id;

-- Every outermost agent span with its conversation (its own, else the only one of the trace, else the trace), and the first outermost
-- agent span of that conversation in the trace, which a handoff joins.
CREATE TEMPORARY TABLE recount_agents ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT a.trace_id AS trace_id, a.span_id AS span_id, if(a.conversation != '', a.conversation, t.fallback) AS contact_conversation,
  argMin((a.span_id, a.environment, a.agent, a.release), a.turn) OVER (PARTITION BY a.trace_id, contact_conversation) AS owner
FROM recount_placed AS a JOIN recount_traces AS t ON t.trace_id = a.trace_id
WHERE a.outermost = a.span_id AND a.is_placed;

-- Whose contact a span is: its outermost agent's; without one, its own when it carries its identity, else the first agent's of the trace,
-- else, once waiting ended, nobody's (an unknown slice). Other spans wait.
CREATE TEMPORARY TABLE recount_owned ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT p.trace_id AS trace_id, p.span_id AS span_id, p.outermost AS outermost, p.call AS call,
  multiIf(p.is_placed AND p.outermost != '', p.outermost, p.carries OR NOT p.is_placed, '', t.first_agent) AS under,
  multiIf(under != '', a.contact_conversation, p.conversation != '', p.conversation, t.fallback) AS conversation,
  multiIf(under != '', a.owner, p.carries, ('', p.environment, p.agent, p.release), ('', '', '', '')) AS owner,
  concat(conversation, '/', substring(lower(hex(SHA256(concat(owner.2, '\x1f', owner.3, '\x1f', owner.4)))), 1, 8)) AS contact_id
FROM recount_placed AS p
JOIN recount_traces AS t ON t.trace_id = p.trace_id
LEFT JOIN recount_agents AS a ON a.trace_id = p.trace_id AND a.span_id = multiIf(p.is_placed AND p.outermost != '', p.outermost, p.carries OR NOT p.is_placed, '', t.first_agent)
WHERE under != '' OR p.carries OR t.ended;

-- Agent and tool spans of contacts; the inner sides of a call add what the outer one does not know, and are no calls themselves.
CREATE TEMPORARY TABLE recount_members ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT o.contact_id AS contact_id, o.conversation AS conversation, o.owner AS owner, s.trace_id AS trace_id, s.span_id AS span_id,
  s.started_at AS started_at, multiIf(s.span_id = o.owner.1, 0, s.role = 'agent', 1, 2) AS rank,
  if(s.action = '', i.action, s.action) AS action,
  if(s.record_key = '', i.record_key, s.record_key) AS record_key,
  if(s.arguments_hash = '', i.arguments_hash, s.arguments_hash) AS arguments_hash,
  s.result IN ('failed', 'partial') OR i.has_failed AS has_failed,
  s.result = 'ok' AND NOT has_failed AS is_ok,
  rank = 2 AND action IN ('create', 'update', 'merge', 'delete') AS is_write
FROM recount_spans AS s
JOIN recount_owned AS o ON o.trace_id = s.trace_id AND o.span_id = s.span_id
LEFT JOIN (
  SELECT s.trace_id AS trace_id, p.call AS span_id,
    argMinIf(s.action, (s.started_at, s.span_id), s.action != '') AS action,
    argMinIf(s.record_key, (s.started_at, s.span_id), s.record_key != '') AS record_key,
    argMinIf(s.arguments_hash, (s.started_at, s.span_id), s.arguments_hash != '') AS arguments_hash,
    max(s.result IN ('failed', 'partial')) AS has_failed
  FROM recount_spans AS s JOIN recount_placed AS p ON p.trace_id = s.trace_id AND p.span_id = s.span_id
  WHERE s.role = 'tool' AND p.call != s.span_id GROUP BY trace_id, span_id
) AS i ON i.trace_id = s.trace_id AND i.span_id = s.span_id
WHERE s.role = 'agent' OR (s.role = 'tool' AND o.call = s.span_id);

-- Every other span describes a contact when it stands under its agent, or when there is no other contact in the trace.
CREATE TEMPORARY TABLE recount_groups ENGINE = MergeTree ORDER BY trace_id AS
SELECT trace_id, g.1 AS contact_id, g.2 AS conversation, g.3 AS owner, length(all) AS groups
FROM (SELECT trace_id, groupUniqArray((contact_id, conversation, owner)) AS all FROM recount_members GROUP BY trace_id)
ARRAY JOIN all AS g;

CREATE TEMPORARY TABLE recount_sides ENGINE = MergeTree ORDER BY trace_id AS
SELECT p.trace_id AS trace_id, p.span_id AS span_id, p.turn.1 AS started_at, p.outermost AS outermost
FROM recount_placed AS p LEFT JOIN recount_members AS m ON m.trace_id = p.trace_id AND m.span_id = p.span_id
WHERE m.span_id = '';

CREATE TEMPORARY TABLE recount_describers ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT *, row_number() OVER (PARTITION BY trace_id, contact_id, owner.1 ORDER BY rank, started_at, span_id) AS place
FROM (
  SELECT trace_id, span_id, started_at, contact_id, conversation, owner, toUInt8(rank) AS rank FROM recount_members
  UNION ALL
  SELECT s.trace_id AS trace_id, s.span_id AS span_id, s.started_at AS started_at, g.contact_id AS contact_id,
    g.conversation AS conversation, g.owner AS owner, toUInt8(3) AS rank
  FROM recount_sides AS s JOIN recount_groups AS g ON g.trace_id = s.trace_id
  WHERE g.groups = 1 OR (s.outermost != '' AND s.outermost = g.owner.1)
);

CREATE TEMPORARY TABLE recount_described ENGINE = MergeTree ORDER BY (trace_id, contact_id) AS
SELECT d.trace_id AS trace_id, d.span_id AS span_id, d.contact_id AS contact_id, d.conversation AS conversation, d.owner AS owner, d.rank AS rank, d.place AS place,
  d.started_at AS started_at, s.ended_at AS ended_at, s.sampled AS sampled, s.customer AS customer, s.intent AS intent,
  s.channel AS channel, s.queue AS queue, s.region AS region, s.autonomy AS autonomy, s.initiator AS initiator, s.contact_end AS contact_end
FROM recount_describers AS d JOIN recount_spans AS s ON s.trace_id = d.trace_id AND s.span_id = d.span_id;

-- What one trace (one agent of it) says of a contact. A text is the first one given: by the outermost agent span, other agent spans, tool spans, then others.
CREATE TEMPORARY TABLE recount_parts ENGINE = MergeTree ORDER BY contact_id AS
SELECT d.contact_id AS contact_id, d.trace_id AS trace_id, d.owner AS owner, any(d.conversation) AS conversation,
  argMinIf(d.customer, d.place, d.customer != '') AS customer,
  argMinIf(d.intent, d.place, d.intent != '') AS intent,
  argMinIf(d.channel, d.place, d.channel != '') AS channel,
  argMinIf(d.queue, d.place, d.queue != '') AS queue,
  argMinIf(d.region, d.place, d.region != '') AS region,
  argMinIf(d.autonomy, d.place, d.autonomy != '') AS autonomy,
  argMinIf(d.initiator, d.place, d.initiator != '') AS initiator,
  argMinIf(d.contact_end, d.place, d.contact_end != '') AS contact_end,
  minIf(d.started_at, d.rank < 3) AS started_at, maxIf(d.ended_at, d.rank < 3) AS ended_at, maxIf(d.sampled, d.rank < 3) AS sampled,
  argMinIf(d.span_id, (d.started_at, d.span_id), d.rank < 3) AS first_span
FROM recount_described AS d
GROUP BY d.trace_id, d.contact_id, d.owner;

CREATE TEMPORARY TABLE recount_ordered_parts ENGINE = MergeTree ORDER BY contact_id AS
SELECT *, row_number() OVER (PARTITION BY contact_id ORDER BY trace_started_at, trace_id, started_at, first_span) AS place
FROM (SELECT *, min(started_at) OVER (PARTITION BY contact_id, trace_id) AS trace_started_at FROM recount_parts);

-- A conversation that was quiet for more than %idle_ms% ms begins a new contact (below 0: never): traces in order of their start, quiet
-- since the latest end so far. The first contact keeps the id, a later one adds when it begins.
CREATE TEMPORARY TABLE recount_sessions ENGINE = MergeTree ORDER BY (contact_id, trace_id) AS
SELECT contact_id, trace_id, if(session = 1, contact_id,
  concat(contact_id, '~', toString(toUnixTimestamp64Milli(min(trace_start) OVER (PARTITION BY contact_id, session))))) AS session_id
FROM (
  SELECT contact_id, trace_id, trace_start,
    sum(begins) OVER (PARTITION BY contact_id ORDER BY trace_start, trace_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS session
  FROM (
    SELECT contact_id, trace_id, trace_start,
      row_number() OVER (PARTITION BY contact_id ORDER BY trace_start, trace_id) AS turn,
      max(trace_end) OVER (PARTITION BY contact_id ORDER BY trace_start, trace_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS quiet_since,
      turn = 1 OR (%idle_ms% >= 0 AND dateDiff('millisecond', quiet_since, trace_start) > %idle_ms%) AS begins
    FROM (SELECT contact_id, trace_id, min(p.started_at) AS trace_start, max(p.ended_at) AS trace_end FROM recount_parts AS p GROUP BY contact_id, trace_id)
  )
);

CREATE TEMPORARY TABLE recount_calls ENGINE = MergeTree ORDER BY contact_id AS
SELECT n.session_id AS contact_id, countIf(m.rank = 2) AS calls, countIf(m.rank = 2 AND m.has_failed) AS failed_calls,
  countIf(m.is_write) AS writes, countIf(m.is_write AND m.has_failed) AS failed_writes,
  countIf(m.is_write AND m.action = 'create' AND m.is_ok) AS creates, countIf(m.rank = 2 AND m.action = 'transfer') AS transfers,
  sumIf(s.amount, m.is_write) AS amount,
  countIf(m.is_write AND m.is_ok AND m.arguments_hash != '')
    - uniqExactIf((s.tool, m.arguments_hash), m.is_write AND m.is_ok AND m.arguments_hash != '') AS duplicate_writes
FROM recount_members AS m JOIN recount_spans AS s ON s.trace_id = m.trace_id AND s.span_id = m.span_id
JOIN recount_sessions AS n ON n.contact_id = m.contact_id AND n.trace_id = m.trace_id
GROUP BY n.session_id;

-- A contact: its traces in order of their start. How it ended is what the last one says.
CREATE TEMPORARY TABLE recount_contacts ENGINE = MergeTree ORDER BY contact_id AS
SELECT n.session_id AS contact_id, any(p.owner.2) AS environment, any(p.owner.3) AS agent, any(p.owner.4) AS release,
  any(p.conversation) AS conversation, if(environment IN (%judged%), '', concat('in ', environment)) AS scope,
  argMinIf(p.customer, p.place, p.customer != '') AS customer,
  argMinIf(p.intent, p.place, p.intent != '') AS intent,
  argMinIf(p.channel, p.place, p.channel != '') AS channel,
  argMinIf(p.queue, p.place, p.queue != '') AS queue,
  argMinIf(p.region, p.place, p.region != '') AS region,
  argMinIf(p.autonomy, p.place, p.autonomy != '') AS autonomy,
  argMinIf(p.initiator, p.place, p.initiator != '') AS initiator,
  argMaxIf(p.contact_end, p.place, p.contact_end != '') AS contact_end,
  min(p.started_at) AS started_at, max(p.ended_at) AS ended_at, max(p.sampled) AS sampled,
  any(c.calls) AS calls, any(c.failed_calls) AS failed_calls, any(c.writes) AS writes, any(c.failed_writes) AS failed_writes,
  any(c.creates) AS creates, any(c.transfers) AS transfers, any(c.amount) AS amount, any(c.duplicate_writes) AS duplicate_writes
FROM recount_ordered_parts AS p JOIN recount_sessions AS n ON n.contact_id = p.contact_id AND n.trace_id = p.trace_id
JOIN recount_calls AS c ON c.contact_id = n.session_id
GROUP BY n.session_id;
