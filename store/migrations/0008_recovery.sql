-- Who and what an incident touched. A snapshot is whole when its audit row stands here (it is written last): the rows of the highest whole
-- snapshot of an incident are its present affected set.
-- kind: contact, customer, record, case, audit. need: what is to be done about it (correct, recontact, route, close), '' = listed only; why: what
-- happened to it. record_key, customer: pseudonyms. amount: money of the item's writes. at, ended_at: event time.
CREATE TABLE IF NOT EXISTS affected_items (
  incident_id String,
  snapshot UInt32,
  taken_at DateTime64(3, 'UTC'),
  because LowCardinality(String),
  kind LowCardinality(String),
  item String,
  need LowCardinality(String),
  why Array(LowCardinality(String)),
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  intent LowCardinality(String),
  contact_id String,
  conversation String,
  customer String,
  contact_end LowCardinality(String),
  system LowCardinality(String),
  record_type LowCardinality(String),
  record_id String,
  record_key String,
  amount Float64,
  currency LowCardinality(String),
  at DateTime64(3, 'UTC'),
  ended_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (incident_id, snapshot, kind)
SETTINGS non_replicated_deduplication_window = 20000;

-- What was done about it, append-only; the first row of an entry_id counts. step: record_corrected, customer_recontacted, case_routed,
-- audit_closed, unrecoverable (with reason), waived (whole incident, with name and reason). source: outcome or hand.
CREATE TABLE IF NOT EXISTS recovery_entries (
  incident_id String,
  entry_id String,
  at DateTime64(3, 'UTC'),
  step LowCardinality(String),
  kind LowCardinality(String),
  item String,
  actor String,
  reason String,
  source LowCardinality(String),
  outcome_id String,
  inserted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (incident_id, entry_id, inserted_at);

-- The journal of drills, as incident_events: apart, so that no drill is ever taken for an incident.
CREATE TABLE IF NOT EXISTS drill_events (
  incident_id String,
  version UInt32,
  at_ms Int64,
  type LowCardinality(String),
  body String CODEC(ZSTD(1)),
  inserted_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (incident_id, version)
TTL inserted_at + INTERVAL 90 DAY;

-- One run of a drill: an injected fault with known onset, and how far the cord was pulled. Times null = has not happened.
CREATE TABLE IF NOT EXISTS drills (
  drill_id String,
  agent LowCardinality(String),
  release String,
  signal LowCardinality(String),
  started_at DateTime64(3, 'UTC'),
  onset_at DateTime64(3, 'UTC'),
  first_harm_at Nullable(DateTime64(3, 'UTC')),
  detected_at Nullable(DateTime64(3, 'UTC')),
  sent_at Nullable(DateTime64(3, 'UTC')),
  accepted_at Nullable(DateTime64(3, 'UTC')),
  stopped_at Nullable(DateTime64(3, 'UTC')),
  drained_at Nullable(DateTime64(3, 'UTC')),
  ended_at DateTime64(3, 'UTC'),
  contacts_sent UInt32,
  contacts_exposed UInt32,
  passed UInt8,
  reason String
)
ENGINE = MergeTree
ORDER BY (started_at, drill_id);

-- Every incident in which a release was ordered to stop, with the clock in seconds; null = not known, or has not happened. Drills, replays,
-- shadow triggers and incidents that only told people are no rollback events. channel and queue: where the evidence was strongest, also when
-- that of all traffic together was stronger still; '' = not told. floor_…: what no test finds sooner on average (facts/finding.ts), and the round trip to
-- the target that accepted; null = there is none, or it is not known. by_person: a person ordered it, no trigger had. verdict: confirmed, false_alarm, unclear; '' = not closed. The clock is that of
-- the first order; what was stopped may have been widened since.
CREATE VIEW IF NOT EXISTS kpi_incidents AS
SELECT
  incident_id,
  fromUnixTimestamp64Milli(opened_ms, 'UTC') AS opened_at,
  JSONExtractString(finding, 'release', 'environment') AS environment,
  JSONExtractString(finding, 'release', 'agent') AS agent,
  JSONExtractString(finding, 'release', 'release') AS release,
  JSONExtractString(finding, 'channel') = '' AND JSONExtractString(finding, 'queue') = '' AS is_pooled,
  if(is_pooled, JSONExtractString(finding, 'strongest', 'channel'), JSONExtractString(finding, 'channel')) AS channel,
  if(is_pooled, JSONExtractString(finding, 'strongest', 'queue'), JSONExtractString(finding, 'queue')) AS queue,
  JSONExtractString(finding, 'signal') AS signal,
  JSONExtractString(finding, 'action') AS action,
  verdict,
  toUInt8(JSONHas(opened, 'person')) AS by_person,
  if(onset_ms > detected_ms, 0, detected_ms - onset_ms) / 1000 AS seconds_to_detect,
  if(first_harm_ms > detected_ms, 0, detected_ms - first_harm_ms) / 1000 AS seconds_from_first_harm,
  if(detected_ms > accepted_ms, 0, accepted_ms - detected_ms) / 1000 AS seconds_to_pause,
  if(accepted_ms > stopped_ms, 0, stopped_ms - accepted_ms) / 1000 AS seconds_to_stop,
  if(accepted_ms > drained_ms, 0, drained_ms - accepted_ms) / 1000 AS seconds_to_drain,
  if(opened_ms > acknowledged_ms, 0, acknowledged_ms - opened_ms) / 1000 AS seconds_to_acknowledge,
  JSONExtract(finding, 'floorMs', 'Nullable(Float64)') / 1000 AS floor_seconds_to_detect,
  if(trip.1 = 0, NULL, trip.3 / 1000) AS floor_seconds_to_pause,
  JSONExtractFloat(finding, 'contactsExposed') AS contacts_exposed,
  JSONExtract(finding, 'floorContacts', 'Nullable(Float64)') AS floor_contacts_exposed,
  if(counted = '', NULL, JSONExtractFloat(counted, 'contactsAfterPause')) AS contacts_after_pause,
  if(counted = '', NULL, JSONExtractFloat(counted, 'writesAfterPause')) AS writes_after_pause
FROM (
  SELECT
    incident_id,
    argMinIf(body, version, type = 'opened' AND JSONExtractBool(body, 'pause')) AS opened,
    JSONExtractRaw(opened, 'finding') AS finding,
    JSONExtractInt(finding, 'decidedAtMs') AS detected_ms,
    JSONExtract(finding, 'onsetMs', 'Nullable(Int64)') AS onset_ms,
    JSONExtract(finding, 'firstHarmMs', 'Nullable(Int64)') AS first_harm_ms,
    minIf(at_ms, type = 'opened') AS opened_ms,
    nullIf(minIf(at_ms, type = 'accepted' AND JSONExtractBool(body, 'enforces')), 0) AS accepted_ms,
    argMinIf(JSONExtractString(body, 'target'), version, type = 'accepted' AND JSONExtractBool(body, 'enforces')) AS accepted_by,
    arrayFirst(line -> line.2 = accepted_by, arraySort(groupArrayIf((version, JSONExtractString(body, 'target'), JSONExtractFloat(body, 'elapsedMs')),
      type = 'attempted' AND JSONExtractString(body, 'outcome') = 'delivered' AND JSONExtractString(body, 'stage') = ''))) AS trip,
    nullIf(JSONExtractInt(argMaxIf(body, version, type IN ('stopped', 'reopened')), 'stoppedAtMs'), 0) AS stopped_ms,
    nullIf(JSONExtractInt(argMaxIf(body, version, type IN ('drained', 'reopened')), 'drainedAtMs'), 0) AS drained_ms,
    nullIf(minIf(at_ms, type = 'acknowledged'), 0) AS acknowledged_ms,
    argMaxIf(body, version, type IN ('stopped', 'drained')) AS counted,
    JSONExtractString(argMaxIf(body, version, type = 'closed'), 'verdict') AS verdict
  FROM (SELECT incident_id, version, type, at_ms, body FROM incident_events ORDER BY incident_id, version, inserted_at, at_ms LIMIT 1 BY incident_id, version)
  GROUP BY incident_id
  HAVING opened != ''
)
WHERE environment != 'andon-drill';

-- The present affected set, each item with whether it is done: a ledger entry stands for it.
CREATE VIEW IF NOT EXISTS affected_now AS
SELECT items.*, done.first_step AS done_step, done.first_at AS done_at, done.first_step != '' AS is_done
FROM (
  SELECT * FROM affected_items
  WHERE (incident_id, snapshot) IN (SELECT incident_id, max(snapshot) FROM affected_items WHERE kind = 'audit' GROUP BY incident_id)
) AS items
LEFT JOIN (
  SELECT incident_id, kind, item, argMin(step, (at, entry_id)) AS first_step, min(at) AS first_at
  FROM recovery_entries WHERE item != '' GROUP BY incident_id, kind, item
) AS done ON done.incident_id = items.incident_id AND done.kind = items.kind AND done.item = items.item;

-- Totals per day for the KPIs, which reach back for quarters. They follow the deltas a few seconds behind (pipeline/long-totals.clickhouse.ts).
CREATE TABLE IF NOT EXISTS rollup_days (
  signal LowCardinality(String),
  measure LowCardinality(String),
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  day Date,
  n Float64
)
ENGINE = SummingMergeTree(n)
ORDER BY (signal, measure, day, agent, release, environment, channel, queue)
SETTINGS non_replicated_deduplication_window = 20000;

-- Parts of the KPIs that count contacts, by day of their start: numerators and denominators to be summed, over any dimension; docs/kpis.md has the
-- formulas. Rows are many to a day and slice, as whoever reads them sums them anyway. Delayed signals: only contacts whose window is over, by the monitor's clock. So
-- a day counts as a whole before the one in which that time lies, and that one by minute.
CREATE VIEW IF NOT EXISTS kpi_contact_parts AS
WITH (SELECT max(clock_at) FROM batches) AS clock_at,
  clock_at - INTERVAL 72 HOUR AS over_72h, clock_at - INTERVAL 7 DAY AS over_7d
SELECT day, environment, agent, release, channel, queue, part.1 AS kpi, '' AS currency,
  if(part.2 = 'n', part.5, 0) * n AS numerator, if(part.2 = 'd', part.5, 0) * n AS denominator, part.6 AS is_ratio
FROM (
  SELECT day, environment, agent, release, channel, queue, signal, measure, n
  FROM rollup_days
  WHERE environment != 'andon-drill'
    AND (signal != 'repeat_contacts' OR day < toDate(over_72h)) AND (signal NOT IN ('reopened_cases', 'complaints') OR day < toDate(over_7d))
  UNION ALL
  SELECT toDate(minute) AS day, environment, agent, release, channel, queue, signal, measure, n
  FROM rollup_minutes
  WHERE environment != 'andon-drill'
    AND (signal = 'repeat_contacts' AND minute >= toStartOfDay(over_72h) AND minute <= over_72h
      OR signal IN ('reopened_cases', 'complaints') AND minute >= toStartOfDay(over_7d) AND minute <= over_7d)
) AS counted
INNER JOIN (
  SELECT part, part.3 AS signal, part.4 AS measure FROM (SELECT arrayJoin([
    ('contacts', 'n', '', 'contacts', 1, 0),
    ('identity_coverage', 'n', '', 'identified', 1, 1), ('identity_coverage', 'd', '', 'contacts', 1, 1),
    ('repeat_contact_rate', 'n', 'repeat_contacts', 'hits', 1, 1), ('repeat_contact_rate', 'd', 'repeat_contacts', 'trials', 1, 1),
    ('reopened_rate', 'n', 'reopened_cases', 'hits', 1, 1), ('reopened_rate', 'd', 'reopened_cases', 'trials', 1, 1),
    ('complaint_rate', 'n', 'complaints', 'hits', 1, 1), ('complaint_rate', 'd', 'complaints', 'trials', 1, 1),
    ('update_success_rate', 'n', '', 'writes', 1, 1), ('update_success_rate', 'n', '', 'failed_writes', -1, 1),
    ('update_success_rate', 'd', '', 'writes', 1, 1),
    ('duplicate_rate', 'n', 'duplicate_creations', 'hits', 1, 1), ('duplicate_rate', 'd', 'duplicate_creations', 'trials', 1, 1),
    ('corrections', 'n', 'corrections', 'events', 1, 0),
    ('review_minutes', 'n', 'human_reviews', 'minutes', 1, 0),
    ('review_minutes_per_action', 'n', 'human_reviews', 'minutes', 1, 1),
    ('review_minutes_per_action', 'd', '', 'writes', 1, 1), ('review_minutes_per_action', 'd', '', 'failed_writes', -1, 1),
    ('transfer_rate', 'n', '', 'contacts_transferred', 1, 1), ('transfer_rate', 'd', '', 'contacts', 1, 1),
    ('escalation_rate', 'n', 'escalations', 'hits', 1, 1), ('escalation_rate', 'd', 'escalations', 'trials', 1, 1)
  ]::Array(Tuple(String, String, String, String, Int8, UInt8))) AS part)
) AS parts USING (signal, measure)
-- What nobody reports is not zero: rates over outcomes wait for the first outcome of their kind.
WHERE kpi NOT IN ('complaint_rate', 'reopened_rate', 'review_minutes_per_action')
  OR transform(kpi, ['complaint_rate', 'reopened_rate', 'review_minutes_per_action'], ['complaints', 'reopened_cases', 'human_reviews'], '') IN (
    SELECT signal FROM rollup_days WHERE signal IN ('complaints', 'reopened_cases', 'human_reviews') AND measure IN ('events', 'unattributed'));

-- Parts of the KPIs that count rollback events, by day of their opening.
CREATE VIEW IF NOT EXISTS kpi_incident_parts AS
SELECT toDate(opened_at) AS day, environment, agent, release, channel, queue, part.1 AS kpi, '' AS currency,
  sum(assumeNotNull(part.2)) AS numerator, sum(assumeNotNull(part.3)) AS denominator, max(part.4) AS is_ratio
FROM kpi_incidents
ARRAY JOIN [
  ('rollback_events', 1, 1, 0),
  ('detected_by_people', if(by_person, 1, NULL), 1, 0),
  ('time_to_detect', seconds_to_detect, 1, 1),
  ('time_from_first_harm', seconds_from_first_harm, 1, 1),
  ('time_to_pause', seconds_to_pause, 1, 1),
  ('time_to_stop', seconds_to_stop, 1, 1),
  ('time_to_drain', seconds_to_drain, 1, 1),
  ('time_to_acknowledge', seconds_to_acknowledge, 1, 1),
  ('pause_precision', if(verdict IN ('confirmed', 'false_alarm') AND NOT by_person, toFloat64(verdict = 'confirmed'), NULL), 1, 1),
  ('contacts_exposed', contacts_exposed, 1, 0),
  ('contacts_after_pause', contacts_after_pause, 1, 0),
  ('writes_after_pause', writes_after_pause, 1, 0)
]::Array(Tuple(String, Nullable(Float64), Nullable(Float64), UInt8)) AS part
WHERE part.2 IS NOT NULL
GROUP BY day, environment, agent, release, channel, queue, kpi;

-- Parts of the KPIs that count what rollback events touched, by day of their opening.
CREATE VIEW IF NOT EXISTS kpi_affected_parts AS
SELECT toDate(taken.opened_at) AS day, affected.environment AS environment, affected.agent AS agent, affected.release AS release,
  affected.channel AS channel, affected.queue AS queue, part.1 AS kpi, part.4 AS currency,
  sum(part.2) AS numerator, sum(part.3) AS denominator, max(part.5) AS is_ratio
FROM (
  SELECT incident_id, environment, agent, release, channel, queue, part
  FROM (
    SELECT incident_id, environment, agent, release, channel, queue, currency, countIf(kind = 'contact') AS contacts, countIf(kind = 'customer') AS customers,
      countIf(kind = 'contact' AND contact_end = 'transferred') AS transfers, countIf(kind = 'contact' AND contact_end = 'escalated') AS escalations,
      sumIf(affected_now.amount, kind = 'record') AS amounts, countIf(need != '' AND is_done) AS done, countIf(need != '') AS needing
    FROM affected_now
    GROUP BY incident_id, environment, agent, release, channel, queue, currency
  )
  ARRAY JOIN [
    ('affected_contacts', contacts, 1, '', 0),
    ('affected_customers', customers, 1, '', 0),
    ('affected_transfers', transfers, 1, '', 0),
    ('affected_escalations', escalations, 1, '', 0),
    ('amount_at_risk', amounts, 1, currency, 0),
    ('recovery_completeness', done, needing, '', 1)
  ]::Array(Tuple(String, Float64, Float64, String, UInt8)) AS part
) AS affected
INNER JOIN (SELECT incident_id, opened_at FROM kpi_incidents) AS taken ON taken.incident_id = affected.incident_id
GROUP BY day, environment, agent, release, channel, queue, kpi, currency
HAVING numerator != 0 OR denominator != 0;

-- Parts of all KPIs.
CREATE VIEW IF NOT EXISTS kpi_parts AS
SELECT * FROM kpi_contact_parts UNION ALL SELECT * FROM kpi_incident_parts UNION ALL SELECT * FROM kpi_affected_parts;

-- The KPIs of leaders per day, week (from Monday) and month, in UTC: filter by period and kpi. value = numerator / denominator where there is a
-- denominator, else numerator; to sum up rows (over releases, channels …) sum both parts first.
CREATE VIEW IF NOT EXISTS kpis AS
SELECT period, multiIf(period = 'day', day, period = 'week', toMonday(day), toStartOfMonth(day)) AS period_start,
  environment, agent, release, channel, queue, kpi, currency,
  sum(kpi_parts.numerator) AS numerator, if(max(is_ratio) = 1, sum(kpi_parts.denominator), NULL) AS denominator,
  numerator / ifNull(denominator, 1) AS value
FROM kpi_parts
ARRAY JOIN ['day', 'week', 'month'] AS period
GROUP BY period, period_start, environment, agent, release, channel, queue, kpi, currency
HAVING if(max(is_ratio) = 1, denominator > 0, numerator != 0);
