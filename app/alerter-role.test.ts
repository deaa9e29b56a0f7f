import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aFinding } from '../alerts/fixtures.ts'
import { heardIn } from '../alerts/pull.ts'
import { holderOf } from '../api/stop-switch.ts'
import { createMemoryBus } from '../bus/memory.ts'
import { configSchema } from '../config.ts'
import { wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { openStore } from '../store/store.clickhouse.ts'
import { leadAlerter } from './alerter-role.ts'
import { ensureTopics } from './open.ts'
import { createRoleMetrics } from './role-metrics.ts'
import type { Shared } from './roles.ts'
import { listenToAnswers } from './stop-switch.ts'
import { storedIncidents } from './stored-overview.clickhouse.ts'

let folder: string
let store: ClickHouseClient
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-alerter-'))
  store = await openStore({ kind: 'embedded', path: folder })
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

test('whichever process answers the stop switch, the active alerter journals the acceptance: once, and only for agents that obey', async () => {
  const config = configSchema.parse({
    kafka: { brokers: ['kafka:9092'] },
    api: { tokens: [{ name: 'agents', role: 'read', secret: { env: 'AGENTS' } }] },
    stopSwitch: { enforcedBy: [{ token: 'agents' }] },
  })
  const kafka = config.kafka!
  const bus = createMemoryBus({ log: silentLog })
  await ensureTopics(bus, kafka)
  const shared: Shared = {
    ...{ config, kafka, bus, store, env: {}, log: silentLog, pageUrl: undefined },
    namer: undefined as never, // nothing is named here
    metrics: createRoleMetrics({
      members: () => new Map(),
      pipeline: 'andon-pipeline',
      lanes: 'andon-lanes',
      ready: async () => true,
    }),
    active: { alerting: null },
    instance: 'here',
    elsewhere: undefined as never, // nobody asks
    drills: null,
  }
  const member = await bus.lead(leadAlerter(shared))
  const send = (topic: string, value: unknown) => bus.send(topic, [{ value: Buffer.from(JSON.stringify(value)) }])
  const incident = async () => (await storedIncidents(store))[0]
  const finding = aFinding()
  const nowMs = wallClock.nowMs()
  await store.insert({
    table: 'deltas',
    values: [{ seq: 1, measure: 'contacts', ...finding.release, minute: Math.floor(nowMs / 1000), n: 1 }],
    format: 'JSONEachRow',
  })
  await bus.send(kafka.topics.findings, [{ value: Buffer.from('{ no JSON') }]) // is passed over
  await send(kafka.topics.findings, { ...finding, decidedAtMs: nowMs })
  await expect.poll(async () => (await incident())?.state, { timeout: 10_000 }).toBe('pausing')

  // Two processes answer from the tables, a board asks as well, and agents ask again and again.
  const processes = [1, 2].map(() =>
    listenToAnswers({
      pullers: config.stopSwitch.enforcedBy,
      hear: (heard) => send(kafka.topics.answers, heard),
      clock: wallClock,
      log: silentLog,
    }),
  )
  const incidents = await storedIncidents(store)
  const answer = { asked: finding.release, holder: holderOf(incidents, finding.release), incidents }
  for (const told of processes) for (const token of ['grafana', 'agents', 'agents', '']) told({ ...answer, token })
  await expect.poll(async () => (await incident())?.state, { timeout: 10_000 }).toBe('paused')
  expect(await bus.bounds(kafka.topics.answers)).toEqual([{ partition: 0, first: 0, next: 2 }])
  expect(await incident()).toMatchObject({ acceptedBy: ['stop switch (agents)'] })
  expect(
    heardIn(
      { ...answer, token: 'agents', incidents: await storedIncidents(store), holder: (await incident())! },
      config.stopSwitch.enforcedBy,
    ),
  ).toEqual([])
  await member.close()
  await bus.close()
})
