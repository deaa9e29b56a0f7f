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

-- Grafana reads what its boards and alert rules ask for, and the view kpis, each by name: whoever may look at a board may run any SQL of this user. No
-- raw facts, no contacts, nothing of an erasure, and of the affected items neither conversation nor record (a customer is the pseudonym it is everywhere).
-- Views read with the rights of who asks, so what they read is named too. readonly = 2: settings of a query may be set, which its data source does, nothing may be written.
CREATE SETTINGS PROFILE IF NOT EXISTS andon_reader SETTINGS readonly = 2, max_execution_time = 30, max_result_rows = 1000000 TO andon_reader;
GRANT SELECT ON andon.rollup_minutes TO andon_reader;
GRANT SELECT ON andon.rollup_hours TO andon_reader;
GRANT SELECT ON andon.rollup_days TO andon_reader;
GRANT SELECT ON andon.slice_times TO andon_reader;
GRANT SELECT ON andon.batches TO andon_reader;
GRANT SELECT ON andon.evidence_history TO andon_reader;
GRANT SELECT ON andon.evidence_latest TO andon_reader;
GRANT SELECT ON andon.evidence_slices TO andon_reader;
GRANT SELECT ON andon.drills TO andon_reader;
GRANT SELECT ON andon.incident_events TO andon_reader;
GRANT SELECT ON andon.incident_clock TO andon_reader;
GRANT SELECT ON andon.pause_counts TO andon_reader;
GRANT SELECT ON andon.incident_deliveries TO andon_reader;
GRANT SELECT ON andon.recovery_entries TO andon_reader;
GRANT SELECT(incident_id, snapshot, taken_at, because, kind, item, need, why, environment, agent, release, channel, queue, intent, contact_end, system, record_type, amount, currency, at, ended_at) ON andon.affected_items TO andon_reader;
GRANT SELECT(incident_id, snapshot, taken_at, because, kind, item, need, why, environment, agent, release, channel, queue, intent, contact_end, system, record_type, amount, currency, at, ended_at, done_step, done_at, is_done) ON andon.affected_now TO andon_reader;
GRANT SELECT ON andon.kpi_incidents TO andon_reader;
GRANT SELECT ON andon.kpi_contact_parts TO andon_reader;
GRANT SELECT ON andon.kpi_incident_parts TO andon_reader;
GRANT SELECT ON andon.kpi_affected_parts TO andon_reader;
GRANT SELECT ON andon.kpi_parts TO andon_reader;
GRANT SELECT ON andon.kpis TO andon_reader;
