import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { createClockMetrics } from '../../alerts/clock-metrics.ts'
import { createIncidentMetrics } from '../../alerts/incident-metrics.ts'
import { createDrillMetrics } from '../../app/drill-metrics.clickhouse.ts'
import { heartbeat } from '../../app/heartbeat.ts'
import { createMetrics } from '../../app/metrics.ts'
import { configSchema } from '../../config.ts'
import { silentLog } from '../../lib/log.ts'
import { allBoards } from '../boards/all.ts'
import { openEmptyStore } from '../boards/demo.fixtures.ts'
import { allVariablesOf, panelsOf } from '../boards/read.fixtures.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const RULES = join(HERE, 'andon.rules.yml')
const RULE_TESTS = ['andon.rules.test.yml', 'andon.drills.test.yml'].map((file) => join(HERE, file))
const promtool = (...args: string[]) => spawnSync('promtool', args, { cwd: HERE, encoding: 'utf8', timeout: 50_000 })
const canRun = promtool('--version').status === 0
if (!canRun)
  console.warn(
    'SKIPPED: promtool is not installed, so the Prometheus rules and the PromQL of the boards were not checked (apt-get install prometheus)',
  )

type Rule = { alert?: string; record?: string; expr: string; labels?: { severity?: string } }
const rules = (parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)
const panelExprs = Object.values(allBoards()).flatMap((board) =>
  panelsOf(board).flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => (expr === undefined ? [] : [expr]))),
)

let folder: string
let known: Set<string>
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-rules-'))
  const empty = await openEmptyStore()
  const metrics = createMetrics({ views: () => [], waitingRows: () => 0, lagSeconds: () => 0, ready: () => true })
  const watched = { registry: metrics.registry as Registry, incidents: () => [] }
  createClockMetrics(watched)
  createIncidentMetrics(watched)
  createDrillMetrics({ registry: metrics.registry, store: empty.store, log: silentLog })
  await heartbeat({
    url: 'http://127.0.0.1:9/',
    config: configSchema.parse({}),
    log: silentLog,
    registry: metrics.registry,
    isHealthy: async () => true,
    signal: AbortSignal.abort(),
  })
  known = new Set(
    metrics.registry
      .getMetricsAsArray()
      .flatMap(({ name }) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]),
  )
  await metrics.registry.metrics()
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
  const filled = panelExprs.map((expr) =>
    expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '6h').replaceAll('$instance', '(a|b)'),
  )
  expect(filled.join('\n')).not.toContain('$')
  const group = { name: 'panels', rules: filled.map((expr, index) => ({ record: `panel_${index}`, expr })) }
  writeFileSync(file, stringify({ groups: [group] }))
  const { status, stdout, stderr } = promtool('check', 'rules', file)
  expect(status, `${stdout}${stderr}`).toBe(0)
})

test('rules and boards read metrics that the monitor has', () => {
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
  for (const text of texts)
    for (const [name] of text.matchAll(
      /\b(?:andon(?::[a-z0-9_]+)+|andon_[a-z0-9_]+|nodejs_[a-z0-9_]+|process_[a-z0-9_]+)\b/g,
    ))
      expect(known.has(name) || recorded.has(name), `${name} in ${text}`).toBe(true)
})

test('an alert pages, is a ticket, or beats the heart: nothing else', () => {
  for (const rule of rules)
    if (rule.alert) expect(['page', 'ticket', 'none'], rule.alert).toContain(rule.labels?.severity)
})
