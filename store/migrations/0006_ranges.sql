-- Which records of the bus make up a batch, where the pipeline reads from one: written before anything of the batch, and the first row of
-- a seq counts. from_offsets and next_offsets say, by topic/partition, where the batch begins and where the next one does; expired are
-- the traces whose waiting the batch ends; lanes are the parts in which it is counted. With these and the records, everybody who drives the
-- batch makes the same rows.
CREATE TABLE IF NOT EXISTS ranges (
  seq UInt64,
  accepted_at DateTime64(3, 'UTC'),
  received_at DateTime,
  from_offsets Map(String, UInt64),
  next_offsets Map(String, UInt64),
  expired Array(String),
  lanes UInt16 DEFAULT 1,
  claimed_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY seq
SETTINGS non_replicated_deduplication_window = 10000;
