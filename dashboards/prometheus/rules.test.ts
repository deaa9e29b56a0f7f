import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { parse, stringify } from 'yaml'
import { createClockMetrics } from '../../alerts/clock-metrics.ts'
import { createIncidentMetrics } from '../../alerts/incident-metrics.ts'
import { createDrillMetrics } from '../../app/drill-metrics.clickhouse.ts'
import { heartbeat } from '../../app/heartbeat.ts'
import { createLastAcceptedMetric } from '../../app/last-accepted.clickhouse.ts'
import { createMetrics } from '../../app/metrics.ts'
import { createRoleMetrics } from '../../app/role-metrics.ts'
import { configSchema } from '../../config.ts'
import { STALLED_MS } from '../../facts/overview.ts'
import { silentLog } from '../../lib/log.ts'
import { haveTools, runs } from '../../test/tools.ts'
import { SILENT_SECONDS } from '../boards/alert-rules.ts'
import { allBoards } from '../boards/all.ts'
import { openEmptyStore } from '../boards/demo.fixtures.ts'
import { BOARDS } from '../boards/links.ts'
import { allVariablesOf, panelsOf, promqlOf } from '../boards/read.fixtures.ts'

/** Seconds on a quiet machine: promtool evaluates every rule thousands of times. */
vi.setConfig({ testTimeout: 160_000 })

const HERE = fileURLToPath(new URL('.', import.meta.url))
const RULES = join(HERE, 'andon.rules.yml')
const RULE_TESTS = ['andon.rules.test.yml', 'andon.days.test.yml'].map((file) => join(HERE, file))
const promtool = (...args: string[]) => spawnSync('promtool', args, { cwd: HERE, encoding: 'utf8', timeout: 150_000 })
const canRun = haveTools(runs('promtool') ? [] : ['promtool'], {
  packages: 'prometheus',
  unchecked: 'the Prometheus rules and the PromQL of the boards are NOT checked',
})

type Rule = {
  alert?: string
  record?: string
  expr: string
  labels?: { severity?: string }
  annotations?: Record<string, string>
}
const rules = (parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)
const panelExprs = Object.values(allBoards()).flatMap((board) => promqlOf(board).map(({ expr }) => expr))

/** Metrics of `andon serve` in one process, and of a process that runs every role over Kafka. */
let known: Readonly<{ monitor: Set<string>; roles: Set<string> }>
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-rules-'))
  const empty = await openEmptyStore()
  const ready = async () => true
  const namesIn = async (registry: Registry): Promise<Set<string>> => {
    const watched = { registry, incidents: () => [] }
    createClockMetrics(watched)
    createIncidentMetrics(watched)
    createDrillMetrics({ registry, store: empty.store, log: silentLog })
    createLastAcceptedMetric({ registry, store: empty.store, log: silentLog })
    await heartbeat({
      url: 'http://127.0.0.1:9/',
      config: configSchema.parse({}),
      log: silentLog,
      registry,
      isHealthy: ready,
      signal: AbortSignal.abort(),
    })
    await registry.metrics()
    return new Set(
      registry.getMetricsAsArray().flatMap(({ name }) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]),
    )
  }
  const monitor = createMetrics({ views: () => [], waitingRows: () => 0, lagSeconds: () => 0, ready })
  const roles = createRoleMetrics({
    members: () => new Map(),
    pipeline: 'andon-pipeline',
    lanes: 'andon-lanes',
    ready,
  })
  known = { monitor: await namesIn(monitor.registry), roles: await namesIn(roles.registry) }
  await empty.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.runIf(canRun)('rules and configuration are what Prometheus takes', () => {
  for (const args of [
    ['check', 'rules', RULES],
    ['check', 'config', join(HERE, 'prometheus.yml')],
  ]) {
    const { status, stdout, stderr } = promtool(...args)
    expect(status, `${stdout}${stderr}`).toBe(0)
  }
})

test.runIf(canRun)('every alert fires when it should and keeps quiet when it should', () => {
  const { status, stdout, stderr } = promtool('test', 'rules', ...RULE_TESTS)
  expect(status, `${stdout}${stderr}`).toBe(0)
})

test('every alert has a test that sees it fire', () => {
  const tested = RULE_TESTS.map((file) => readFileSync(file, 'utf8')).join('\n')
  for (const { alert } of rules)
    if (alert) expect(tested, alert).toContain(`alertname: ${alert}\n        exp_alerts:\n          -`)
})

