-- From raw spans to contacts, over everything the store holds, step by step. A step is a table of this session.

-- The first accepted copy of a span counts. Rows without a span id are no spans: they say that waiting for the agent span of a trace ended.
CREATE TEMPORARY TABLE recount_spans ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT trace_id, span_id, parent_span_id, role::String AS role, started_at, ended_at, agent_name, service_name, release, environment, conversation, customer,
  intent, channel, queue, region, autonomy, initiator::String AS initiator, contact_end, tool, action::String AS action, record_key, arguments_hash, result::String AS result, amount, sampled
FROM spans WHERE span_id != ''
ORDER BY trace_id, span_id, seq LIMIT 1 BY trace_id, span_id;

-- Where parents matter: several agent spans or several conversations in one trace. Elsewhere there is nothing to choose from.
CREATE TEMPORARY TABLE recount_branches ENGINE = MergeTree ORDER BY (trace_id, parent_span_id) AS
SELECT trace_id, span_id, parent_span_id, role, conversation FROM recount_spans
WHERE trace_id IN (
  SELECT trace_id FROM recount_spans GROUP BY trace_id
  HAVING countIf(role = 'agent') > 1 OR uniqExactIf(conversation, conversation != '') > 1
);

-- From the spans without a known parent down: the outermost agent span above (or itself), and the conversation of the span or
-- of the nearest one above that names it. A span has one parent, so each is reached once, and a ring of parents never.
CREATE TEMPORARY TABLE recount_walked ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
WITH RECURSIVE walk AS (
  SELECT trace_id, span_id, if(role = 'agent', span_id, '') AS outermost, conversation
  FROM recount_branches WHERE (trace_id, parent_span_id) NOT IN (SELECT trace_id, span_id FROM recount_branches)
  UNION ALL
  SELECT child.trace_id, child.span_id,
    multiIf(walk.outermost != '', walk.outermost, child.role = 'agent', child.span_id, '') AS outermost,
    if(child.conversation != '', child.conversation, walk.conversation) AS conversation
  FROM walk JOIN recount_branches AS child ON child.trace_id = walk.trace_id AND child.parent_span_id = walk.span_id
)
SELECT trace_id, span_id, outermost, conversation FROM walk
SETTINGS max_recursive_cte_evaluation_depth = %deepest%;

CREATE TEMPORARY TABLE recount_placed ENGINE = MergeTree ORDER BY (trace_id, span_id) AS
SELECT s.trace_id AS trace_id, s.span_id AS span_id, s.role AS role, s.started_at AS started_at, s.agent_name AS agent_name,
  s.service_name AS service_name, s.release AS release, s.environment AS environment,
  if(w.conversation != '', w.conversation, s.conversation) AS conversation,
  s.role = 'agent' AND w.outermost IN ('', s.span_id) AS is_outermost,
  (multiIf(is_outermost, 0, s.role = 'agent', 1, s.role = 'tool', 2, 3), s.started_at, s.span_id) AS turn
FROM recount_spans AS s LEFT JOIN recount_walked AS w ON w.trace_id = s.trace_id AND w.span_id = s.span_id;

-- What a whole trace says for those of its spans that stand under nobody.
CREATE TEMPORARY TABLE recount_traces ENGINE = MergeTree ORDER BY trace_id AS
SELECT trace_id,
  argMinIf(p.conversation, p.turn, p.conversation != '') AS first_conversation,
  argMinIf((p.span_id, p.agent_name, p.service_name, p.release, p.environment), p.turn, p.is_outermost) AS first_agent
FROM recount_placed AS p GROUP BY trace_id;

-- Whose contact the spans of one conversation in one trace are: its first outermost agent, else the first of the trace. Without any
-- agent span: the first tool span that names agent and release itself, else, once waiting ended, nobody (an unknown slice).
-- A release or environment that the agent span lacks may come from another span of the same service.
CREATE TEMPORARY TABLE recount_owners ENGINE = MergeTree ORDER BY (trace_id, conversation) AS
SELECT trace_id, conversation, owner.1 AS owner_span, if(owner.2 != '', owner.2, owner.3) AS agent,
  multiIf(owner_span = '', '', owner.4 != '', owner.4, arrayFirst(x -> x.2 = owner.3, releases).3) AS release,
  multiIf(owner_span = '', '', owner.5 != '', owner.5, arrayFirst(x -> x.2 = owner.3, environments).3) AS environment,
  if(conversation != '', conversation, trace_id) AS contact_conversation,
  concat(contact_conversation, '/', substring(lower(hex(SHA256(concat(environment, '\x1f', agent, '\x1f', release)))), 1, 8)) AS contact_id
