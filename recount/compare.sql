-- Totals by slice, and what the pipeline holds beside them.

-- What the signals find on each contact: how many of what.
CREATE TEMPORARY TABLE recount_found ENGINE = MergeTree ORDER BY contact_id AS
SELECT contact_id, sumMap(map(name, n)) AS found FROM (
%found%
) GROUP BY contact_id;

CREATE TEMPORARY TABLE recount_measured ENGINE = MergeTree ORDER BY (signal, measure) AS
SELECT environment, agent, release, channel, queue, name.1 AS signal, name.2 AS measure, n
FROM (
  SELECT c.environment AS environment, c.agent AS agent, c.release AS release, c.channel AS channel, c.queue AS queue, sumForEach([
%counts%
  ]::Array(Float64)) AS totals
  FROM recount_contacts AS c LEFT JOIN recount_found AS f ON f.contact_id = c.contact_id
  GROUP BY environment, agent, release, channel, queue
)
ARRAY JOIN totals AS n, [
%names%
] AS name
UNION ALL
-- Of a quantity without a limit: contacts per eighth of an octave.
SELECT environment, agent, release, channel, queue, quantity.1 AS signal,
  'bin_' || toString(if(quantity.3 <= 0, -160, least(320, greatest(-160, floor(log2(quantity.3) * 8))))) AS measure, toFloat64(count()) AS n
FROM recount_contacts ARRAY JOIN [%quantities%] AS quantity
WHERE quantity.2
GROUP BY environment, agent, release, channel, queue, signal, measure;

-- One customer counts at most %cap% times per signal, slice (or release) and UTC day of the trial; who is unknown counts as it is.
CREATE TEMPORARY TABLE recount_hits ENGINE = MergeTree ORDER BY (environment, agent, release) AS
SELECT c.environment AS environment, c.agent AS agent, c.release AS release, c.channel AS channel, c.queue AS queue, c.customer AS customer,
  toDate(c.started_at) AS day, [
%hits%
  ]::Array(Float64) AS hits
FROM recount_contacts AS c LEFT JOIN recount_found AS f ON f.contact_id = c.contact_id
WHERE has(hits, 1);

CREATE TEMPORARY TABLE recount_capped ENGINE = MergeTree ORDER BY (signal, measure) AS
SELECT signal, measure, environment, agent, release, channel, queue, n
FROM (
  SELECT 'capped_hits' AS measure, environment, agent, release, channel, queue,
    arrayMap(total -> if(customer = '', total, least(total, %cap%)), sumForEach(hits)) AS totals
  FROM recount_hits GROUP BY environment, agent, release, channel, queue, customer, day
  UNION ALL
  SELECT 'release_capped_hits' AS measure, environment, agent, release, '' AS channel, '' AS queue,
    arrayMap(total -> if(customer = '', total, least(total, %cap%)), sumForEach(hits)) AS totals
  FROM recount_hits GROUP BY environment, agent, release, customer, day
)
ARRAY JOIN totals AS n, [%hit_names%]::Array(String) AS signal;

-- The cap per release belongs to no slice: it is compared per release.
CREATE TEMPORARY TABLE recount_compared ENGINE = MergeTree ORDER BY (signal, measure, environment, agent, release, channel, queue) AS
SELECT signal, measure, environment, agent, release, channel, queue, sum(was) AS counted, sum(n) AS recounted,
  abs(counted - recounted) > if(measure IN ('sum', 'minutes') OR signal IN (%counted%), 1e-6 * (1 + abs(recounted)), 0) AS differs
FROM (
  SELECT signal, measure, environment, agent, release, channel, queue, 0 AS was, n FROM recount_measured
  UNION ALL
  SELECT signal, measure, environment, agent, release, channel, queue, 0 AS was, n FROM recount_capped
  UNION ALL
  SELECT counter.2 AS signal, counter.3 AS measure, environment, agent, release, if(measure = 'release_capped_hits', '', i.channel) AS channel,
    if(measure = 'release_capped_hits', '', i.queue) AS queue, 0 AS was, increase AS n
  FROM recount_increases AS i ARRAY JOIN %counter_signals% AS counter WHERE counter.1 = name
  UNION ALL
  SELECT signal, 'unattributed' AS measure, '' AS environment, '' AS agent, '' AS release, '' AS channel, '' AS queue, 0 AS was, n FROM (
%unattributed%
  )
  UNION ALL
  SELECT signal, measure, environment, agent, release, if(measure = 'release_capped_hits', '', d.channel) AS channel,
    if(measure = 'release_capped_hits', '', d.queue) AS queue, d.n AS was, 0 AS n
  FROM deltas AS d WHERE signal IN (%signals%)
)
GROUP BY signal, measure, environment, agent, release, channel, queue
HAVING counted != 0 OR recounted != 0;
