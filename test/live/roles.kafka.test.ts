import { hostname } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listDeadLetters, replayDeadLetters } from '../../app/dead-letters.ts'
import { wallClock } from '../../lib/clock.ts'
import { rowsOf } from '../../store/store.clickhouse.ts'
import { traceRequest } from '../fixtures/otlp.ts'
import { hasKafka } from './kafka/broker.ts'
import { chaos } from './kafka/chaos.ts'
import { type Cluster, startCluster } from './kafka/cluster.ts'

/** The short form; `node bench/chaos-kafka.ts` is the long one, its result stands in docs/benchmarks/kafka.md. */
describe.skipIf(!hasKafka())('roles over Kafka', { timeout: 240_000 }, () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
  }, 400_000)
  afterAll(() => cluster?.close())

  test('killed or stopped, the active process is replaced: nothing acknowledged is lost, nothing counts twice, one pause', async () => {
    const result = await chaos(cluster, { faults: ['kill', 'stop'], seed: 3 })
    expect(result).toMatchObject({ lost: 0, countedTwice: 0, webhookIds: 1, incidents: 1 })
    expect(result.acknowledged).toBeGreaterThan(200)
    for (const takeoverMs of result.takeoverMs) expect(takeoverMs).toBeLessThan(15_000)
  })

  test('poison becomes a dead letter with its reason, what is around it is counted, and a replay sends it again', async () => {
    const space = await cluster.space()
    await space.start('pipeline')
    const contact = (conversation: string) => ({
      conversation,
      agent: 'agent',
      release: 'r1',
      startedAtMs: wallClock.nowMs(),
    })
    const json = (conversation: string) => Buffer.from(JSON.stringify(traceRequest([contact(conversation)])))
    await cluster.bus.send(space.topics.spans, [
      { value: json('before') },
      { value: Buffer.from('{ "resourceSpans": [') },
      { value: Buffer.from([0x0a, 0xff, 0xff]), headers: { tenant: 'a' } },
      { value: json('after') },
    ])
    const contacts = async () => {
      const sum = "SELECT sum(deltas.n) AS n FROM deltas WHERE signal = '' AND measure = 'contacts'"
      return (await rowsOf<{ n: number }>(space.store, sum).catch(() => []))[0]?.n
    }
    await expect.poll(contacts, { timeout: 30_000 }).toBe(2)
    const letters = await listDeadLetters(cluster.bus, space.kafka)
    expect(letters).toHaveLength(2)
    expect(letters.map(({ topic }) => topic)).toEqual([space.topics.spans, space.topics.spans])
    for (const { reason } of letters) expect(reason).not.toBe('')
    expect(await replayDeadLetters(cluster.bus, space.kafka)).toBe(2)
    await expect
      .poll(async () => (await listDeadLetters(cluster.bus, space.kafka)).length, { timeout: 30_000, interval: 1_000 })
      .toBe(2) // still poison, so both are back
    await space.close()
  })

  test('roles in processes of their own: people decide over the API of the alerter, evidence starts anew in the detector, a drill passes through all, an answer of the stop switch is the acceptance', async () => {
    const token = 'a-token-of-these-tests-long-enough'
    process.env.OPERATE = token
    process.env.AGENTS = 'a-token-of-agents-that-obey-long-enough'
    const space = await cluster.space({
      triggers: [{ name: 'failed_updates', signal: 'failed_updates', baseline: 0.02, action: 'notify' }],
      api: {
        tokens: [
          { name: 'on-call', role: 'operate', secret: { env: 'OPERATE' } },
          { name: 'agents', role: 'read', secret: { env: 'AGENTS' } },
        ],
      },
      stopSwitch: { enforcedBy: [{ token: 'agents' }] },
      drill: { stopWithinSeconds: 0 },
    })
    const started = await Promise.all([
      space.start('collector', 'alerter'),
      space.start('detector'),
      space.start('pipeline'),
    ])
    const [instance, detecting] = started
    const bad = Array.from({ length: 300 }, (_, i) => ({
      conversation: `bad-${i}`,
      agent: 'agent',
      release: 'bad',
      startedAtMs: wallClock.nowMs(),
      writes: [i % 3 === 0 ? ('failed' as const) : ('ok' as const)],
    }))
    await cluster.bus.send(space.topics.spans, [{ value: Buffer.from(JSON.stringify(traceRequest(bad))) }])
    const ids = async () => {
      const sql = 'SELECT DISTINCT incident_id AS id FROM incident_events'
      return (await rowsOf<{ id: string }>(space.store, sql).catch(() => [])).map((row) => row.id)
    }
    await expect.poll(async () => (await ids()).length, { timeout: 40_000 }).toBe(1)
    const [id] = await ids()
    const ask = async (url: string, bearer: string, body: object) => {
      const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
      return `${answer.status} ${await answer.text()}`
    }
    const post = (path: string, body: object, { page } = instance) =>
      ask(`${page}/api/v1/${path}`, token, { by: 'somebody on call', ...body })
    // Who does not decide says who does.
    const refused = await post(`incidents/${id}/acknowledge`, { reason: 'looking at it' }, detecting)
    expect(refused).toMatch(/^503 /)
    expect(refused).toContain(`${hostname()} (process ${instance.process.pid}): ask that one`)
    expect(await post(`incidents/${id}/acknowledge`, { reason: 'looking at it' })).toMatch(/^200 /)
    const linesOf = (type: string) =>
      rowsOf<{ body: string }>(space.store, 'SELECT body FROM incident_events WHERE type = {type:String}', { type })
    expect(await linesOf('acknowledged')).toHaveLength(1)
    expect(await post('drills', {})).toMatch(/^202 /)
    // The detector of another process is asked to start the evidence anew, and answers.
    const verdict = { reason: 'the shop was closed', verdict: 'false_alarm' }
    expect(await post(`incidents/${id}/close`, verdict)).toMatch(/^200 /)
    await expect.poll(async () => (await linesOf('evidence_restarted')).length, { timeout: 20_000 }).toBe(1)
    const [restarted] = await linesOf('evidence_restarted')
    expect(JSON.parse(restarted!.body)).toMatchObject({ restarts: [{ trigger: 'failed_updates', overrides: 1 }] })
    // The drill went through all of them: in by the collector, found by the detector, paused by the alerter.
    const drills = () => rowsOf<{ passed: number; reason: string }>(space.store, 'SELECT passed, reason FROM drills')
    await expect.poll(drills, { timeout: 60_000 }).toMatchObject([{ passed: 1 }])
    expect(await ids()).toEqual([id])
    // What rules and boards read: every process is ready, each group has one active member, and all with a store know when telemetry last came.
    const pages = await Promise.all(
      started.map(async ({ page }) =>
        (await fetch(`${page}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text(),
      ),
    )
    const samples = (name: string) =>
      pages.flatMap((text) =>
        [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, 'gm'))].map(([, n]) => Number(n)),
      )
    expect(samples('andon_up')).toEqual([1, 1, 1])
    expect(samples('andon_role_active')).toEqual([1, 1, 1])
    const last = samples('andon_last_accepted_timestamp_seconds')
    expect(last).toHaveLength(3)
    for (const seconds of last) expect(Math.abs(wallClock.nowMs() / 1000 - seconds)).toBeLessThan(120)
    // An agent is told to stop by the process that detects; the one that alerts journals that it was.
    const held = { environment: 'production', agent: 'agent', release: 'bad' }
    expect(await post('releases/pause', { ...held, reason: 'to be sure' })).toMatch(/^200 /)
    const evaluated = () =>
      ask(`${detecting.page}/ofrep/v1/evaluate/flags/andon.serving`, process.env.AGENTS!, { context: held })
    await expect.poll(evaluated, { timeout: 20_000 }).toContain('"stopped"')
    await expect.poll(async () => (await linesOf('accepted')).length, { timeout: 20_000 }).toBe(1)
    const [accepted] = await linesOf('accepted')
    expect(JSON.parse(accepted!.body)).toMatchObject({ target: 'stop switch (agents)', asked: 'agents' })
    await space.close()
  })
})
