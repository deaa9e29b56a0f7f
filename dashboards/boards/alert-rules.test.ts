import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { aFinding } from '../../alerts/fixtures.ts'
import type { IncidentEventBody } from '../../facts/incident.ts'
import { wallClock } from '../../lib/clock.ts'
import { openDocuments } from '../documents.ts'
import { ALERT_RULES, alertRuleFile, PROVISIONED, RANGE_SECONDS } from './alert-rules.ts'
import { allBoards } from './all.ts'
import { openEmptyStore } from './demo.fixtures.ts'
import { frameOf, isNumber, isText } from './frame.fixtures.ts'
import { panelsOf } from './read.fixtures.ts'
import { serverHalf } from './server-macros.fixtures.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const document = (path: string): string => readFileSync(new URL(`../../docs/${path}`, import.meta.url), 'utf8')
const nowMs = Math.floor(wallClock.nowMs())

let empty: Awaited<ReturnType<typeof openEmptyStore>>
beforeAll(async () => {
  empty = await openEmptyStore()
})
afterAll(() => empty.close())

const firingOf = async (uid: string) => {
  const rule = ALERT_RULES.find((one) => one.uid === uid)!
  const range = { fromMs: nowMs - RANGE_SECONDS * 1_000, toMs: nowMs + 1_000, intervalMs: 60_000 }
  const { columns, rows } = await frameOf(empty.store, serverHalf(rule.rawSql, range))
  const numbers = columns.filter(({ type }) => isNumber(type))
  expect(numbers, `${uid}: Grafana takes one number per row`).toHaveLength(1)
  expect(columns.filter(({ type }) => isText(type)).length + 1, `${uid}: the other columns are labels`).toBe(
    columns.length,
  )
  return rows
    .filter((row) => Number(row[numbers[0]!.name]) > 0)
    .map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== numbers[0]!.name)))
}

let version = 0
const journal = (event: IncidentEventBody, id = 'i1', atMs = nowMs - 60_000) =>
  empty.store.insert({
    table: 'incident_events',
    values: [
      {
        incident_id: id,
        version: ++version,
        at_ms: atMs + version,
        type: event.type,
        body: JSON.stringify(event),
      },
    ],
    format: 'JSONEachRow',
  })
const release = { environment: 'production', agent: 'order-status', release: "r43 o'brien \\" }

test('on an empty store it is told that nothing is counted; no other rule fires and none fails', async () => {
  for (const { uid } of ALERT_RULES)
    expect(await firingOf(uid), uid).toEqual(uid === 'andon-nothing-counted' ? [{}] : [])
})

test('a pause is one alert from its order to its drain, with the release and not its state as labels', async () => {
  const finding = aFinding({ release, decidedAtMs: nowMs - 60_000 })
  await journal({ type: 'opened', finding, reason: 'first_breach', pause: true })
  expect(await firingOf('andon-release-paused')).toEqual([release])
  expect(await firingOf('andon-pause-not-accepted')).toEqual([release])
  expect(await firingOf('andon-release-not-drained')).toEqual([])

  await journal({ type: 'accepted', target: 'platform', enforces: true })
  expect(await firingOf('andon-release-paused')).toEqual([release])
  expect(await firingOf('andon-pause-not-accepted')).toEqual([])
  expect(await firingOf('andon-release-not-drained')).toEqual([release])

  const counts = { contactsAfterPause: 0, writesAfterPause: 0 }
  await journal({ type: 'stopped', stoppedAtMs: nowMs - 1_000, ...counts })
  expect(await firingOf('andon-release-paused')).toEqual([release])
  await journal({ type: 'drained', drainedAtMs: nowMs, ...counts })
  expect(await firingOf('andon-release-paused')).toEqual([])
  expect(await firingOf('andon-release-not-drained')).toEqual([])
})

test('a release that is paused and not drained fires for as long as that lasts', async () => {
  const atMs = nowMs - 30 * 86_400_000
  const other = { ...release, release: 'long-ago' }
  await journal(
    { type: 'opened', finding: aFinding({ release: other, decidedAtMs: atMs }), reason: 'first_breach', pause: true },
    'i2',
    atMs,
  )
  await journal({ type: 'accepted', target: 'platform', enforces: true }, 'i2', atMs)
  expect(await firingOf('andon-release-paused')).toEqual([other])
  expect(await firingOf('andon-release-not-drained')).toEqual([other])
  await journal({ type: 'drained', drainedAtMs: nowMs, contactsAfterPause: 0, writesAfterPause: 0 }, 'i2', atMs)
  expect(await firingOf('andon-release-not-drained')).toEqual([])
})

test('a failed drill fires until one has passed', async () => {
  const drill = (drill_id: string, startedMs: number, passed: number) =>
    empty.store.insert({
      table: 'drills',
      values: [
        {
          drill_id,
          agent: 'order-status',
          signal: 'failed_updates',
          started_at: startedMs,
          onset_at: startedMs,
          ended_at: startedMs,
          passed,
        },
      ],
      format: 'JSONEachRow',
    })
  await drill('d0', nowMs - 31 * 86_400_000, 0)
  expect(await firingOf('andon-drill-failed'), 'nobody drills it any more').toEqual([])
  await drill('d1', nowMs - 20 * 86_400_000, 0)
  expect(await firingOf('andon-drill-failed')).toEqual([{ agent: 'order-status' }])
  await drill('d2', nowMs - 3_600_000, 1)
  expect(await firingOf('andon-drill-failed')).toEqual([])
})

