import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import type { Finding } from '../facts/finding.ts'
import { wallClock } from '../lib/clock.ts'
import {
  aFinding,
  aPager,
  aTarget,
  createWorld,
  HOUR,
  MINUTE,
  quietActivity,
  SECOND,
  SECRET,
  START_MS,
} from './fixtures.ts'
import { payloadSchema } from './payload.ts'
import { keyOf, verify } from './sign.ts'

/** Stories: what happens in the world, on simulated time, from a finding to the end of its pause. */

const breachOf = (agent: string, change: Partial<Finding> = {}): Finding =>
  aFinding({ release: { environment: 'production', agent, release: 'r43' }, ...change })
const seconds = (atMs: number): number => (atMs - START_MS) / SECOND

test('a bad release is paused at once: journaled, signed, accepted, stopped and drained', async () => {
  const world = createWorld()
  expect(await world.alerter.handle(aFinding())).toMatchObject({ does: 'open', reason: 'first_breach', pause: true })
  await world.run(2 * SECOND)
  expect(world.received).toHaveLength(1)
  const [pause] = world.received
  expect(seconds(pause?.atMs ?? 0)).toBe(0)
  expect(
    verify({ headers: pause?.request.headers ?? {}, body: pause?.body ?? '', keys: [keyOf(SECRET)], nowMs: START_MS }),
  ).toEqual({ ok: true })
  expect(payloadSchema.parse(JSON.parse(pause?.body ?? '')).type).toBe('andon.release.pause')
  expect(world.incident()).toMatchObject({
    state: 'paused',
    acceptedBy: ['platform'],
    clock: { sentMs: START_MS, acceptedMs: START_MS },
  })

  await world.run(2 * MINUTE)
  expect(world.incident()).toMatchObject({
    state: 'drained',
    contactsAfterPause: 0,
    clock: { stoppedMs: START_MS, drainedMs: START_MS },
  })
  expect(world.types()).toEqual(['opened', 'attempted', 'attempted', 'accepted', 'stopped', 'drained'])
  expect(world.told.map(([, line]) => line)).toEqual(world.lines)
})

test('what the standardwebhooks package receives it verifies', async () => {
  const nowMs = wallClock.nowMs()
  const world = createWorld({ startMs: nowMs })
  world.telemetry((atMs) => ({ ...quietActivity(atMs), lastContactStartedAtMs: nowMs }))
  await world.alerter.handle(aFinding())
  await world.run(SECOND)
  const [pause] = world.received
  expect(new Webhook(SECRET).verify(pause?.body ?? '', { ...pause?.request.headers })).toMatchObject({
    type: 'andon.release.pause',
  })
})

test('a busy platform is tried again fast, always with the same webhook-id and the same body', async () => {
  const world = createWorld()
  world.answers('platform', 503, 503, 'timeout', 404, 200)
  await world.alerter.handle(aFinding())
  await world.run(20 * SECOND)
  expect(world.received.map(({ atMs }) => seconds(atMs))).toEqual([0, 1, 2, 5, 15])
  expect(new Set(world.received.map(({ id }) => id))).toEqual(new Set([`${world.incident()?.incidentId}-pause`]))
  expect(new Set(world.received.map(({ body }) => body)).size).toBe(1)
  expect(world.incident()).toMatchObject({
    state: 'paused',
    clock: { sentMs: START_MS, acceptedMs: START_MS + 15 * SECOND },
  })
})

test('Retry-After is honoured, but no longer than a minute', async () => {
  const world = createWorld()
  world.answers('platform', { status: 503, retryAfterMs: 8 * SECOND }, { status: 429, retryAfterMs: MINUTE }, 200)
  await world.alerter.handle(aFinding())
  await world.run(80 * SECOND)
  expect(world.received.map(({ atMs }) => seconds(atMs))).toEqual([0, 8, 68])
})