test.runIf(canRun)('every query of Prometheus on the boards parses', () => {
  const file = join(folder, 'panels.yml')
  expect(panelExprs.join('\n')).not.toContain('$')
  const group = { name: 'panels', rules: panelExprs.map((expr, index) => ({ record: `panel_${index}`, expr })) }
  writeFileSync(file, stringify({ groups: [group] }))
  const { status, stdout, stderr } = promtool('check', 'rules', file)
  expect(status, `${stdout}${stderr}`).toBe(0)
})

/** What is counted in rows by one process, and in records over Kafka. */
const OF_ONE_KIND = {
  monitor: ['andon_waiting_rows'],
  roles: [
    'andon_bus_lag_records',
    'andon_bus_lost_records_total',
    'andon_dead_letters_total',
    'andon_lanes_led',
    'andon_role_active',
    'andon_role_failures_total',
  ],
} as const

test('rules and boards read metrics that one process and roles over Kafka both have, and each of those that only one of them has', () => {
  const recorded = new Set(rules.flatMap(({ record }) => (record ? [record] : [])))
  const variables = Object.values(allBoards()).flatMap((board) =>
    allVariablesOf(board).map(({ query }) => JSON.stringify(query ?? '')),
  )
  const texts = [
    ...rules.map(({ expr }) => expr),
    ...panelExprs,
    ...variables.filter((text) => text.includes('label_values')),
  ]
  expect(panelExprs.length).toBeGreaterThan(12)
  const read = new Set(
    texts.flatMap((text) =>
      [...text.matchAll(/\b(?:andon(?::[a-z0-9_]+)+|andon_[a-z0-9_]+|nodejs_[a-z0-9_]+|process_[a-z0-9_]+)\b/g)].map(
        ([name]) => name,
      ),
    ),
  )
  const missing = (names: Set<string>) => [...read].filter((name) => !names.has(name) && !recorded.has(name)).sort()
  expect(missing(known.monitor)).toEqual(OF_ONE_KIND.roles)
  expect(missing(known.roles)).toEqual(OF_ONE_KIND.monitor)
})

test('every alert links its runbook, and a board that is there, under addresses that whoever runs Prometheus gives', () => {
  const boards = Object.values(BOARDS).map(({ uid }) => uid)
  for (const { alert, annotations = {} } of rules) {
    if (!alert) continue
    expect(annotations.runbook_url, alert).toMatch(/^\{\{ \$externalLabels\.andon_docs \}\}\/runbooks\//)
    const board = /^\{\{ \$externalLabels\.andon_boards \}\}\/d\/([a-z-]+)(?:\?|$)/.exec(
      annotations.dashboard_url ?? '',
    )
    expect(boards, alert).toContain(board?.[1])
  }
  for (const file of [join(HERE, 'prometheus.yml'), join(HERE, '../../deploy/prometheus.yml')]) {
    const { global } = parse(readFileSync(file, 'utf8')) as { global: { external_labels: object } }
    expect(Object.keys(global.external_labels).sort(), file).toEqual(['andon_boards', 'andon_docs'])
  }
})

test('silence is as long in the rules of Prometheus as in those of Grafana', () => {
  const rules = readFileSync(new URL('andon.rules.yml', import.meta.url), 'utf8')
  expect(rules).toContain(`(andon_last_accepted_timestamp_seconds) > ${SILENT_SECONDS})`)
})

test('lag is an alert from where the monitor is not ready and the board is red', () => {
  const lag = rules.find(({ alert }) => alert === 'AndonIngestLag')!
  expect(lag.expr).toBe(`andon_ingest_lag_seconds >= ${STALLED_MS / 1000}`)
  const red = panelsOf(allBoards()['andon-monitor.json']!)
    .filter(({ title }) => title.startsWith('Lag'))
    .map(({ fieldConfig }) => (fieldConfig!.defaults.thresholds as { steps: { value: number }[] }).steps.at(-1)!.value)
  expect(red).toEqual([STALLED_MS / 1000, STALLED_MS / 1000])
})

test('an alert pages, is a ticket, or beats the heart: nothing else', () => {
  for (const rule of rules)
    if (rule.alert) expect(['page', 'ticket', 'none'], rule.alert).toContain(rule.labels?.severity)
})
