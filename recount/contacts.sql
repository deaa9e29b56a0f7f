-- From raw spans to contacts, over everything the store holds, step by step. A step is a table of this session.

-- The first accepted copy of a span counts.
CREATE TEMPORARY TABLE recount_spans ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT trace_id, span_id, parent_span_id, parent_is_remote, role::String AS role, started_at, ended_at, agent_name::String AS agent_name,
  service_name::String AS service_name, release, environment, conversation, customer, intent, channel, queue, region, autonomy,
  initiator::String AS initiator, contact_end, tool::String AS tool, action::String AS action, record_key, arguments_hash,
  result::String AS result, amount, sampled
FROM spans WHERE span_id != ''
ORDER BY trace_id, span_id, seq LIMIT 1 BY trace_id, span_id;

-- Spans that no root leads to stand in a ring of parents, or below one. Of a ring (up to %longest_ring% spans) the earliest span counts as root.
CREATE TEMPORARY TABLE recount_ringed ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
WITH RECURSIVE reached AS (
  SELECT trace_id, span_id FROM recount_spans WHERE (trace_id, parent_span_id) NOT IN (SELECT trace_id, span_id FROM recount_spans)
  UNION ALL
  SELECT child.trace_id, child.span_id
  FROM reached JOIN recount_spans AS child ON child.trace_id = reached.trace_id AND child.parent_span_id = reached.span_id
)
SELECT trace_id, span_id, parent_span_id, (started_at, span_id) AS turn FROM recount_spans
WHERE (trace_id, span_id) NOT IN (SELECT trace_id, span_id FROM reached)
SETTINGS max_recursive_cte_evaluation_depth = %deepest%;

CREATE TEMPORARY TABLE recount_ring_roots ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
WITH RECURSIVE upward AS (
  SELECT trace_id, span_id, turn, parent_span_id AS at, turn AS earliest, 1 AS steps FROM recount_ringed
  UNION ALL
  SELECT u.trace_id, u.span_id, u.turn, above.parent_span_id AS at, least(u.earliest, above.turn) AS earliest, u.steps + 1 AS steps
  FROM upward AS u JOIN recount_ringed AS above ON above.trace_id = u.trace_id AND above.span_id = u.at
  WHERE u.at != u.span_id AND u.steps < %longest_ring%
)
SELECT trace_id, span_id FROM upward WHERE at = span_id AND earliest = turn
SETTINGS max_recursive_cte_evaluation_depth = %deepest%;

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
  FROM walk JOIN recount_spans AS child ON child.trace_id = walk.trace_id AND child.parent_span_id = walk.span_id
  WHERE (child.trace_id, child.span_id) NOT IN (SELECT trace_id, span_id FROM recount_ring_roots)
)
SELECT trace_id, span_id, outermost, settled, call FROM walk
SETTINGS max_recursive_cte_evaluation_depth = %deepest%;

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

-- Spans of contacts. The inner sides of a call add what the outer one does not know, and are no calls themselves (rank 3, as are spans that
-- only have a place in the trace: these describe a contact when they stand under its agent, or nobody else is in the trace).
CREATE TEMPORARY TABLE recount_members ENGINE = MergeTree ORDER BY contact_id AS
SELECT o.contact_id AS contact_id, o.conversation AS conversation, o.owner.2 AS environment, o.owner.3 AS agent, o.owner.4 AS release,
  s.trace_id AS trace_id, s.span_id AS span_id, s.started_at AS started_at, s.ended_at AS ended_at, s.customer AS customer, s.intent AS intent,
  s.channel AS channel, s.queue AS queue, s.region AS region, s.autonomy AS autonomy, s.initiator AS initiator, s.contact_end AS contact_end,
  o.owner.1 AS owner_span, s.tool AS tool, s.amount AS amount, s.sampled AS sampled,
  if(i.action != '' AND s.action = '', i.action, s.action) AS action,
  if(s.record_key = '', i.record_key, s.record_key) AS record_key,
  if(s.arguments_hash = '', i.arguments_hash, s.arguments_hash) AS arguments_hash,
  s.result IN ('failed', 'partial') OR i.has_failed AS has_failed,
  s.result = 'ok' AND NOT has_failed AS is_ok,
  multiIf(s.span_id = o.owner.1, 0, s.role = 'agent', 1, s.role = 'tool' AND o.call = s.span_id, 2, 3) AS rank,
  rank = 2 AND action IN ('create', 'update', 'merge', 'delete') AS is_write
FROM recount_spans AS s
JOIN recount_owned AS o ON o.trace_id = s.trace_id AND o.span_id = s.span_id
JOIN (SELECT trace_id, uniqExactIf((conversation, owner), role != 'link') AS groups FROM recount_owned JOIN recount_spans USING (trace_id, span_id) GROUP BY trace_id) AS t
  ON t.trace_id = s.trace_id