test("a chat tool's 200 is a notification and does not count as accepted", async () => {
  const world = createWorld({ targets: [aTarget(), aPager({ name: 'chat', url: 'http://chat.example/' })] })
  world.answers('platform', 503)
  await world.alerter.handle(aFinding())
  await world.run(10 * SECOND)
  expect(world.received.filter(({ target }) => target === 'chat')).toHaveLength(1)
  expect(world.incident()).toMatchObject({ state: 'pausing', acceptedBy: [], clock: { acceptedMs: null } })
  world.answers('platform', 200)
  await world.run(10 * SECOND)
  expect(world.incident()).toMatchObject({ state: 'paused', acceptedBy: ['platform'] })
})

test('a third pause within ten minutes pages with pause_budget_exhausted and pauses nobody', async () => {
  const world = createWorld({ targets: [aTarget(), aPager()] })
  await world.alerter.handle(breachOf('a'))
  await world.run(MINUTE)
  await world.alerter.handle(breachOf('b'))
  await world.run(8 * MINUTE)
  expect(await world.alerter.handle(breachOf('c'))).toMatchObject({ reason: 'pause_budget_exhausted', pause: false })
  await world.run(30 * MINUTE)
  const pauses = world.received.filter(({ target }) => target === 'platform')
  expect(pauses.map(({ body }) => JSON.parse(body).data.release.agent)).toEqual(['a', 'b'])
  const page = world.received.find(({ body }) => JSON.parse(body).data.release.agent === 'c')
  expect(page?.target).toBe('pager')
  expect(JSON.parse(page?.body ?? '')).toMatchObject({
    type: 'andon.release.notify',
    data: { reason: 'pause_budget_exhausted' },
  })
  expect(JSON.parse(page?.body ?? '').data.summary).toContain('not paused: the pause budget is exhausted')
  expect(await world.alerter.handle(breachOf('c'))).toMatchObject({ does: 'nothing' })
  expect(world.alerter.incidents().map(({ state }) => state)).toEqual(['drained', 'drained', 'observed'])
})

test('the pause budget survives a restart', async () => {
  const world = createWorld()
  await world.alerter.handle(breachOf('a'))
  await world.alerter.handle(breachOf('b'))
  await world.run(SECOND)
  const next = createWorld({ lines: world.lines, startMs: START_MS + MINUTE })
  await next.alerter.resume()
  expect(await next.alerter.handle(breachOf('c'))).toMatchObject({ reason: 'pause_budget_exhausted' })
})

test('two findings of one release at the same moment open one incident and send one pause', async () => {
  const world = createWorld()
  const other = aFinding({ trigger: 'complaints', triggerHash: 'hash-complaints', signal: 'complaints' })
  const decisions = await Promise.all([
    world.alerter.handle(aFinding()),
    world.alerter.handle(other),
    world.alerter.handle(aFinding()),
  ])
  expect(decisions.map(({ does }) => does)).toEqual(['open', 'join', 'nothing'])
  await world.run(5 * SECOND)
  expect(world.received).toHaveLength(1)
  expect(world.incident()?.joined.map(({ trigger }) => trigger)).toEqual(['complaints'])
})

test.each<[string, Partial<Finding>, Parameters<typeof createWorld>[0], string[]]>([
  ['a replay sends nothing to anybody', {}, { mode: 'replay' }, []],
  ['a shadow trigger sends nothing to anybody', { shadow: true }, {}, []],
  ['a silence sends nothing to anybody', {}, { safety: { silences: [{ fromMs: 0, untilMs: Infinity }] } }, []],
  ['a trigger that only notifies tells the pager', { action: 'notify' }, {}, ['pager andon.release.notify']],
  ['observe-only tells the pager', {}, { safety: { observeOnly: true } }, ['pager andon.release.notify']],
  [
    'a rollback orders the platform and tells the pager',
    { action: 'rollback' },
    {},
    ['platform andon.release.rollback', 'pager andon.release.rollback'],
  ],
])('%s', async (_, change, options, wanted) => {
  const world = createWorld({ ...options, targets: [aPager(), aTarget()] })
  await world.alerter.handle(aFinding(change))
  await world.run(10 * MINUTE)
  expect(world.received.map(({ target, body }) => `${target} ${JSON.parse(body).type}`)).toEqual(wanted)
})

