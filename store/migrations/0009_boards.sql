-- What boards read. Region joins the counts: it is a dimension of boards, not of judgement, so it stands last in every key.
ALTER TABLE deltas ADD COLUMN IF NOT EXISTS region LowCardinality(String) AFTER queue;

ALTER TABLE rollup_minutes ADD COLUMN IF NOT EXISTS region LowCardinality(String) AFTER queue,
  MODIFY ORDER BY (agent, release, environment, signal, measure, channel, queue, minute, region);

-- Releases follow each other, so the granules of one release hold a short stretch of time: a board of the last day skips the others.
ALTER TABLE rollup_minutes ADD INDEX IF NOT EXISTS minute_range minute TYPE minmax GRANULARITY 1;

ALTER TABLE rollup_minutes_of_deltas MODIFY QUERY
SELECT signal, measure, environment, agent, release, channel, queue, region, minute, n FROM deltas;

-- Totals per hour for long ranges, in the order in which they are read: one count over all releases of a stretch of time. They follow
-- the deltas a few seconds behind.
CREATE TABLE IF NOT EXISTS rollup_hours (
  signal LowCardinality(String),
  measure LowCardinality(String),
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  region LowCardinality(String),
  hour DateTime('UTC'),
  n Float64
)
ENGINE = SummingMergeTree(n)
ORDER BY (signal, measure, hour, agent, release, environment, channel, queue, region)
SETTINGS non_replicated_deduplication_window = 20000;

-- Every slice that ever had a contact, when it was first and last seen, to the minute: the lists and launches of boards. A contact
-- that moves to another slice leaves its times behind; contacts stays exact.
CREATE TABLE IF NOT EXISTS slice_times (
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  region LowCardinality(String),
  first_at SimpleAggregateFunction(min, DateTime('UTC')),
  last_at SimpleAggregateFunction(max, DateTime('UTC')),
  contacts SimpleAggregateFunction(sum, Float64)
)
ENGINE = AggregatingMergeTree
ORDER BY (agent, release, environment, channel, queue, region)
SETTINGS non_replicated_deduplication_window = 20000;

