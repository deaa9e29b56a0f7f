-- Increases of the counters of signals that batch {seq} changed: of the series that it touched, after it (v = 1) minus before it
-- (v = 0), charged to the minute of the point. A delta point is its own increase; a cumulative one counts from the point before
-- it in event time, or from zero where the counter was reset (later start, or a smaller value). The first point of a series counts
-- whole, unless the exporter does not say since when. Only the first copy of a point counts; gauges and sums that fall do not.
-- {from} lies at or before the last older point of every touched series, so a cut series counts the same in both versions.
INSERT INTO deltas (seq, signal, measure, environment, agent, release, channel, queue, minute, customer, n)
SELECT {seq:UInt64}, signal, measure, environment, agent, release, channel, queue, minute, '', round(sum(if(v = 1, increase, -increase)), 6) AS change
FROM (
  SELECT *, toStartOfMinute(at) AS minute,
    multiIf(temporality = 'delta', point.1, previous.2 = at0, if(point.2 = at0, 0, point.1),
      point.2 > previous.3 OR point.1 < previous.1, point.1, point.1 - previous.1) AS increase
  FROM (
    SELECT *, fromUnixTimestamp64Milli(toInt64(0), 'UTC') AS at0,
      lagInFrame((point.1, at, point.2)) OVER (PARTITION BY v, name, series ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS previous
    FROM (
      SELECT v, name, series, environment, agent, release, channel, queue, temporality, at, argMin((value, start_at), (seq, position)) AS point
      FROM metric_points
      ARRAY JOIN [0, 1] AS v
      WHERE name IN {names:Array(String)} AND series IN {series:Array(String)} AND at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
        AND seq <= {seq:UInt64} - 1 + v AND monotonic = 1 AND temporality != 'gauge'
      GROUP BY v, name, series, environment, agent, release, channel, queue, temporality, at
    )
  )
)
ARRAY JOIN [%names%] AS counter, [%signals%] AS signal, [%measures%] AS measure
WHERE counter = name
GROUP BY signal, measure, environment, agent, release, channel, queue, minute
HAVING change != 0
SETTINGS insert_deduplication_token = '%token%', insert_select_deduplicate = 1
