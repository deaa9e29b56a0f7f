-- What people said of releases, append-only: registered (body: the record as JSON, the latest counts) and retired. The first row of an
-- event_id counts. What telemetry says of a release stands in slice_times and spans; its state is a fold of incident_events and this.
CREATE TABLE IF NOT EXISTS release_events (
  event_id String,
  at_ms Int64,
  type LowCardinality(String),
  environment LowCardinality(String),
  agent LowCardinality(String),
  release String,
  actor String,
  reason String,
  body String CODEC(ZSTD(1)),
  inserted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (agent, release, environment, at_ms, event_id)
SETTINGS non_replicated_deduplication_window = 20000;
