-- What one trace contributes to one contact (JSON); the highest seq is the present state, gone = 1: nothing any more.
CREATE TABLE IF NOT EXISTS contact_parts (
  contact_id String,
  trace_id String,
  seq UInt64,
  gone UInt8,
  received_at DateTime,
  body String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (contact_id, trace_id, seq)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000;

-- New versions of contacts, in the order of the batches that made them: what the signals of a batch are computed from.
-- was_* is the place where the version before stood among its customer's contacts ('' and 1970: nowhere).
CREATE TABLE IF NOT EXISTS contact_changes (
  seq UInt64,
  contact_id String,
  gone UInt8,
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  region LowCardinality(String),
  intent LowCardinality(String),
  autonomy LowCardinality(String),
  initiator LowCardinality(String),
  contact_end LowCardinality(String),
  conversation String,
  customer String,
  started_at DateTime64(3, 'UTC'),
  ended_at DateTime64(3, 'UTC'),
  calls UInt32,
  failed_calls UInt32,
  writes UInt32,
  failed_writes UInt32,
  creates UInt32,
  duplicate_writes UInt32,
  transfers UInt32,
  amount Float64,
  sampled UInt8,
  was_customer String,
  was_started_at DateTime64(3, 'UTC'),
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY seq
TTL received_at + INTERVAL 3 DAY
SETTINGS non_replicated_deduplication_window = 1000;

-- All versions of a contact; the present one has the highest seq.
CREATE TABLE IF NOT EXISTS contacts (
  contact_id String,
  seq UInt64,
  gone UInt8,
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  region LowCardinality(String),
  intent LowCardinality(String),
  autonomy LowCardinality(String),
  initiator LowCardinality(String),
  contact_end LowCardinality(String),
  conversation String,
  customer String,
  started_at DateTime64(3, 'UTC'),
  ended_at DateTime64(3, 'UTC'),
  calls UInt32,
  failed_calls UInt32,
  writes UInt32,
  failed_writes UInt32,
  creates UInt32,
  duplicate_writes UInt32,
  transfers UInt32,
  amount Float64,
  sampled UInt8,
  received_at DateTime,
  INDEX started_range started_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (contact_id, seq)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS contacts_of_changes TO contacts AS
SELECT contact_id, seq, gone, environment, agent, release, channel, queue, region, intent, autonomy, initiator, contact_end,
       conversation, customer, started_at, ended_at, calls, failed_calls, writes, failed_writes, creates, duplicate_writes,
       transfers, amount, sampled, received_at
FROM contact_changes;

-- The contacts of a customer in time: recurrence and attribution read here. A contact that moves in time or to another
-- customer leaves a row with gone = 1 where it stood.
CREATE TABLE IF NOT EXISTS customer_contacts (
  customer String,
  started_at DateTime64(3, 'UTC'),
  contact_id String,
  seq UInt64,
  gone UInt8,
  conversation String,
  intent LowCardinality(String),
  initiator LowCardinality(String),
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY (customer, started_at, contact_id, seq)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS customer_contacts_of_changes TO customer_contacts AS
SELECT place.1 AS customer, place.2 AS started_at, contact_id, seq, place.3 AS gone, conversation, intent, initiator, received_at
FROM contact_changes
ARRAY JOIN arrayFilter(p -> p.1 != '', if(was_customer = contact_changes.customer AND was_started_at = contact_changes.started_at,
  [(contact_changes.customer, contact_changes.started_at, contact_changes.gone)],
  [(contact_changes.customer, contact_changes.started_at, contact_changes.gone), (was_customer, was_started_at, toUInt8(1))])) AS place;

-- The contacts of a conversation: attribution by conversation id reads here.
CREATE TABLE IF NOT EXISTS conversation_contacts (
  conversation String,
  contact_id String,
  seq UInt64,
  gone UInt8,
  started_at DateTime64(3, 'UTC'),
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY (conversation, contact_id, seq)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS conversation_contacts_of_changes TO conversation_contacts AS
SELECT conversation, contact_id, seq, gone, started_at, received_at FROM contact_changes;

-- Successful creates by what they created; key is '' when nothing says so (it then matches nothing and is not stored).
CREATE TABLE IF NOT EXISTS created_records (
  record_key String,
  at DateTime64(3, 'UTC'),
  contact_id String,
  span_id String,
  seq UInt64,
  gone UInt8,
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY (record_key, at, contact_id, span_id, seq)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000;

-- The same rows in the order of batches.
CREATE TABLE IF NOT EXISTS created_record_changes (
  seq UInt64,
  record_key String,
  at DateTime64(3, 'UTC'),
  contact_id String,
  span_id String,
  gone UInt8,
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY seq
TTL received_at + INTERVAL 3 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS created_records_of_changes TO created_records AS
SELECT record_key, at, contact_id, span_id, seq, gone, received_at FROM created_record_changes;

-- Outcomes by conversation and by customer.
CREATE TABLE IF NOT EXISTS linked_outcomes (
  link String,
  at DateTime64(3, 'UTC'),
  outcome_id String,
  seq UInt64,
  kind LowCardinality(String),
  flag LowCardinality(String),
  conversation String,
  customer String,
  review_minutes Float64,
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY (link, at, outcome_id, seq)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS linked_outcomes_of_outcomes TO linked_outcomes AS
SELECT link, at, outcome_id, seq, kind, flag, conversation, customer, review_minutes, received_at
FROM outcomes
ARRAY JOIN arrayFilter(l -> l != '', [if(conversation = '', '', concat('c/', conversation)), if(customer = '', '', concat('u/', customer)), if(conversation = '' AND customer = '', 'none', '')]) AS link;
