-- One customer counts at most %cap% times a day in the evidence of a release (and of a slice): min(hits, cap) after batch {seq}
-- minus before it. Reports show both figures.
INSERT INTO deltas (seq, signal, measure, environment, agent, release, channel, queue, minute, customer, n)
WITH touched AS (
  SELECT customer, signal, toDate(minute) AS day FROM deltas WHERE seq = {seq:UInt64} AND measure = 'hits' AND customer != ''
)
SELECT {seq:UInt64} AS seq, signal, measure, environment, agent, release, channel, queue, newest AS minute, '' AS customer, sum(change) AS n
FROM (
  SELECT signal, 'capped_hits' AS measure, environment, agent, release, channel, queue, max(minute) AS newest,
    least(sum(n), %cap%) - least(sumIf(n, customer_hits.seq < {seq:UInt64}), %cap%) AS change
  FROM customer_hits
  WHERE (customer, signal, day) IN (SELECT customer, signal, day FROM touched) AND customer_hits.seq <= {seq:UInt64}
  GROUP BY customer, day, signal, environment, agent, release, channel, queue
  UNION ALL
  SELECT signal, 'release_capped_hits' AS measure, environment, agent, release, '' AS channel, '' AS queue, max(minute) AS newest,
    least(sum(n), %cap%) - least(sumIf(n, customer_hits.seq < {seq:UInt64}), %cap%) AS change
  FROM customer_hits
  WHERE (customer, signal, day) IN (SELECT customer, signal, day FROM touched) AND customer_hits.seq <= {seq:UInt64}
  GROUP BY customer, day, signal, environment, agent, release
)
WHERE change != 0
GROUP BY signal, measure, environment, agent, release, channel, queue, minute
HAVING n != 0
SETTINGS insert_deduplication_token = '%token%', insert_select_deduplicate = 1, max_threads = 1