test('a release that has had no contact for a day opens stale and is not paused, and is once it takes contacts again', async () => {
  const world = createWorld()
  world.telemetry((nowMs) => ({ ...quietActivity(nowMs), lastContactStartedAtMs: nowMs - 25 * HOUR }))
  expect(await world.alerter.handle(aFinding())).toMatchObject({ reason: 'stale', pause: false })
  world.telemetry((nowMs) => ({ ...quietActivity(nowMs), lastContactStartedAtMs: nowMs }))
  expect(await world.alerter.handle(aFinding())).toMatchObject({ does: 'promote', pause: true })
  await world.run(SECOND)
  expect(world.received).toHaveLength(1)
})

test('a notice under way is replaced by the pause that follows it', async () => {
  const world = createWorld({ targets: [aTarget({ on: ['pause', 'notify'] })] })
  world.answers('platform', 503, 200)
  await world.alerter.handle(aFinding({ action: 'notify', triggerHash: 'notice' }))
  await world.run(SECOND / 2)
  await world.alerter.handle(aFinding())
  await world.run(10 * SECOND)
  const { incidentId } = world.incident() ?? {}
  expect(world.received.map(({ id }) => id)).toEqual([`${incidentId}-notify_only`, `${incidentId}-pause`])
  expect(world.incident()).toMatchObject({ state: 'paused' })
})

test('the answer to a notice that arrives after the pause that replaced it counts for nothing', async () => {
  let answerNotice = () => {}
  const world = createWorld({
    targets: [aTarget({ on: ['pause', 'notify'] })],
    wrapPost: (post) => async (request) => {
      if (request.headers['webhook-id']?.endsWith('-notify_only'))
        await new Promise<void>((resolve) => (answerNotice = resolve))
      return post(request)
    },
  })
  world.answers('platform', 503, 200)
  await world.alerter.handle(aFinding({ action: 'notify', triggerHash: 'notice' }))
  await world.run(0)
  await world.alerter.handle(aFinding())
  await world.run(0) // 503: the pause is owed again
  answerNotice()
  await world.run(0) // 200, for the notice
  expect(world.lines.at(-1)?.event).toMatchObject({ type: 'attempted', outcome: 'server_error' })
  expect(world.incident()).toMatchObject({ state: 'pausing', acceptedBy: [] })
  await world.run(SECOND)
  expect(world.received.at(-1)?.id).toMatch(/-pause$/)
  expect(world.incident()).toMatchObject({ state: 'paused' })
})

test('a replay onto a store with a pause under way does not continue it', async () => {
  const live = createWorld()
  live.answers('platform', 503)
  await live.alerter.handle(aFinding())
  await live.run(SECOND)
  await live.alerter.close()
  const replay = createWorld({ lines: live.lines, startMs: START_MS + MINUTE, mode: 'replay' })
  await replay.alerter.resume()
  await replay.run(10 * MINUTE)
  expect(replay.received).toEqual([])
  expect(replay.incident()).toMatchObject({ state: 'pausing' })
})

test('410 Gone ends the deliveries of this incident to the target, and the reserve is told at once', async () => {
  const reserve = aTarget({ name: 'reserve', url: 'http://reserve.example/', escalation: true })
  const world = createWorld({ targets: [aTarget(), reserve] })
  world.answers('platform', 410)
  await world.alerter.handle(aFinding())
  await world.run(MINUTE)
  expect(world.received.map(({ target }) => target)).toEqual(['platform', 'reserve'])
  expect(world.incident()).toMatchObject({ undeliverable: ['platform'], acceptedBy: ['reserve'] })
  expect(JSON.parse(world.received[1]?.body ?? '').data.escalation).toEqual({
    number: 1,
    because: 'every target that enforces has refused it',
  })
})

