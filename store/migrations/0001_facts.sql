-- Every accepted span, once per delivery: a re-sent span is a second row with a later seq and never counts.
-- This insert is what makes a request durable. seq is the batch, position the order in it (the first copy of a span counts),
-- accepted_at the monitor's clock. Small granules and compressed blocks, here and below: a batch looks up single keys.
CREATE TABLE IF NOT EXISTS spans (
  seq UInt64 CODEC(Delta, LZ4),
  position UInt32 CODEC(Delta, LZ4),
  accepted_at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
  received_at DateTime CODEC(Delta, LZ4),
  trace_id String,
  span_id String,
  parent_span_id String,
  parent_is_remote Int8,
  role LowCardinality(String),
  started_at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
  ended_at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
  agent_name LowCardinality(String),
  service_name LowCardinality(String),
  release LowCardinality(String),
  environment LowCardinality(String),
  conversation String,
  customer String,
  intent LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  region LowCardinality(String),
  autonomy LowCardinality(String),
  initiator LowCardinality(String),
  contact_end LowCardinality(String),
  tool LowCardinality(String),
  action LowCardinality(String),
  system LowCardinality(String),
  record_type LowCardinality(String),
  record_id String,
  record_key String,
  arguments_hash String,
  result LowCardinality(String),
  items UInt32,
  failed_items UInt32,
  error_type LowCardinality(String),
  amount Float64,
  currency LowCardinality(String),
  policy LowCardinality(String),
  reviewer String,
  sampled UInt8,
  INDEX seq_range seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(received_at)
ORDER BY (trace_id, span_id, seq, position)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 128, min_compress_block_size = 4096, max_compress_block_size = 16384,
  non_replicated_deduplication_window = 20000, ttl_only_drop_parts = 1;

-- Every accepted outcome (complaint, correction, …), once per delivery; the first row of an outcome_id counts.
CREATE TABLE IF NOT EXISTS outcomes (
  seq UInt64,
  position UInt32,
  accepted_at DateTime64(3, 'UTC'),
  received_at DateTime,
  outcome_id String,
  kind LowCardinality(String),
  at DateTime64(3, 'UTC'),
  conversation String,
  customer String,
  environment LowCardinality(String),
  record_type LowCardinality(String),
  record_id String,
  flag LowCardinality(String),
  review_minutes Float64,
  amount Float64,
  currency LowCardinality(String),
  INDEX seq_range seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(received_at)
ORDER BY (outcome_id, seq, position)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 128, min_compress_block_size = 4096, max_compress_block_size = 16384,
  non_replicated_deduplication_window = 20000, ttl_only_drop_parts = 1;

-- Every accepted number data point.
CREATE TABLE IF NOT EXISTS metric_points (
  seq UInt64,
  position UInt32,
  accepted_at DateTime64(3, 'UTC'),
  received_at DateTime,
  name LowCardinality(String),
  series String,
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  start_at DateTime64(3, 'UTC'),
  at DateTime64(3, 'UTC'),
  value Float64,
  temporality LowCardinality(String),
  monotonic UInt8,
  INDEX seq_range seq TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toMonday(received_at)
ORDER BY (name, series, at, seq, position)
TTL received_at + INTERVAL 60 DAY
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 20000, ttl_only_drop_parts = 1;

-- A batch is whole when its row stands here: the last step of the pipeline, and where it continues after a restart.
CREATE TABLE IF NOT EXISTS batches (
  seq UInt64,
  clock_at DateTime64(3, 'UTC'),
  accepted_at DateTime64(3, 'UTC'),
  spans UInt32,
  new_spans UInt32,
  outcomes UInt32,
  points UInt32,
  done_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY seq
SETTINGS non_replicated_deduplication_window = 20000;
