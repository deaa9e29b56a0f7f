-- One customer counts at most %cap% times a day in the evidence of a release (and of a slice): where batch {seq} changed hits of
-- customers beyond that, the difference between min(hits, %cap%) and what deltas.sql counted. Reports show both figures.
INSERT INTO deltas (seq, signal, measure, environment, agent, release, channel, queue, minute, customer, n)
SELECT {seq:UInt64}, signal, if(grouping(channel) = 0, 'capped_hits', 'release_capped_hits'), environment, agent, release, channel, queue,
  max(minute), '', least(sum(n), %cap%) - least(sumIf(n, seq < {seq:UInt64}), %cap%) - sumIf(n, seq = {seq:UInt64}) AS excess
FROM customer_hits
WHERE customer IN {customers:Array(String)} AND seq <= {seq:UInt64}
GROUP BY GROUPING SETS ((customer, signal, day, environment, agent, release, channel, queue), (customer, signal, day, environment, agent, release))
HAVING excess != 0
SETTINGS insert_deduplication_token = '%token%', insert_select_deduplicate = 1