FROM (
  SELECT p.trace_id AS trace_id, if(p.conversation != '', p.conversation, t.first_conversation) AS conversation,
    argMinIf((p.span_id, p.agent_name, p.service_name, p.release, p.environment), p.turn, p.is_outermost) AS agent_here,
    argMinIf((p.span_id, p.agent_name, p.service_name, p.release, p.environment), p.turn,
      p.role = 'tool' AND p.agent_name != '' AND p.release != '') AS tool_here,
    multiIf(agent_here.1 != '', agent_here, any(t.first_agent.1) != '', any(t.first_agent), tool_here) AS owner,
    arraySort(groupArrayIf((p.turn, p.service_name, p.release), p.release != '')) AS releases,
    arraySort(groupArrayIf((p.turn, p.service_name, p.environment), p.environment != '')) AS environments
  FROM recount_placed AS p JOIN recount_traces AS t ON t.trace_id = p.trace_id
  GROUP BY trace_id, conversation
)
WHERE owner_span != '' OR trace_id IN (SELECT trace_id FROM spans WHERE span_id = '');

CREATE TEMPORARY TABLE recount_members ENGINE = MergeTree ORDER BY contact_id AS
SELECT o.contact_id AS contact_id, o.environment AS environment, o.agent AS agent, o.release AS release, o.contact_conversation AS conversation,
  s.role AS role, s.started_at AS started_at, s.ended_at AS ended_at, s.span_id AS span_id, s.customer AS customer, s.intent AS intent,
  s.channel AS channel, s.queue AS queue, s.region AS region, s.autonomy AS autonomy, s.initiator AS initiator, s.contact_end AS contact_end,
  s.tool AS tool, s.action AS action, s.record_key AS record_key, s.arguments_hash AS arguments_hash, s.result AS result, s.amount AS amount, s.sampled AS sampled,
  (multiIf(s.span_id = o.owner_span, 0, s.role = 'agent', 1, s.role = 'tool', 2, 3), s.started_at, s.trace_id, s.span_id) AS turn,
  s.role = 'tool' AND s.action IN ('create', 'update', 'merge', 'delete') AS is_write,
  s.result IN ('failed', 'partial') AS has_failed
FROM recount_spans AS s
JOIN recount_placed AS p ON p.trace_id = s.trace_id AND p.span_id = s.span_id
JOIN recount_traces AS t ON t.trace_id = s.trace_id
JOIN recount_owners AS o ON o.trace_id = s.trace_id AND o.conversation = if(p.conversation != '', p.conversation, t.first_conversation);

-- Each text is the first one given: by the outermost agent span, other agent spans, tool spans, then any span.
CREATE TEMPORARY TABLE recount_contacts ENGINE = MergeTree ORDER BY contact_id AS
SELECT m.contact_id AS contact_id,
  any(m.environment) AS environment, any(m.agent) AS agent, any(m.release) AS release, any(m.conversation) AS conversation,
  argMinIf(m.channel, m.turn, m.channel != '') AS channel,
  argMinIf(m.queue, m.turn, m.queue != '') AS queue,
  argMinIf(m.region, m.turn, m.region != '') AS region,
  argMinIf(m.intent, m.turn, m.intent != '') AS intent,
  argMinIf(m.autonomy, m.turn, m.autonomy != '') AS autonomy,
  argMaxIf(m.contact_end, (-m.turn.1, m.turn.2, m.turn.3, m.turn.4), m.contact_end != '') AS contact_end,
  argMinIf(m.customer, m.turn, m.customer != '') AS customer,
  coalesce(argMinIf(toNullable(m.initiator), m.turn, m.initiator != ''), 'customer') AS initiator,
  minIf(m.started_at, m.role != 'link') AS started_at,
  maxIf(m.ended_at, m.role != 'link') AS ended_at,
  countIf(m.role = 'tool') AS calls,
  countIf(m.role = 'tool' AND m.has_failed) AS failed_calls,
  countIf(m.is_write) AS writes,
  countIf(m.is_write AND m.has_failed) AS failed_writes,
  countIf(m.action = 'create' AND m.result = 'ok') AS creates,
  countIf(m.is_write AND m.result = 'ok' AND m.arguments_hash != '')
    - uniqExactIf((m.tool, m.arguments_hash), m.is_write AND m.result = 'ok' AND m.arguments_hash != '') AS duplicate_writes,
  countIf(m.action = 'transfer') AS transfers,
  sumIf(m.amount, m.role = 'tool') AS amount,
  maxIf(m.sampled, m.role != 'link') AS sampled
FROM recount_members AS m
GROUP BY m.contact_id
HAVING countIf(m.role != 'link') > 0;
