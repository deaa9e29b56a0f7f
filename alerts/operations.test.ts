import { expect, test } from 'vitest'
import type { ByPerson, Scope } from '../facts/incident.ts'
import {
  aFinding,
  aPager,
  aTarget,
  createWorld,
  drainMicrotasks,
  HOUR,
  MINUTE,
  quietActivity,
  SECOND,
  START_MS,
} from './fixtures.ts'
import type { IncidentCommand, ReleaseCommand, Ruling } from './operate.ts'

const ada: ByPerson = { by: 'Ada', reason: 'the CRM was down, not the agent' }
const recovered = { allowed: true, reason: 'recovery_complete', detail: 'all 3 items are dealt with' }
const release = aFinding().release
const whatsapp: Scope = { channel: 'whatsapp', queue: '' }
const voice: Scope = { channel: 'voice', queue: '' }

/** A command without its name and reason, which Ada gives. */
type Unsigned<T> = T extends ByPerson ? Omit<T, 'by' | 'reason'> : never

const worldWith = (options: Parameters<typeof createWorld>[0] = {}) => {
  const world = createWorld({
    targets: [aTarget({ on: ['pause', 'rollback', 'resume'] }), aPager({ kind: 'pagerduty' })],
    ...options,
  })
  const decide = (command: Unsigned<IncidentCommand>): Promise<Ruling | null> =>
    world.alerter.decideOn(world.alerter.incidents().at(-1)!.incidentId, { ...command, ...ada } as IncidentCommand)
  const order = (scope: readonly Scope[] = [], change: Partial<ReleaseCommand> = {}): Promise<Ruling> =>
    world.alerter.order({ does: 'pause', release, scope, trafficGoesTo: 'people', ...ada, ...change })
  const ids = () => [
    ...new Set(
      world.received.filter(({ target }) => target === 'platform').map(({ id }) => id.slice(id.indexOf('-') + 1)),
    ),
  ]
  return { ...world, decide, order, ids, bodies: () => world.received.map(({ body }) => JSON.parse(body)) }
}

const paused = async (options: Parameters<typeof createWorld>[0] = {}) => {
  const world = worldWith(options)
  await world.alerter.handle(aFinding())
  await world.run(2 * SECOND)
  expect(world.incident()!.state).toBe('paused')
  return world
}

test('an override resumes the release by a signed webhook, and its evidence starts anew', async () => {
  const world = await paused()
  expect(await world.decide({ does: 'override' })).toMatchObject({ does: 'record' })
  await world.run(2 * SECOND)

  expect(world.incident()).toMatchObject({
    state: 'resumed',
    resumed: { ...ada, how: 'overridden', atMs: START_MS + 2 * SECOND, acceptedMs: START_MS + 2 * SECOND },
    restarts: [{ trigger: 'failed_updates', overrides: 1, alphaNext: 0.005 }],
  })
  expect(world.ids()).toEqual(['pause', 'resume'])
  expect(world.restarted).toEqual(['r43 failed_updates'])
  const resume = world.bodies().find(({ type }) => type === 'andon.release.resume')
  expect(resume.data).toMatchObject({ release, person: ada, scope: null })
  expect(
    world
      .bodies()
      .filter(({ event_action }) => event_action)
      .map(({ event_action }) => event_action),
  ).toEqual(['trigger', 'resolve'])
})

test('a resume waits for recovery, or for somebody who waives it', async () => {
  const world = await paused()
  const recovery = { allowed: false, reason: 'recovery_open', detail: 'still open: 2 records' }
  expect(await world.decide({ does: 'resume', recovery })).toMatchObject({
    does: 'refuse',
    reason: 'recovery_open',
    detail: expect.stringContaining('2 records'),
  })
  expect(world.incident()!.state).toBe('paused')
  expect(await world.decide({ does: 'resume', recovery: recovered })).toMatchObject({ does: 'record' })
  await world.run(SECOND)
  expect(world.incident()!.state).toBe('resumed')
})

test.each<[string, Partial<ByPerson>, string]>([
  ['without a name', { by: ' ' }, 'no_name'],
  ['without a reason', { reason: '' }, 'no_reason'],
  ['with a reason as long as a book', { reason: 'x'.repeat(2001) }, 'bad_value'],
])('%s nobody decides', async (_, change, reason) => {
  const world = await paused()
  const { incidentId } = world.incident()!
  expect(await world.alerter.decideOn(incidentId, { does: 'override', ...ada, ...change })).toMatchObject({
    does: 'refuse',
    reason,
  })
  expect(await world.order([], change)).toMatchObject({ does: 'refuse', reason })
  expect(world.types()).not.toContain('overridden')
})