test('silence fires when batches stopped coming, however long ago', async () => {
  const batch = (seq: number, acceptedMs: number) =>
    empty.store.insert({
      table: 'batches',
      values: [{ seq, clock_at: acceptedMs, accepted_at: acceptedMs }],
      format: 'JSONEachRow',
    })
  await batch(1, nowMs - 30 * 86_400_000)
  expect(await firingOf('andon-nothing-counted')).toEqual([{}])
  await batch(2, nowMs - 20 * 60_000)
  expect(await firingOf('andon-nothing-counted')).toEqual([{}])
  await batch(3, nowMs - 60_000)
  expect(await firingOf('andon-nothing-counted')).toEqual([])
})

test('what a query without rows means is said: silence is an alert, no incident and no drill is none', () => {
  const states = alertRuleFile().groups[0]!.rules.map(({ uid, noDataState }) => [uid, noDataState])
  expect(Object.fromEntries(states)).toEqual({
    'andon-release-paused': 'OK',
    'andon-pause-not-accepted': 'OK',
    'andon-release-not-drained': 'OK',
    'andon-drill-failed': 'OK',
    'andon-nothing-counted': 'Alerting',
  })
})

test('every rule links the panel that shows it, in the annotations and keys that Grafana reads', () => {
  const linked = alertRuleFile().groups[0]!.rules.map(({ uid, dashboardUid, panelId, annotations }) => {
    expect(annotations).toMatchObject({ __dashboardUid__: dashboardUid, __panelId__: String(panelId) })
    const panel = panelsOf(allBoards()[`${dashboardUid}.json`]!).find(({ id }) => id === panelId)
    return [uid, `${dashboardUid}: ${panel?.title}`]
  })
  const incidents = 'andon-on-call: Incidents and what to do next'
  expect(Object.fromEntries(linked)).toEqual({
    'andon-release-paused': incidents,
    'andon-pause-not-accepted': 'andon-on-call: How the order travelled',
    'andon-release-not-drained': 'andon-on-call: The clock of each incident',
    'andon-drill-failed': 'andon-monitor: Drills',
    'andon-nothing-counted': 'andon-monitor: Rows per batch',
  })
})

test('every rule names a runbook that the page of the monitor serves, down to its section', () => {
  const documents = openDocuments()
  const links = [
    ...ALERT_RULES.map(({ runbook }) => runbook),
    ...[...read('prometheus/andon.rules.yml').matchAll(/andon_docs \}\}\/(\S+?)["']/g)].map((match) => match[1]!),
  ]
  expect(links.length).toBeGreaterThan(15)
  for (const link of links) {
    const [path, section] = link.split('#')
    const html = documents(`/docs/${path}`)?.body.toString('utf8')
    expect(html, link).toContain(section ? ` id="${section}"` : '<h1')
  }
})

test('provisioning names what it brings, and takes every address and secret from the environment', () => {
  const sources = parse(read('provisioning/datasources/andon.yaml')) as { datasources: { uid: string; type: string }[] }
  const contacts = parse(read('provisioning/alerting/andon-contact-points.yaml')) as {
    contactPoints: { name: string }[]
  }
  const rules = parse(read('provisioning/alerting/andon-rules.yaml')) as {
    groups: {
      rules: {
        uid: string
        title: string
        data: { datasourceUid: string }[]
        notification_settings: { receiver: string }
      }[]
    }[]
  }
  expect(sources.datasources.map(({ uid, type }) => [uid, type])).toEqual([
    [PROVISIONED.clickhouse, 'grafana-clickhouse-datasource'],
    ['andon-prometheus', 'prometheus'],
  ])
  const all = rules.groups.flatMap((group) => group.rules)
  expect(new Set(all.map(({ uid }) => uid)).size).toBe(all.length)
  expect(new Set(all.map(({ title }) => title)).size).toBe(all.length)
  for (const rule of all) {
    expect(rule.uid).toMatch(/^[a-zA-Z0-9_-]{1,40}$/)
    expect(contacts.contactPoints.map(({ name }) => name)).toContain(rule.notification_settings.receiver)
    for (const { datasourceUid } of rule.data) expect([PROVISIONED.clickhouse, '__expr__']).toContain(datasourceUid)
  }
  const files = ['datasources/andon.yaml', 'alerting/andon-contact-points.yaml', 'alerting/andon-rules.yaml']
  const used = new Set(
    files.flatMap((file) => [...read(`provisioning/${file}`).matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]!)),
  )
  const page = document('grafana.md')
  for (const name of used) expect(page, `docs/grafana.md explains ${name}`).toContain(`\`${name}\``)
  for (const file of files)
    for (const [, key, value] of read(`provisioning/${file}`).matchAll(/^\s*(password|secret|url|host): (.*)$/gm))
      expect(value, `${file} ${key}`).toMatch(/^\$\{ANDON_\w+\}$/)
  for (const rule of all) expect(JSON.stringify(rule).replace(/\$\{ANDON_DOCS_URL\}|\$__\w+/g, '')).not.toContain('$')
})
