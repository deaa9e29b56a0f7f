import { BOARDS } from './links.ts'
import { CLICKHOUSE_PLUGIN, clickhouseQuery } from './query.ts'
import { NO_DRILLS } from './sql.ts'
import { sql } from './text.ts'

/** Uids of the data sources that dashboards/provisioning/datasources brings: an alert rule has no variables. */
export const PROVISIONED = { clickhouse: 'andon-clickhouse', contactPoint: 'andon' } as const

/**
 * A rule of Grafana's own alerting over ClickHouse, for those who have no Prometheus: it fires for every row of its query. Its last column is
 * the number that is compared with zero, the texts before it become labels. Only the server's macros are filled, no variable is.
 */
export type AlertRule = Readonly<{
  uid: string
  title: string
  rawSql: string
  /** How far back the query looks. */
  lookBackHours: number
  forMinutes: number
  severity: 'page' | 'ticket'
  summary: string
  description: string
  /** Path below docs/. */
  runbook: string
}>

const WEEK_HOURS = 7 * 24

export const ALERT_RULES: readonly AlertRule[] = [
  {
    uid: 'andon-release-paused',
    title: 'Release is being paused',
    rawSql: sql`
      SELECT environment, agent, release, state, toFloat64(count()) AS incidents
      FROM incident_clock
      WHERE state IN ('pausing', 'paused', 'stopped') AND ${NO_DRILLS} AND $__timeFilter(detected_at)
      GROUP BY environment, agent, release, state`,
    lookBackHours: WEEK_HOURS,
    forMinutes: 0,
    severity: 'page',
    summary: '{{ .Labels.agent }} {{ .Labels.release }} is being paused ({{ .Labels.state }})',
    description:
      'Andon ordered this release to stop. Where traffic goes, and what to do next, stands on the board On-call.',
    runbook: 'runbooks/release-paused.md',
  },
  {
    uid: 'andon-pause-not-accepted',
    title: 'Pause is not accepted',
    rawSql: sql`
      SELECT environment, agent, release, toFloat64(count()) AS incidents
      FROM incident_clock
      WHERE state = 'pausing' AND ${NO_DRILLS} AND $__timeFilter(detected_at)
      GROUP BY environment, agent, release`,
    lookBackHours: WEEK_HOURS,
    forMinutes: 1,
    severity: 'page',
    summary: 'Nobody accepts the pause of {{ .Labels.agent }} {{ .Labels.release }}',
    description: 'Stop the release by hand where traffic is routed.',
    runbook: 'runbooks/release-paused.md#the-pause-is-not-accepted',
  },
  {
    uid: 'andon-release-not-drained',
    title: 'Release is paused and not drained',
    rawSql: sql`
      SELECT environment, agent, release, toFloat64(count()) AS incidents
      FROM incident_clock
      WHERE state IN ('paused', 'stopped') AND ${NO_DRILLS} AND $__timeFilter(detected_at)
      GROUP BY environment, agent, release`,
    lookBackHours: WEEK_HOURS,
    forMinutes: 10,
    severity: 'page',
    summary: '{{ .Labels.agent }} {{ .Labels.release }} is paused and not drained',
    description:
      'Ten minutes after the pause was accepted telemetry still cannot prove that the release has ended its contacts.',
    runbook: 'runbooks/release-paused.md#accepted-but-it-still-takes-contacts',
  },
  {
    uid: 'andon-drill-failed',
    title: 'Last drill failed',
    rawSql: sql`
      SELECT agent, toFloat64(argMax(passed, started_at) = 0) AS failed
      FROM drills
      WHERE $__timeFilter(started_at)
      GROUP BY agent`,
    lookBackHours: WEEK_HOURS,
    forMinutes: 0,
    severity: 'page',
    summary: 'The last drill of {{ .Labels.agent }} failed',
    description:
      'An injected fault was not detected, or its pause was not accepted, in time: a real one would not be either.',
    runbook: 'runbooks/drill-failed.md',
  },
  {
    uid: 'andon-nothing-counted',
    title: 'Nothing is counted any more',
    rawSql: sql`
      SELECT toFloat64(max(accepted_at) < $__toTime - INTERVAL 15 MINUTE) AS silent
      FROM batches
      WHERE $__timeFilter(accepted_at)
      HAVING count() > 0`,
    lookBackHours: 24,
    forMinutes: 5,
    severity: 'page',
    summary: 'Andon counts nothing any more',
    description:
      'Batches were counted within the last day and none for a quarter of an hour: nothing is judged. Silence is not health.',
    runbook: 'runbooks/telemetry-missing.md',
  },
]

/** The rules in the shape of a file of Grafana's alerting provisioning. */
export const alertRuleFile = () => ({
  apiVersion: 1,
  groups: [{ orgId: 1, name: 'andon', folder: 'Andon', interval: '1m', rules: ALERT_RULES.map(ruleOf) }],
})

const ruleOf = (rule: AlertRule) => ({
  uid: rule.uid,
  title: rule.title,
  condition: 'B',
  data: [
    {
      refId: 'A',
      relativeTimeRange: { from: rule.lookBackHours * 3600, to: 0 },
      datasourceUid: PROVISIONED.clickhouse,
      model: {
        refId: 'A',
        ...clickhouseQuery(rule.rawSql, 'table'),
        datasource: { type: CLICKHOUSE_PLUGIN.type, uid: PROVISIONED.clickhouse },
      },
    },
    {
      refId: 'B',
      relativeTimeRange: { from: rule.lookBackHours * 3600, to: 0 },
      datasourceUid: '__expr__',
      model: {
        refId: 'B',
        type: 'threshold',
        datasource: { type: '__expr__', uid: '__expr__' },
        expression: 'A',
        conditions: [{ type: 'query', evaluator: { type: 'gt', params: [0] } }],
      },
    },
  ],
  noDataState: 'OK',
  execErrState: 'Error',
  for: `${rule.forMinutes}m`,
  annotations: {
    summary: rule.summary,
    description: rule.description,
    runbook_url: `\${ANDON_DOCS_URL}/${rule.runbook}`,
    board: `/d/${BOARDS.onCall.uid}`,
  },
  labels: { severity: rule.severity, component: 'andon' },
  isPaused: false,
  notification_settings: { receiver: PROVISIONED.contactPoint },
})