LEFT JOIN (
  SELECT s.trace_id AS trace_id, o.call AS span_id,
    argMinIf(s.action, (s.started_at, s.span_id), s.action != '') AS action,
    argMinIf(s.record_key, (s.started_at, s.span_id), s.record_key != '') AS record_key,
    argMinIf(s.arguments_hash, (s.started_at, s.span_id), s.arguments_hash != '') AS arguments_hash,
    max(s.result IN ('failed', 'partial')) AS has_failed
  FROM recount_spans AS s JOIN recount_owned AS o ON o.trace_id = s.trace_id AND o.span_id = s.span_id
  WHERE s.role = 'tool' AND o.call != s.span_id GROUP BY trace_id, span_id
) AS i ON i.trace_id = s.trace_id AND i.span_id = s.span_id
WHERE s.role = 'agent' OR (s.role = 'tool' AND o.call = s.span_id) OR t.groups = 1 OR (o.outermost != '' AND o.outermost = o.owner.1);

-- What one trace (one agent of it) says of a contact. A text is the first one given: by the outermost agent span, other agent spans, tool spans, then others.
CREATE TEMPORARY TABLE recount_parts ENGINE = MergeTree ORDER BY contact_id AS
SELECT contact_id, trace_id, owner_span, any(m.environment) AS environment, any(m.agent) AS agent, any(m.release) AS release,
  any(m.conversation) AS conversation,
  argMinIf(m.customer, (rank, m.started_at, m.span_id), m.customer != '') AS customer,
  argMinIf(m.intent, (rank, m.started_at, m.span_id), m.intent != '') AS intent,
  argMinIf(m.channel, (rank, m.started_at, m.span_id), m.channel != '') AS channel,
  argMinIf(m.queue, (rank, m.started_at, m.span_id), m.queue != '') AS queue,
  argMinIf(m.region, (rank, m.started_at, m.span_id), m.region != '') AS region,
  argMinIf(m.autonomy, (rank, m.started_at, m.span_id), m.autonomy != '') AS autonomy,
  argMinIf(m.initiator, (rank, m.started_at, m.span_id), m.initiator != '') AS initiator,
  argMinIf(m.contact_end, (rank, m.started_at, m.span_id), m.contact_end != '') AS contact_end,
  minIf(m.started_at, rank < 3) AS started_at, (min(started_at) OVER (PARTITION BY contact_id, trace_id), trace_id, started_at, owner_span) AS turn,
  maxIf(m.ended_at, rank < 3) AS ended_at,
  countIf(rank = 2) AS calls, countIf(rank = 2 AND has_failed) AS failed_calls,
  countIf(is_write) AS writes, countIf(is_write AND has_failed) AS failed_writes, countIf(is_write AND action = 'create' AND is_ok) AS creates,
  countIf(rank = 2 AND action = 'transfer') AS transfers, sumIf(m.amount, is_write) AS amount, maxIf(m.sampled, rank < 3) AS sampled
FROM recount_members AS m
GROUP BY contact_id, trace_id, owner_span
HAVING countIf(rank < 3) > 0;

-- A contact: its traces in order of their start. How it ended is what the last one says.
CREATE TEMPORARY TABLE recount_contacts ENGINE = MergeTree ORDER BY contact_id AS
SELECT p.contact_id AS contact_id, any(p.environment) AS environment, any(p.agent) AS agent, any(p.release) AS release,
  any(p.conversation) AS conversation, if(environment IN (%judged%), '', concat('in ', environment)) AS scope,
  argMinIf(p.customer, p.turn, p.customer != '') AS customer,
  argMinIf(p.intent, p.turn, p.intent != '') AS intent,
  argMinIf(p.channel, p.turn, p.channel != '') AS channel,
  argMinIf(p.queue, p.turn, p.queue != '') AS queue,
  argMinIf(p.region, p.turn, p.region != '') AS region,
  argMinIf(p.autonomy, p.turn, p.autonomy != '') AS autonomy,
  argMinIf(p.initiator, p.turn, p.initiator != '') AS initiator,
  argMaxIf(p.contact_end, p.turn, p.contact_end != '') AS contact_end,
  min(p.started_at) AS started_at, max(p.ended_at) AS ended_at, sum(p.calls) AS calls, sum(p.failed_calls) AS failed_calls,
  sum(p.writes) AS writes, sum(p.failed_writes) AS failed_writes, sum(p.creates) AS creates, any(d.duplicate_writes) AS duplicate_writes,
  sum(p.transfers) AS transfers, sum(p.amount) AS amount, max(p.sampled) AS sampled
FROM recount_parts AS p
LEFT JOIN (
  SELECT contact_id, count() - uniqExact((tool, arguments_hash)) AS duplicate_writes FROM recount_members
  WHERE is_write AND is_ok AND arguments_hash != '' GROUP BY contact_id
) AS d ON d.contact_id = p.contact_id
GROUP BY p.contact_id;
