import { allBoards } from './all.ts'
import { BOARDS } from './links.ts'
import { CLICKHOUSE_PLUGIN, clickhouseQuery } from './query.ts'
import { NO_DRILLS } from './sql.ts'
import { sql } from './text.ts'

/** Uids of the data sources that dashboards/provisioning/datasources brings: an alert rule has no variables. */
export const PROVISIONED = { clickhouse: 'andon-clickhouse', contactPoint: 'andon' } as const

/**
 * A rule of Grafana's own alerting over ClickHouse, for those who have no Prometheus: it fires for every row of its query. Its last column is
 * the number that is compared with zero, the texts before it become labels. Only the server's macros are filled, no variable is. No query looks back over a
 * stretch of time: what is not over does not end by lasting.
 */
export type AlertRule = Readonly<{
  uid: string
  title: string
  rawSql: string
  forMinutes: number
  severity: 'page' | 'ticket'
  summary: string
  description: string
  /** Path below docs/. */
  runbook: string
  /** Board and title of the panel that shows it. */
  shownIn: readonly [board: keyof typeof BOARDS, panel: string]
  /** What a query without rows means. Default: all is well. */
  noRows?: 'Alerting'
}>

/** Nothing accepted for so long is silence, as andon.rules.yml has it too. */
export const SILENT_SECONDS = 900
/** An agent that nobody drilled for so long is drilled no more: its last failure ends to be an alert. */
const DRILLED_DAYS = 30

export const ALERT_RULES: readonly AlertRule[] = [
  {
    uid: 'andon-release-paused',
    title: 'Release is being paused',
    rawSql: sql`
      SELECT environment, agent, release, toFloat64(count()) AS incidents
      FROM incident_clock
      WHERE state IN ('pausing', 'paused', 'stopped') AND ${NO_DRILLS}
      GROUP BY environment, agent, release`,
    forMinutes: 0,
    severity: 'page',
    summary: '{{ .Labels.agent }} {{ .Labels.release }} is being paused',
    description:
      'Andon ordered this release to stop. How far that got, where traffic goes, and what to do next stands on the board On-call.',
    runbook: 'runbooks/release-paused.md',
    shownIn: ['onCall', 'Incidents and what to do next'],
  },
  {
    uid: 'andon-pause-not-accepted',
    title: 'Pause is not accepted',
    rawSql: sql`
      SELECT environment, agent, release, toFloat64(count()) AS incidents
      FROM incident_clock
      WHERE state = 'pausing' AND ${NO_DRILLS}
      GROUP BY environment, agent, release`,
    forMinutes: 1,
    severity: 'page',
    summary: 'Nobody accepts the pause of {{ .Labels.agent }} {{ .Labels.release }}',
    description: 'Stop the release by hand where traffic is routed.',
    runbook: 'runbooks/release-paused.md#the-pause-is-not-accepted',
    shownIn: ['onCall', 'How the order travelled'],
  },
  {
    uid: 'andon-release-not-drained',
    title: 'Release is paused and not drained',
    rawSql: sql`
      SELECT environment, agent, release, toFloat64(count()) AS incidents
      FROM incident_clock
      WHERE state IN ('paused', 'stopped') AND ${NO_DRILLS}
      GROUP BY environment, agent, release`,
    forMinutes: 10,
    severity: 'page',
    summary: '{{ .Labels.agent }} {{ .Labels.release }} is paused and not drained',
    description:
      'Ten minutes after the pause was accepted telemetry still cannot prove that the release has ended its contacts.',
    runbook: 'runbooks/release-paused.md#accepted-but-it-still-takes-contacts',
    shownIn: ['onCall', 'The clock of each incident'],
  },
  {
    uid: 'andon-drill-failed',
    title: 'Last drill failed',
    rawSql: sql`
      SELECT agent, toFloat64(argMax(passed, started_at) = 0) AS failed
      FROM drills
      WHERE started_at > $__toTime - INTERVAL ${DRILLED_DAYS} DAY
      GROUP BY agent`,
    forMinutes: 0,
    severity: 'page',
    summary: 'The last drill of {{ .Labels.agent }} failed',
    description:
      'An injected fault was not detected, or its pause was not accepted, in time: a real one would not be either.',
    runbook: 'runbooks/drill-failed.md',
    shownIn: ['monitor', 'Drills'],
  },
  {
    uid: 'andon-nothing-counted',
    title: 'Nothing is counted',
    rawSql: sql`
      SELECT toFloat64(max(accepted_at) < $__toTime - INTERVAL ${SILENT_SECONDS} SECOND) AS silent
      FROM (SELECT accepted_at FROM batches ORDER BY seq DESC LIMIT 1)`,
    forMinutes: 5,
    severity: 'page',
    summary: 'Andon counts nothing',
    description:
      'No batch was counted for a quarter of an hour, or none ever was: nothing is judged. Silence is not health.',
    runbook: 'runbooks/telemetry-missing.md',
    shownIn: ['monitor', 'Rows per batch'],
    noRows: 'Alerting',
  },
]

/** Grafana asks for a range; the queries read no more of it than its end. */
export const RANGE_SECONDS = 600

/** The rules in the shape of a file of Grafana's alerting provisioning. */
export const alertRuleFile = () => ({
  apiVersion: 1,
  groups: [{ orgId: 1, name: 'andon', folder: 'Andon', interval: '1m', rules: ALERT_RULES.map(ruleOf) }],
})

/** Grafana links a panel by keys of the rule and by annotations of the same meaning; a file that it exports has both. */
function linkTo([board, title]: AlertRule['shownIn']) {
  const { uid } = BOARDS[board]
  const panels = (allBoards()[`${uid}.json`]?.panels ?? []) as readonly { id: number; title: string }[]
  const panel = panels.find((one) => one.title === title)
  if (!panel) throw new Error(`an alert rule links the panel '${title}', which the board ${uid} does not have`)
  return { uid, panelId: panel.id }
}

function ruleOf(rule: AlertRule) {
  const { uid: dashboardUid, panelId } = linkTo(rule.shownIn)
  return {
    uid: rule.uid,
    title: rule.title,
    condition: 'B',
    data: [
      {
        refId: 'A',
        relativeTimeRange: { from: RANGE_SECONDS, to: 0 },
        datasourceUid: PROVISIONED.clickhouse,
        model: {
          refId: 'A',
          ...clickhouseQuery(rule.rawSql, 'table'),
          datasource: { type: CLICKHOUSE_PLUGIN.type, uid: PROVISIONED.clickhouse },
        },
      },
      {
        refId: 'B',
        relativeTimeRange: { from: RANGE_SECONDS, to: 0 },
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
    dashboardUid,
    panelId,
    noDataState: rule.noRows ?? 'OK',
    execErrState: 'Error',
    for: `${rule.forMinutes}m`,
    annotations: {
      summary: rule.summary,
      description: rule.description,
      runbook_url: `\${ANDON_DOCS_URL}/${rule.runbook}`,
      __dashboardUid__: dashboardUid,
      __panelId__: String(panelId),
    },
    labels: { severity: rule.severity, component: 'andon' },
    isPaused: false,
    notification_settings: { receiver: PROVISIONED.contactPoint },
  }
}
