-- What the detector decided about its tests, append-only, so that evidence can be computed again bit for bit: which baseline a trigger
-- took for a release (chosen before batch seq, switched after it), and restarts after a pause that a person overrode (after seq).
-- body holds the trigger as it was written, the baseline, and the hashes of all triggers in force.
CREATE TABLE IF NOT EXISTS baselines (
  release_key String,
  trigger_hash String,
  seq UInt64,
  kind LowCardinality(String),
  body String CODEC(ZSTD(1)),
  stored_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (release_key, seq)
SETTINGS index_granularity = 128, non_replicated_deduplication_window = 20000;
