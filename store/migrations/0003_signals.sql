-- What a batch changed in every count, per slice and minute of the contact's start: totals are sums of n. The detector reads
-- these in the order of seq. signal is '' for plain counts (contacts, calls, writes …); customer stands only on identified hits.
CREATE TABLE IF NOT EXISTS deltas (
  seq UInt64,
  signal LowCardinality(String),
  measure LowCardinality(String),
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  minute DateTime('UTC'),
  customer String,
  n Float64,
  received_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY seq
TTL received_at + INTERVAL 90 DAY
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 20000;

-- Hits per customer and UTC day of the trial: evidence counts at most three of them per release (and, for a slice, per slice).
CREATE TABLE IF NOT EXISTS customer_hits (
  customer String,
  signal LowCardinality(String),
  day Date,
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  minute DateTime('UTC'),
  seq UInt64,
  n Float64,
  received_at DateTime
)
ENGINE = MergeTree
ORDER BY (customer, signal, day, seq)
TTL received_at + INTERVAL 90 DAY
SETTINGS index_granularity = 128, min_compress_block_size = 4096, max_compress_block_size = 16384,
  non_replicated_deduplication_window = 20000;

CREATE MATERIALIZED VIEW IF NOT EXISTS customer_hits_of_deltas TO customer_hits AS
SELECT customer, signal, toDate(minute) AS day, environment, agent, release, channel, queue, minute, seq, n, received_at
FROM deltas WHERE measure = 'hits' AND customer != '';

-- Totals per minute for boards and reports.
CREATE TABLE IF NOT EXISTS rollup_minutes (
  signal LowCardinality(String),
  measure LowCardinality(String),
  environment LowCardinality(String),
  agent LowCardinality(String),
  release LowCardinality(String),
  channel LowCardinality(String),
  queue LowCardinality(String),
  minute DateTime('UTC'),
  n Float64
)
ENGINE = SummingMergeTree(n)
ORDER BY (agent, release, environment, signal, measure, channel, queue, minute)
SETTINGS non_replicated_deduplication_window = 20000;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollup_minutes_of_deltas TO rollup_minutes AS
SELECT signal, measure, environment, agent, release, channel, queue, minute, n FROM deltas;