test('the same decision again changes nothing and says who took it', async () => {
  const world = await paused()
  await world.decide({ does: 'acknowledge' })
  expect(await world.decide({ does: 'acknowledge' })).toMatchObject({
    does: 'stands',
    detail: 'Ada has acknowledged it',
  })
  expect(await world.order()).toMatchObject({ does: 'stands' })
  await world.decide({ does: 'override' })
  expect(await world.decide({ does: 'override' })).toMatchObject({ does: 'stands' })
  expect(await world.decide({ does: 'rollback' })).toMatchObject({ does: 'refuse', reason: 'illegal_transition' })
  expect(world.types().filter((type) => type === 'overridden')).toHaveLength(1)
})

test('an acknowledgement reaches the pager, and the time that it took is kept', async () => {
  const world = await paused()
  await world.run(90 * SECOND)
  await world.decide({ does: 'acknowledge' })
  await world.run(SECOND)
  expect(world.incident()!.acknowledged!.atMs - world.incident()!.openedAtMs).toBe(92 * SECOND)
  expect(world.bodies().at(-1)).toMatchObject({
    event_action: 'acknowledge',
    dedup_key: `andon-${world.incident()!.incidentId}`,
  })
})

test('while an incident is snoozed nobody is told again; afterwards what is still not obeyed is told at once', async () => {
  const world = worldWith()
  world.answers('platform', 503)
  await world.alerter.handle(aFinding())
  await world.decide({ does: 'snooze', forMs: 20 * MINUTE })
  await world.run(19 * MINUTE)
  expect(world.types()).not.toContain('escalated')
  await world.run(2 * MINUTE)
  expect(world.types()).toContain('escalated')
  expect(await world.decide({ does: 'snooze', forMs: 25 * HOUR })).toMatchObject({
    does: 'refuse',
    reason: 'bad_value',
  })
})

test('closing gives the verdict; a breach after it is a new incident, and the old one stays as it was', async () => {
  const world = await paused()
  expect(await world.decide({ does: 'close', verdict: 'confirmed', isRetired: false })).toMatchObject({
    does: 'refuse',
    reason: 'illegal_transition',
  })
  await world.decide({ does: 'override' })
  await world.run(SECOND)
  expect(await world.decide({ does: 'close', verdict: 'false_alarm', isRetired: false })).toMatchObject({
    does: 'record',
  })
  expect(world.incident()).toMatchObject({ state: 'closed', closed: { verdict: 'false_alarm', ...ada } })
  expect(await world.decide({ does: 'close', verdict: 'confirmed', isRetired: false })).toMatchObject({
    does: 'refuse',
  })

  await world.run(20 * MINUTE)
  world.telemetry((nowMs) => ({ ...quietActivity(nowMs), lastContactStartedAtMs: nowMs }))
  expect(await world.alerter.handle(aFinding())).toMatchObject({ does: 'nothing' }) // told again, as after a crash
  expect(await world.alerter.handle(aFinding({ seq: 99 }))).toMatchObject({ does: 'open', reason: 'first_breach' })
  const [first, second] = world.alerter.incidents()
  expect([first!.state, second!.state]).toEqual(['closed', 'pausing'])
  expect(first!.incidentId).not.toBe(second!.incidentId)
})

test('what only told people is closed as it is, and its evidence starts anew', async () => {
  const world = worldWith()
  await world.alerter.handle(aFinding({ action: 'notify' }))
  await world.run(SECOND)
  await world.decide({ does: 'close', verdict: 'confirmed', isRetired: false })
  await world.run(2 * SECOND)
  expect(world.incident()).toMatchObject({ state: 'closed', clock: { sentMs: null } })
  expect(world.restarted).toEqual(['r43 failed_updates'])
  expect(world.bodies().at(-1)).toMatchObject({ event_action: 'resolve' })
})

test('a person pulls the cord before any signal: observe-only and the pause budget are for triggers', async () => {
  const world = worldWith({ safety: { observeOnly: true, maxPauses: 0 } })
  expect(await world.order()).toMatchObject({ does: 'record' })
  await world.run(SECOND)
  expect(world.incident()).toMatchObject({
    state: 'paused',
    reason: 'by_person',
    orderedBy: ada,
    finding: { by: 'person' },
  })
  expect(world.bodies()[0]).toMatchObject({
    type: 'andon.release.pause',
    data: { person: ada, evidence: { falsePauseProbability: null } },
  })
  expect(await world.alerter.handle(aFinding())).toMatchObject({ does: 'join' })
})

test('pauses by people use up nothing of the budget of triggers', async () => {
  const world = worldWith()
  for (const agent of ['a', 'b', 'c']) await world.order([], { release: { ...release, agent } })
  expect(await world.alerter.handle(aFinding())).toMatchObject({ does: 'open', reason: 'first_breach' })
})

