-- Who may do what in the database andon. users.sh makes the users with their passwords before it runs this.

-- The active pipeline alone makes and changes tables, counts, and erases customers.
GRANT SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP VIEW, ALTER, OPTIMIZE ON andon.* TO andon_pipeline;
-- Whom `andon forget` erases stands in a table of its own meanwhile.
GRANT DROP TABLE ON andon.forgetting TO andon_pipeline;
-- A server may ask for a grant per table engine (table_engines_require_grant). Where it does not, these change nothing.
GRANT TABLE ENGINE ON MergeTree TO andon_pipeline;
GRANT TABLE ENGINE ON ReplacingMergeTree TO andon_pipeline;
GRANT TABLE ENGINE ON SummingMergeTree TO andon_pipeline;
GRANT TABLE ENGINE ON AggregatingMergeTree TO andon_pipeline;
-- Run as this user, `andon recount` compares in temporary tables.
GRANT CREATE TEMPORARY TABLE ON *.* TO andon_pipeline;

-- The detector reads what was counted and keeps its evidence, how it moved, and which baselines it chose.
GRANT SELECT ON andon.* TO andon_detector;
GRANT INSERT ON andon.evidence TO andon_detector;
GRANT INSERT ON andon.evidence_history TO andon_detector;
GRANT INSERT ON andon.evidence_slices TO andon_detector;
GRANT INSERT ON andon.baselines TO andon_detector;

-- The alerter reads, and keeps the journal of incidents, what is counted after their pauses, and the journals of their recovery, of releases and of drills.
GRANT SELECT ON andon.* TO andon_alerter;
GRANT INSERT ON andon.incident_events TO andon_alerter;
GRANT INSERT ON andon.pause_counts TO andon_alerter;
GRANT INSERT ON andon.affected_items TO andon_alerter;
GRANT INSERT ON andon.recovery_entries TO andon_alerter;
GRANT INSERT ON andon.release_events TO andon_alerter;
GRANT INSERT ON andon.drills TO andon_alerter;
GRANT INSERT ON andon.drill_events TO andon_alerter;

-- Grafana reads. readonly = 2: settings of a query may be set, which its data source does, nothing may be written.
CREATE SETTINGS PROFILE IF NOT EXISTS andon_reader SETTINGS readonly = 2, max_execution_time = 30, max_result_rows = 1000000 TO andon_reader;
GRANT SELECT ON andon.* TO andon_reader;