-- Which batches the totals per hour, day and slice already hold (pipeline/long-totals.clickhouse.ts). The first row of a range_from counts.
CREATE TABLE IF NOT EXISTS totalled_ranges (
  range_from UInt64,
  range_to UInt64,
  claimed_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY range_from
SETTINGS non_replicated_deduplication_window = 10000;

-- How every trigger stood on every release, at most one row per minute: the last of the minute. The row with trigger '' is the joint
-- evidence of the release, which is what a pause needs (its trials are its contacts). rate, low and high are null without trials; log_e is natural.
-- limit: the highest share that is still healthy. ceiling: the share that breaches at once, 0 = none.
CREATE TABLE IF NOT EXISTS evidence_history (
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  trigger LowCardinality(String),
  signal LowCardinality(String),
  minute DateTime('UTC'),
  at DateTime64(3, 'UTC'),
  seq UInt64,
  action LowCardinality(String),
  shadow UInt8,
  finding LowCardinality(String),
  trials Float64,
  hits Float64,
  rate Nullable(Float64),
  low Nullable(Float64),
  high Nullable(Float64),
  baseline Float64,
  limit Float64,
  ceiling Float64,
  log_e Float64,
  log_threshold Float64,
  stored_at DateTime DEFAULT now(),
  INDEX minute_range minute TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (agent, release, environment, trigger, minute)
TTL stored_at + INTERVAL 400 DAY;

-- Only the last word of each, for tables over many releases; the row of the highest seq is the present one.
CREATE TABLE IF NOT EXISTS evidence_latest (
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  trigger LowCardinality(String),
  signal LowCardinality(String),
  at DateTime64(3, 'UTC'),
  seq UInt64,
  action LowCardinality(String),
  shadow UInt8,
  finding LowCardinality(String),
  trials Float64,
  hits Float64,
  limit Float64,
  ceiling Float64,
  log_e Float64,
  log_threshold Float64
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (agent, release, environment, trigger);

CREATE MATERIALIZED VIEW IF NOT EXISTS evidence_latest_of_history TO evidence_latest AS
SELECT environment, agent, release, trigger, signal, at, seq, action, shadow, finding, trials, hits, limit, ceiling, log_e, log_threshold
FROM evidence_history;

-- Where the evidence of a release comes from: one row per slice and minute in which the slice had something new. log_e is the slice's term in the
-- joint evidence (over all triggers that can pause, weights included), so at log_threshold the slice alone pauses the release. Rows cost with
-- traffic and are many: at most 24 slices per release and trigger are told apart, and they are kept for a month.
CREATE TABLE IF NOT EXISTS evidence_slices (
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  minute DateTime('UTC') CODEC(DoubleDelta, LZ4),
  at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
  seq UInt64 CODEC(Delta, LZ4),
  signal LowCardinality(String),
  log_e Float32,
  log_threshold Float32,
  stored_at DateTime DEFAULT now() CODEC(Delta, LZ4),
  INDEX minute_range minute TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY (agent, release, environment, channel, queue, minute)
TTL stored_at + INTERVAL 30 DAY;

-- What has begun after a pause so far, while its stop is not proven (the journal counts only then): the latest row of an incident, and only as long as
-- it was counted since the same acceptance and in the same parts of the release as are stopped now.
CREATE TABLE IF NOT EXISTS pause_counts (
  incident_id String,
  accepted_ms Int64,
  scope Array(String),
  contacts UInt64,
  writes UInt64,
  kept_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(kept_at)
ORDER BY incident_id;

-- Every incident with its clock, as the fold of its journal: what alerts/incident.ts folds in memory. A time that has not come is null.
-- life: the lines since it was last opened, which begins anew what was said of it before. ordered: an order to stop was given, so that what was
-- only observed and then closed can be told from it. rolled_back_at: when a rollback was accepted, whoever ordered it.
CREATE VIEW IF NOT EXISTS incident_clock AS
WITH
  arrayLast(line -> line.2 = 'opened', journal) AS opened,
  arrayFilter(line -> line.1 > opened.1, journal) AS life,
  JSONExtractRaw(opened.4, 'finding') AS finding,
  JSONExtractBool(opened.4, 'pause') AS ordered,
  arrayFirst(line -> (line.2 = 'attempted' AND JSONExtractString(line.4, 'stage') = '' OR line.2 = 'accepted' AND JSONHas(line.4, 'asked'))
    AND (resumed.1 = 0 OR line.1 < resumed.1), life) AS sent,
  arrayFirst(line -> line.2 IN ('resumed', 'overridden'), life) AS resumed,
  arrayFirst(line -> line.2 = 'closed', life) AS closed,
  arrayFilter(line -> line.2 = 'accepted' AND JSONExtractBool(line.4, 'enforces') AND (resumed.1 = 0 OR line.1 < resumed.1), life) AS acceptances,
  arrayFirst(line -> line.2 = 'acknowledged', life) AS acknowledged,
  arrayFirst(line -> line.2 = 'rolled_back', life) AS rolled_back,
  arrayLast(line -> line.2 IN ('stopped', 'reopened', 'part_resumed'), life) AS stopped,
  arrayLast(line -> line.2 IN ('drained', 'reopened', 'part_resumed'), life) AS drained,
  arrayFlatten(arrayMap(line -> JSONExtract(line.4, 'scope', 'Array(Tuple(channel String, queue String))'), arrayFilter(line -> line.2 = 'part_resumed', life))) AS gone_on,
  arrayLast(line -> line.2 IN ('stopped', 'drained', 'reopened', 'part_resumed'), life) AS counted,
  arrayFilter(line -> if(rolled_back.1 > 0, line.1 > rolled_back.1, JSONExtractString(finding, 'action') = 'rollback'), acceptances) AS rollbacks,
  notEmpty(acceptances) AND live.1 = acceptances[1].3 AND live.2 = scope AS is_live
SELECT
  incident_id,
  JSONExtractString(finding, 'release', 'environment') AS environment,
  JSONExtractString(finding, 'release', 'agent') AS agent,
  JSONExtractString(finding, 'release', 'release') AS release,
  JSONExtractString(finding, 'channel') AS channel,
  JSONExtractString(finding, 'queue') AS queue,
  JSONExtractString(finding, 'trigger') AS trigger,
  JSONExtractString(finding, 'signal') AS signal,
  if(ordered AND rolled_back.1 > 0, 'rollback', JSONExtractString(finding, 'action')) AS action,
  JSONExtractString(finding, 'trafficGoesTo') AS traffic_goes_to,
  JSONExtractString(finding, 'reason') AS finding_reason,
  JSONExtractString(opened.4, 'reason') AS reason,
  ordered,
  JSONExtractString(opened.4, 'person', 'by') AS ordered_by,
  arrayMap(part -> concat(part.1, ' ', part.2), arrayFilter(part -> NOT arrayExists(one -> one.1 IN ('', part.1) AND one.2 IN ('', part.2), gone_on),
    JSONExtract(opened.4, 'scope', 'Array(Tuple(channel String, queue String))'))) AS scope,
  arrayDistinct(arrayConcat([signal], arrayMap(line -> JSONExtractString(line.4, 'finding', 'signal'), arrayFilter(line -> line.2 IN ('opened', 'joined'), journal)))) AS signals,
  multiIf(closed.1 > 0, 'closed', resumed.1 > 0, 'resumed', drained.2 = 'drained', 'drained', stopped.2 = 'stopped', 'stopped',
    notEmpty(acceptances), 'paused', ordered, 'pausing', 'observed') AS state,
  fromUnixTimestamp64Milli(journal[1].3, 'UTC') AS opened_at,
  fromUnixTimestamp64Milli(JSONExtract(finding, 'onsetMs', 'Nullable(Int64)'), 'UTC') AS onset_at,
  fromUnixTimestamp64Milli(JSONExtract(finding, 'onsetLowMs', 'Nullable(Int64)'), 'UTC') AS onset_low_at,
  fromUnixTimestamp64Milli(JSONExtract(finding, 'onsetHighMs', 'Nullable(Int64)'), 'UTC') AS onset_high_at,
  fromUnixTimestamp64Milli(JSONExtract(finding, 'firstHarmMs', 'Nullable(Int64)'), 'UTC') AS first_harm_at,
  fromUnixTimestamp64Milli(JSONExtractInt(finding, 'decidedAtMs'), 'UTC') AS detected_at,
  if(ordered AND sent.1 > 0, fromUnixTimestamp64Milli(sent.3, 'UTC'), NULL) AS sent_at,
  if(notEmpty(acceptances), fromUnixTimestamp64Milli(acceptances[1].3, 'UTC'), NULL) AS accepted_at,
  if(stopped.2 = 'stopped', fromUnixTimestamp64Milli(JSONExtractInt(stopped.4, 'stoppedAtMs'), 'UTC'), NULL) AS stopped_at,
  if(drained.2 = 'drained', fromUnixTimestamp64Milli(JSONExtractInt(drained.4, 'drainedAtMs'), 'UTC'), NULL) AS drained_at,
  if(notEmpty(rollbacks), fromUnixTimestamp64Milli(rollbacks[1].3, 'UTC'), NULL) AS rolled_back_at,
  if(acknowledged.1 > 0, fromUnixTimestamp64Milli(acknowledged.3, 'UTC'), NULL) AS acknowledged_at,
  if(resumed.1 > 0, fromUnixTimestamp64Milli(resumed.3, 'UTC'), NULL) AS resumed_at,
  if(closed.1 > 0, fromUnixTimestamp64Milli(closed.3, 'UTC'), NULL) AS closed_at,
  JSONExtractString(acknowledged.4, 'by') AS acknowledged_by,
  JSONExtractString(closed.4, 'verdict') AS verdict,
  JSONExtractFloat(finding, 'contactsExposed') AS contacts_exposed,
  multiIf(state = 'paused', if(is_live, toFloat64(live.3), NULL), counted.2 IN ('stopped', 'drained'), JSONExtractFloat(counted.4, 'contactsAfterPause'), NULL) AS contacts_after_pause,
  multiIf(state = 'paused', if(is_live, toFloat64(live.4), NULL), counted.2 IN ('stopped', 'drained'), JSONExtractFloat(counted.4, 'writesAfterPause'), NULL) AS writes_after_pause,
  JSONExtractFloat(finding, 'trials') AS trials,
  JSONExtractFloat(finding, 'hits') AS hits,
  JSONExtractFloat(finding, 'baseline') AS baseline,
  JSONExtractFloat(finding, 'logE') AS log_e,
  JSONExtractFloat(finding, 'logThreshold') AS log_threshold,
  arrayDistinct(arrayMap(line -> JSONExtractString(line.4, 'target'), acceptances)) AS accepted_by,
  arrayDistinct(arrayMap(line -> JSONExtractString(line.4, 'target'), arrayFilter(line -> line.2 = 'undeliverable' AND JSONExtractString(line.4, 'stage') = '', life))) AS undeliverable,
  arrayExists(line -> line.2 = 'escalated', life) AS escalated
FROM (
  SELECT incident_id, arraySort(groupArray((version, toString(type), at_ms, body))) AS journal
  FROM (SELECT incident_id, version, type, at_ms, body FROM incident_events ORDER BY incident_id, version, inserted_at, at_ms LIMIT 1 BY incident_id, version)
  GROUP BY incident_id
) AS journals
LEFT JOIN (
  SELECT incident_id, argMax((accepted_ms, scope, contacts, writes), kept_at) AS live FROM pause_counts GROUP BY incident_id
) AS counts USING (incident_id)
WHERE opened.1 > 0;

-- Every line that says how the order of a pause, or the notice of it, travelled.
CREATE VIEW IF NOT EXISTS incident_deliveries AS
SELECT
  incident_id,
  version,
  fromUnixTimestamp64Milli(at_ms, 'UTC') AS at,
  toString(type) AS step,
  JSONExtractString(body, 'target') AS target,
  JSONExtractUInt(body, 'attempt') AS attempt,
  multiIf(step = 'attempted', JSONExtractString(body, 'outcome'), step = 'accepted', if(JSONExtractBool(body, 'enforces'), 'accepted', 'told'), step = 'undeliverable', JSONExtractString(body, 'reason'), step = 'escalated', JSONExtractString(body, 'because'), '') AS outcome,
  JSONExtractUInt(body, 'status') AS status,
  JSONExtractFloat(body, 'elapsedMs') AS elapsed_ms
FROM (SELECT * FROM incident_events ORDER BY incident_id, version, inserted_at, at_ms LIMIT 1 BY incident_id, version)
WHERE type IN ('attempted', 'accepted', 'undeliverable', 'escalated');
