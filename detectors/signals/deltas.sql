-- What lane {lane} of batch {seq} changed in every count: contacts as they count after it minus as they counted before, by sign x value. A count
-- is named signal.measure; marks come with their own names. Hits keep the customer and count in evidence as they are;
-- capped.sql takes back what is too much for one customer.
INSERT INTO deltas (seq, signal, measure, environment, agent, release, channel, queue, region, minute, customer, n)
SELECT {seq:UInt64}, splitByChar('.', name)[1], arrayJoin(if(is_hit, ['hits', 'capped_hits', 'release_capped_hits'], [splitByChar('.', name)[2]])) AS measure,
  environment, agent, release, channel, queue, region, minute, if(measure = 'hits', hit_by, ''), change
FROM (
  SELECT name, endsWith(name, '.hits') AS is_hit, environment, agent, release, channel, queue, region, toStartOfMinute(started_at) AS minute,
    if(is_hit, customer, '') AS hit_by, round(sum(sign * value), 6) AS change
  FROM contact_changes
  ARRAY JOIN
    arrayConcat([%names%], if(sampled = 0, [%judged_names%], []), mapKeys(marks)) AS name,
    arrayConcat(CAST([%counts%], 'Array(Float64)'), if(sampled = 0, CAST([
      %judged_counts%
    ], 'Array(Float64)'), []), mapValues(marks)) AS value
  WHERE seq = {seq:UInt64} AND lane = {lane:UInt16} AND value != 0
  GROUP BY ALL
  HAVING change != 0
)
SETTINGS insert_deduplication_token = '%token%', insert_select_deduplicate = 1