test('a pause that nobody accepts for a day is undeliverable, and people are told every five minutes up to three times', async () => {
  const world = createWorld({ targets: [aTarget(), aPager()] })
  world.answers('platform', 'connection_failed')
  await world.alerter.handle(aFinding())
  await world.run(20 * MINUTE)
  const pages = world.received.filter(({ target }) => target === 'pager')
  expect(pages.map(({ atMs }) => (atMs - START_MS) / MINUTE)).toEqual([0, 5, 10, 15])
  expect(pages.map(({ id }) => id.slice(33))).toEqual(['pause', 'pause-refire-1', 'pause-refire-2', 'pause-refire-3'])
  expect(new Set(world.received.filter(({ target }) => target === 'platform').map(({ id }) => id)).size).toBe(1)
  await world.clock.advance(25 * HOUR)
  await world.alerter.tick()
  expect(world.incident()).toMatchObject({ state: 'pausing', undeliverable: ['platform'] })
  expect(world.received.filter(({ target }) => target === 'platform')).toHaveLength(35)
})

test('a release that ignores its pause is fired at again after five minutes, with a new id, and the reserve is told', async () => {
  const reserve = aTarget({ name: 'reserve', url: 'http://reserve.example/', escalation: true })
  const world = createWorld({ targets: [aTarget(), reserve] })
  const stopsAtMs = START_MS + 7 * MINUTE
  world.telemetry((nowMs) => {
    const lastMs = Math.min(nowMs, stopsAtMs)
    return {
      ...quietActivity(nowMs),
      lastContactStartedAtMs: lastMs,
      lastSpanEndedAtMs: lastMs + 30 * SECOND,
      contactsAfterPause: Math.floor(seconds(lastMs)),
    }
  })
  await world.alerter.handle(aFinding())
  await world.run(12 * MINUTE)
  const { incidentId } = world.incident() ?? {}
  expect(world.received.map(({ target, id }) => `${target} ${id}`)).toEqual([
    `platform ${incidentId}-pause`,
    `platform ${incidentId}-pause-refire-1`,
    `reserve ${incidentId}-pause-refire-1`,
  ])
  expect(seconds(world.received[1]?.atMs ?? 0)).toBeGreaterThan(300)
  expect(seconds(world.received[1]?.atMs ?? 0)).toBeLessThan(310)
  expect(world.incident()).toMatchObject({
    state: 'drained',
    contactsAfterPause: 420,
    clock: { acceptedMs: START_MS, stoppedMs: stopsAtMs, drainedMs: stopsAtMs + 30 * SECOND },
  })
})

test('contacts that still come are counted while the stop is not proven, and each new count is kept', async () => {
  const world = createWorld()
  world.telemetry((nowMs) => ({
    ...quietActivity(nowMs),
    lastContactStartedAtMs: nowMs,
    lastSpanEndedAtMs: nowMs,
    contactsAfterPause: Math.floor(seconds(nowMs) / 10),
    writesAfterPause: 2,
  }))
  await world.alerter.handle(aFinding())
  expect(world.incident()).toMatchObject({ contactsAfterPause: null, writesAfterPause: null })
  await world.run(41 * SECOND)
  expect(world.incident()).toMatchObject({ state: 'paused', contactsAfterPause: 4, writesAfterPause: 2 })
  expect(world.kept.map(({ contactsAfterPause }) => contactsAfterPause)).toEqual([0, 1, 2, 3, 4])
  world.telemetry((nowMs) => ({
    ...quietActivity(nowMs),
    lastContactStartedAtMs: START_MS + 41 * SECOND,
    contactsAfterPause: 5,
  }))
  await world.run(2 * MINUTE)
  expect(world.incident()).toMatchObject({ state: 'drained', contactsAfterPause: 5, writesAfterPause: 0 })
  expect(world.kept.map(({ contactsAfterPause }) => contactsAfterPause)).toEqual([0, 1, 2, 3, 4, 5])
})