test('one channel is stopped alone, another joins it, and a breach of the release stops the rest under a new id', async () => {
  const world = worldWith()
  await world.order([whatsapp])
  await world.run(SECOND)
  expect(world.incident()).toMatchObject({ state: 'paused', scope: [whatsapp] })
  expect(await world.order([{ channel: 'whatsapp', queue: 'orders' }])).toMatchObject({ does: 'stands' })
  await world.order([voice])
  await world.run(SECOND)
  expect(world.incident()).toMatchObject({ state: 'paused', scope: [whatsapp, voice] })
  expect(await world.alerter.handle(aFinding())).toMatchObject({ does: 'promote', reason: 'first_breach' })
  await world.run(SECOND)
  expect(world.incident()).toMatchObject({ state: 'paused', scope: [], reason: 'first_breach' })
  expect(world.alerter.incidents()).toHaveLength(1)
  expect(world.ids()).toEqual([
    expect.stringMatching(/^pause-[0-9a-f]{8}$/),
    expect.stringMatching(/^pause-[0-9a-f]{8}$/),
    'pause',
  ])
  expect(
    world
      .bodies()
      .filter(({ type }) => type)
      .map(({ data }) => data.scope),
  ).toEqual([
    [{ channel: 'whatsapp', queue: null }],
    [
      { channel: 'whatsapp', queue: null },
      { channel: 'voice', queue: null },
    ],
    null,
  ])
})

test('a rollback of a paused release is ordered by name, accepted, and ends in a verdict', async () => {
  const world = await paused()
  await world.decide({ does: 'rollback' })
  await world.run(SECOND)
  expect(world.incident()).toMatchObject({
    ordered: 'rollback',
    orderedBy: ada,
    rolledBackMs: START_MS + 2 * SECOND,
    state: 'paused',
  })
  expect(world.ids()).toEqual(['pause', 'rollback'])
  expect(await world.decide({ does: 'close', verdict: 'confirmed', isRetired: false })).toMatchObject({
    does: 'record',
  })
})

test('where no target enforces, a person says that the order is carried out, and the clock goes on', async () => {
  const world = worldWith({ targets: [aPager({ kind: 'pagerduty' })] })
  await world.alerter.handle(aFinding())
  await world.run(MINUTE)
  expect(world.incident()!.state).toBe('pausing')
  await world.decide({ does: 'accept' })
  expect(world.incident()).toMatchObject({
    state: 'paused',
    acceptedBy: ['by hand: Ada'],
    clock: { acceptedMs: START_MS + MINUTE },
  })
  await world.run(3 * MINUTE)
  expect(world.incident()!.state).toBe('drained')
})

test('a pause under way when it is overridden arrives before the resume, and counts for nothing', async () => {
  let answer: (() => void) | null = null
  const world = worldWith({
    wrapPost: (post) => async (request) => {
      const result = await post(request)
      if (request.body.includes('andon.release.pause')) await new Promise<void>((resolve) => (answer = resolve))
      return result
    },
  })
  await world.alerter.handle(aFinding())
  await world.run(SECOND)
  await world.decide({ does: 'override' })
  await world.run(SECOND)
  expect(world.ids()).toEqual(['pause'])
  answer!()
  await drainMicrotasks()
  await world.run(SECOND)
  expect(world.ids()).toEqual(['pause', 'resume'])
  expect(world.incident()).toMatchObject({ state: 'resumed', acceptedBy: [], clock: { acceptedMs: null } })
})

test('a restart forgets no evidence that is due, and sends no resume twice', async () => {
  let away = true
  const restartEvidence = async () => {
    if (away) throw new Error('the detector is away')
    return { trigger: 'failed_updates', overrides: 1, alphaSpent: 0.01, alphaNext: 0.005 }
  }
  const world = await paused({ restartEvidence })
  await world.decide({ does: 'override' })
  await world.run(5 * SECOND)
  expect(world.incident()!.restarts).toBeNull()
  await world.alerter.close()
  away = false
  const next = createWorld({
    lines: world.lines,
    startMs: world.clock.nowMs(),
    restartEvidence,
    targets: [aTarget({ on: ['pause', 'resume'] })],
  })
  await next.alerter.resume()
  await next.run(2 * SECOND)
  expect(next.incident()!.restarts).toHaveLength(1)
  expect(next.received).toEqual([])
})

test('nobody decides about an incident that does not exist, nor in a replay', async () => {
  const world = worldWith()
  expect(await world.alerter.decideOn('none', { does: 'acknowledge', ...ada })).toBeNull()
  const replay = worldWith({ mode: 'replay' })
  expect(await replay.order()).toMatchObject({ does: 'refuse', reason: 'replay' })
})

test('a target is told about the releases that it is for, and no reserve is counted on that is for others', async () => {
  const targets = [
    aTarget({ match: { agent: 'collections' } }),
    aTarget({
      name: 'orders',
      url: 'http://orders.example/',
      match: { environment: 'production', agent: 'order-status' },
    }),
    aTarget({ name: 'reserve', url: 'http://reserve.example/', escalation: true, match: { environment: 'staging' } }),
  ]
  const world = createWorld({ targets })
  world.answers('orders', 410)
  await world.alerter.handle(aFinding())
  await world.run(20 * MINUTE)
  expect([...new Set(world.received.map(({ target }) => target))]).toEqual(['orders'])
  expect(world.incident()!.state).toBe('pausing')
})
