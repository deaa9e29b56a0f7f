-- Evidence per release as the detector left it (JSON), with the batch it rests on; the row with release_key '' says up to which
-- batch all releases are complete.
CREATE TABLE IF NOT EXISTS evidence (
  release_key String,
  seq UInt64,
  body String CODEC(ZSTD(1)),
  stored_at DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY release_key
SETTINGS index_granularity = 16;

-- The journal of incidents, append-only: an incident is the fold of its lines in order of version; the first line of a version counts.
CREATE TABLE IF NOT EXISTS incident_events (
  incident_id String,
  version UInt32,
  at_ms Int64,
  type LowCardinality(String),
  body String CODEC(ZSTD(1)),
  inserted_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (incident_id, version);