test('what was counted of more than is stopped now is no count of it', async () => {
  const world = createWorld()
  world.telemetry((nowMs) => ({ ...quietActivity(nowMs), lastContactStartedAtMs: nowMs, contactsAfterPause: 3 }))
  const scope = [
    { channel: 'voice', queue: '' },
    { channel: 'chat', queue: '' },
  ]
  const person = { by: 'Ada', reason: 'seen' }
  const { release } = aFinding()
  await world.alerter.order({ does: 'pause', release, scope, trafficGoesTo: 'people', ...person })
  await world.run(10 * SECOND)
  expect(world.incident()).toMatchObject({ state: 'paused', contactsAfterPause: 3 })
  const recovery = { allowed: true, reason: 'complete', detail: 'complete' }
  const { incidentId } = world.incident()!
  await world.alerter.decideOn(incidentId, { does: 'resume', recovery, part: scope[1]!, ...person })
  expect(world.incident()).toMatchObject({ state: 'paused', contactsAfterPause: null })
  await world.run(10 * SECOND)
  expect(world.incident()).toMatchObject({ contactsAfterPause: 3 })
})

test('a contact that arrives late reopens a drained incident, which then stops at the later time', async () => {
  const world = createWorld()
  await world.alerter.handle(aFinding())
  await world.run(3 * MINUTE)
  expect(world.incident()?.state).toBe('drained')
  const lateMs = START_MS + 20 * SECOND
  world.telemetry((nowMs) => ({
    ...quietActivity(nowMs),
    lastContactStartedAtMs: lateMs,
    lastSpanEndedAtMs: lateMs + SECOND,
    contactsAfterPause: 1,
  }))
  await world.run(2 * MINUTE)
  expect(world.types().slice(-5)).toEqual(['stopped', 'drained', 'reopened', 'stopped', 'drained'])
  expect(world.incident()).toMatchObject({
    state: 'drained',
    contactsAfterPause: 1,
    clock: { stoppedMs: lateMs, drainedMs: lateMs + SECOND },
  })
})

test('when all telemetry falls silent a pause is not taken for obeyed, and people learn that it cannot be verified', async () => {
  const world = createWorld({ targets: [aTarget(), aPager()] })
  world.telemetry((nowMs) => ({ ...quietActivity(nowMs), otherInputAtMs: START_MS }))
  await world.alerter.handle(aFinding())
  await world.run(5 * MINUTE)
  expect(world.incident()?.state).toBe('paused')
  await world.run(2 * MINUTE)
  const last = JSON.parse(world.received.at(-1)?.body ?? '')
  expect(last.data.escalation.because).toContain('no other telemetry arrives')
})

test('while telemetry cannot be asked nothing is decided, and the finding can be offered again', async () => {
  const world = createWorld()
  world.telemetry(() => {
    throw new Error('store away')
  })
  await expect(world.alerter.handle(aFinding())).rejects.toThrow('store away')
  expect(world.lines).toEqual([])
  world.telemetry(quietActivity)
  expect(await world.alerter.handle(aFinding())).toMatchObject({ pause: true })
})

test('a slow receiver holds up neither another target nor another incident', async () => {
  const never = new Promise<never>(() => {})
  const world = createWorld({
    targets: [aTarget(), aPager()],
    wrapPost: (post) => (request) => (request.url.includes('pager') ? never : post(request)),
  })
  await world.alerter.handle(breachOf('a'))
  await world.alerter.handle(breachOf('b'))
  await world.run(SECOND)
  expect(world.alerter.incidents().map(({ state }) => state)).toEqual(['paused', 'paused'])
})
