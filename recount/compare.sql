-- The hits that each signal puts on each contact.
hits AS MATERIALIZED (
  SELECT contact_id, sumMap(map(name, n)) AS of FROM (
%marks%
  ) GROUP BY contact_id
),
measured AS (
  SELECT environment, agent, release, channel, queue, customer, started_at, sampled, of,
    arrayJoin([
%counts%
    ]) AS count, count.1 AS signal, count.2 AS measure, count.3 AS n
  FROM contacts_recounted LEFT JOIN hits ON hits.contact_id = contacts_recounted.contact_id
),
-- One customer counts at most %cap% times per signal, slice (or release) and UTC day of the trial.
capped AS (
  SELECT signal, 'capped_hits' AS measure, environment, agent, release, channel, queue,
    if(customer = '', sum(n), least(sum(n), %cap%)) AS n
  FROM measured WHERE measure = 'hits'
  GROUP BY signal, environment, agent, release, channel, queue, customer, toDate(started_at)
  UNION ALL
  SELECT signal, 'release_capped_hits' AS measure, environment, agent, release, '' AS channel, '' AS queue,
    if(customer = '', sum(n), least(sum(n), %cap%)) AS n
  FROM measured WHERE measure = 'hits'
  GROUP BY signal, environment, agent, release, customer, toDate(started_at)
),
-- Outcomes about no contact that is known.
unattributed AS (
%unattributed%
),
compared AS (
  SELECT signal, measure, environment, agent, release, channel, queue, sum(was) AS counted, sum(n) AS recounted,
    abs(counted - recounted) > if(measure = 'sum', 1e-6 * (1 + abs(recounted)), 0) AS differs
  FROM (
    SELECT signal, measure, environment, agent, release, channel, queue, 0 AS was, n FROM measured
    UNION ALL
    SELECT signal, measure, environment, agent, release, channel, queue, 0 AS was, n FROM capped
    UNION ALL
    SELECT signal, 'unattributed' AS measure, environment, '' AS agent, '' AS release, '' AS channel, '' AS queue, 0 AS was, n FROM unattributed
    UNION ALL
    SELECT signal, measure, environment, agent, release,
      if(measure = 'release_capped_hits', '', channel) AS channel, if(measure = 'release_capped_hits', '', queue) AS queue, n AS was, 0 AS n
    FROM deltas WHERE signal IN (%signals%)
  )
  GROUP BY signal, measure, environment, agent, release, channel, queue
)
SELECT count() AS checked, countIf(differs) AS different,
  groupArrayIf(%shown%)(CAST((signal, measure, environment, agent, release, channel, queue, counted, recounted),
    'Tuple(signal String, measure String, environment String, agent String, release String, channel String, queue String, counted Float64, recounted Float64)'), differs) AS differences
FROM (SELECT * FROM compared WHERE counted != 0 OR recounted != 0 ORDER BY signal, measure, environment, agent, release, channel, queue)
