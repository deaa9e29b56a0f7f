-- From raw spans to contacts, over everything the store holds, in one go. Every name below is a step; later steps read earlier ones.

-- The first accepted copy of a span counts. Rows without a span id say that waiting for the agent span of a trace ended.
accepted AS (
  SELECT * FROM spans WHERE span_id != '' ORDER BY trace_id, span_id, seq LIMIT 1 BY trace_id, span_id
),
waited_for AS MATERIALIZED (
  SELECT DISTINCT trace_id FROM spans WHERE span_id = ''
),

-- Where parents matter: several agent spans or several conversations in one trace. Elsewhere there is nothing to choose from.
branches AS MATERIALIZED (
  SELECT trace_id, span_id, parent_span_id, role, conversation FROM accepted
  WHERE trace_id IN (
    SELECT trace_id FROM accepted GROUP BY trace_id
    HAVING countIf(role = 'agent') > 1 OR uniqExactIf(conversation, conversation != '') > 1
  )
),
-- From the spans without a known parent down: the outermost agent span above (or itself), and the conversation of the span or
-- of the nearest one above that names it. A span has one parent, so each is reached once, and a ring of parents never.
walked AS MATERIALIZED (
  WITH RECURSIVE walk AS (
    SELECT trace_id, span_id, if(role = 'agent', span_id, '') AS outermost, conversation
    FROM branches WHERE (trace_id, parent_span_id) NOT IN (SELECT trace_id, span_id FROM branches)
    UNION ALL
    SELECT child.trace_id, child.span_id,
      multiIf(walk.outermost != '', walk.outermost, child.role = 'agent', child.span_id, '') AS outermost,
      if(child.conversation != '', child.conversation, walk.conversation) AS conversation
    FROM walk JOIN branches AS child ON child.trace_id = walk.trace_id AND child.parent_span_id = walk.span_id
  )
  SELECT trace_id, span_id, outermost, conversation FROM walk
),
placed AS (
  SELECT s.*,
    if(w.conversation != '', w.conversation, s.conversation) AS path_conversation,
    s.role = 'agent' AND w.outermost IN ('', s.span_id) AS is_outermost,
    multiIf(is_outermost, 0, s.role = 'agent', 1, s.role = 'tool', 2, 3) AS rank
  FROM accepted AS s LEFT JOIN walked AS w ON w.trace_id = s.trace_id AND w.span_id = s.span_id
),

-- What a whole trace says for those of its spans that stand under nobody.
traces AS MATERIALIZED (
  SELECT trace_id,
    argMinIf(path_conversation, (rank, started_at, span_id), path_conversation != '') AS first_conversation,
    argMinIf((span_id, agent_name, service_name, release, environment), (started_at, span_id), is_outermost) AS first_agent,
    countIf(is_outermost) > 0 AS has_agent
  FROM placed GROUP BY trace_id
),
joined AS (
  SELECT p.*, t.first_agent, t.has_agent,
    if(p.path_conversation != '', p.path_conversation, t.first_conversation) AS in_conversation
  FROM placed AS p JOIN traces AS t ON t.trace_id = p.trace_id
),

-- Whose contact the spans of one conversation in one trace are: its first outermost agent, else the first of the trace. Without any
-- agent span: the first tool span that names agent and release itself, else, once waiting ended, nobody (an unknown slice).
-- A release or environment that the agent span lacks may come from another span of the same service.
owners AS MATERIALIZED (
  SELECT trace_id, in_conversation,
    argMinIf((span_id, agent_name, service_name, release, environment), (started_at, span_id), is_outermost) AS agent_here,
    argMinIf((span_id, agent_name, service_name, release, environment), (started_at, span_id),
      role = 'tool' AND agent_name != '' AND release != '') AS tool_here,
    multiIf(countIf(is_outermost) > 0, agent_here, any(has_agent), any(first_agent), tool_here) AS owner,
    owner.1 AS owner_span,
    if(owner.2 != '', owner.2, owner.3) AS agent,
    arrayFirst(x -> x.2 = owner.3, arraySort(groupArrayIf(((rank, started_at, span_id), service_name, release), release != ''))).3 AS service_release,
    arrayFirst(x -> x.2 = owner.3, arraySort(groupArrayIf(((rank, started_at, span_id), service_name, environment), environment != ''))).3 AS service_environment,
    if(owner_span = '', '', if(owner.4 != '', owner.4, service_release)) AS release_of,
    if(owner_span = '', '', if(owner.5 != '', owner.5, service_environment)) AS environment_of,
    if(in_conversation != '', in_conversation, trace_id) AS contact_conversation,
    concat(contact_conversation, '/', substring(lower(hex(SHA256(concat(environment_of, '\x1f', agent, '\x1f', release_of)))), 1, 8)) AS contact_id
  FROM joined
  GROUP BY trace_id, in_conversation
  HAVING owner_span != '' OR trace_id IN (SELECT trace_id FROM waited_for)
),
members AS (
  SELECT j.* EXCEPT (release, environment, conversation), o.contact_id, o.contact_conversation AS conversation,
    o.environment_of AS environment, o.agent, o.release_of AS release,
    (multiIf(j.span_id = o.owner_span, 0, j.role = 'agent', 1, j.role = 'tool', 2, 3), j.started_at, j.trace_id, j.span_id) AS turn,
    j.role = 'tool' AND j.action IN ('create', 'update', 'merge', 'delete') AS is_write,
    j.result IN ('failed', 'partial') AS has_failed
  FROM joined AS j JOIN owners AS o ON o.trace_id = j.trace_id AND o.in_conversation = j.in_conversation
),

-- Each text is the first one given: by the outermost agent span, other agent spans, tool spans, then any span.
contacts_recounted AS MATERIALIZED (
  SELECT m.contact_id AS contact_id,
    any(m.environment) AS environment, any(m.agent) AS agent, any(m.release) AS release, any(m.conversation) AS conversation,
    argMinIf(m.channel, m.turn, m.channel != '') AS channel,
    argMinIf(m.queue, m.turn, m.queue != '') AS queue,
    argMinIf(m.region, m.turn, m.region != '') AS region,
    argMinIf(m.intent, m.turn, m.intent != '') AS intent,
    argMinIf(m.autonomy, m.turn, m.autonomy != '') AS autonomy,
    argMinIf(m.contact_end, m.turn, m.contact_end != '') AS contact_end,
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
  FROM members AS m
  GROUP BY m.contact_id
  HAVING countIf(m.role != 'link') > 0
)
