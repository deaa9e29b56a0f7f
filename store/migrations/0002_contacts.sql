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
SETTINGS index_granularity = 128, min_compress_block_size = 4096, max_compress_block_size = 16384,
  non_replicated_deduplication_window = 20000;

-- What a batch changed in contacts: the version before with sign -1 and the version after with sign 1, so that any count of
-- contacts changes by the sum of sign x value. gone = 1 marks the last row of a contact that is no more (its sign is -1).
-- marks: what other facts charge to the contact, by signal (recurrences, attributed outcomes). lane: which part of the batch made the row.
CREATE TABLE IF NOT EXISTS contact_changes (
  seq UInt64,
  lane UInt16,
  sign Int8,
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
  marks Map(String, Float64),
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY (seq, lane)
TTL received_at + INTERVAL 3 DAY
SETTINGS non_replicated_deduplication_window = 20000;

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
  marks Map(String, Float64),
  received_at DateTime,
  INDEX started_range started_at TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (contact_id, seq)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 128, min_compress_block_size = 4096, max_compress_block_size = 16384,
  non_replicated_deduplication_window = 20000;

CREATE MATERIALIZED VIEW IF NOT EXISTS contacts_of_changes TO contacts AS
SELECT * EXCEPT (sign, lane) FROM contact_changes WHERE sign = 1 OR gone = 1;

-- Where contacts and creates stand in time under the keys by which they are found again (pipeline/places.ts): a contact under
-- its customer and its conversation, a create under its record key. Recurrence and attribution read here, and only the keys
-- that a batch touched. item is the span of a create, else ''. A place that is left gets a row with gone = 1.
CREATE TABLE IF NOT EXISTS places (
  key String,
  at DateTime64(3, 'UTC'),
  contact_id String,
  item String,
  seq UInt64,
  gone UInt8,
  conversation String,
  intent LowCardinality(String),
  initiator LowCardinality(String),
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY (key, at, contact_id, item, seq)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 128, min_compress_block_size = 4096, max_compress_block_size = 16384,
  non_replicated_deduplication_window = 20000;

-- The first delivery of every outcome under the same keys (conversation, customer), or under 'none' when it names neither.
-- keys holds all keys of the outcome.
CREATE TABLE IF NOT EXISTS linked_outcomes (
  key String,
  at DateTime64(3, 'UTC'),
  outcome_id String,
  seq UInt64,
  keys Array(String),
  kind LowCardinality(String),
  flag LowCardinality(String),
  review_minutes Float64,
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY (key, at, outcome_id)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 128, min_compress_block_size = 4096, max_compress_block_size = 16384,
  non_replicated_deduplication_window = 20000;
