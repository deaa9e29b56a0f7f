-- Batches that could not be counted and were taken back. The first row of one says what was decided, before anything of it is done, so that whoever
-- goes on after a crash does the same: its facts are set aside, or go on in two halves under the numbers half_seq and half_seq + 1. The second says
-- that they stand there, and may be deleted here.
CREATE TABLE IF NOT EXISTS taken_back (
  seq UInt64,
  at DateTime64(3, 'UTC') DEFAULT now64(3),
  accepted_at DateTime64(3, 'UTC'),
  received_at DateTime,
  error String,
  set_aside UInt32,
  half_seq UInt64,
  half_accepted_at DateTime64(3, 'UTC'),
  half_received_at DateTime,
  moved UInt8
)
ENGINE = MergeTree
ORDER BY seq
SETTINGS non_replicated_deduplication_window = 1000;

-- Facts that no batch can count, as they were accepted (JSON), with the error of the batch that failed with nothing else in it. They count
-- nowhere until they are replayed.
CREATE TABLE IF NOT EXISTS set_aside (
  seq UInt64,
  position UInt32,
  received_at DateTime,
  kind LowCardinality(String),
  id String,
  error String,
  body String CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (seq, position)
TTL received_at + INTERVAL 60 DAY
SETTINGS non_replicated_deduplication_window = 1000;
