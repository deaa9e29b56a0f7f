-- Increases of the counters that signals are made of, over each whole series in order of event time.
CREATE TEMPORARY TABLE recount_counted_points ENGINE = MergeTree ORDER BY (name, series, at) AS
SELECT name, series, environment, agent, release, channel, queue, temporality::String AS temporality, at, value, start_at
FROM metric_points
WHERE name IN (%counters%) AND monotonic = 1 AND temporality IN ('delta', 'cumulative')
ORDER BY name, series, temporality, at, seq, position LIMIT 1 BY name, series, environment, agent, release, channel, queue, temporality, at;

-- A running total that says since when it runs began then; one that does not only shows, from its second point on, what was added.
-- It began again where it says so, or where it fell.
CREATE TEMPORARY TABLE recount_increases ENGINE = MergeTree ORDER BY name AS
SELECT name, environment, agent, release, channel, queue,
  if(temporality = 'delta', value, if(is_anew, if(is_first AND toUnixTimestamp64Milli(start_at) = 0, 0, value), value - value_before)) AS increase
FROM (
  SELECT *, before.1 AS value_before, before.3 = 0 AS is_first, is_first OR start_at > before.2 OR value < value_before AS is_anew
  FROM (
    SELECT *, lagInFrame((value, at, toUInt8(1))) OVER (PARTITION BY name, series ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
    FROM recount_counted_points
  )
);
