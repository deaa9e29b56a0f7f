import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aFinding, aTarget, createWorld, drainMicrotasks, MINUTE, quietActivity, SECOND } from '../alerts/fixtures.ts'
import { applyEvent } from '../alerts/incident.ts'
import type { IncidentCommand } from '../alerts/operate.ts'
import { heardIn, type Puller } from '../alerts/pull.ts'
import { holderOf } from '../api/stop-switch.ts'
import type { Incident, IncidentEvent } from '../facts/incident.ts'
import { isHeld, isPast, overlaps, partLabel, type Scope, VERDICTS, without } from '../facts/incident.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import { livesOf, type Move, moved, type ReleaseState, type Told, TRANSITIONS } from './life.ts'

const STATES: readonly ReleaseState[] = ['live', 'pausing', 'paused', 'recovering', 'resumed', 'rolled_back', 'retired']
const MOVES = Object.keys(TRANSITIONS) as Move[]
const ada = { by: 'Ada', reason: 'because' }
const release = aFinding().release

/** Each line of a journal with its incident before and after it, in the order in which they were written. */
function toldOf(lines: readonly IncidentEvent[]): Told[] {
  const incidents = new Map<string, Incident>()
  return lines.flatMap((line) => {
    const before = incidents.get(line.incidentId) ?? null
    const incident = applyEvent(before, line)
    incidents.set(line.incidentId, incident)
    return incident === before ? [] : [{ incident, line, before }]
  })
}

test('every state and move has an answer: a next state, or a refusal that names both', () => {
  for (const state of STATES)
    for (const move of MOVES) {
      const result = moved(state, move)
      if ('to' in result) expect(STATES).toContain(result.to)
      else
        expect(result.refused).toBe(`a release that is ${state.replace('_', ' ')} cannot be ${move.replace('_', ' ')}`)
    }
  expect(moved('pausing', 'retired')).toHaveProperty('refused')
  expect(moved('live', 'resumed')).toHaveProperty('refused')
})

test('a release lives through pause, recovery and resume, each step with who and why', async () => {
  const world = createWorld({ targets: [aTarget({ on: ['pause', 'resume'] })] })
  await world.alerter.handle(aFinding())
  await world.run(3 * MINUTE)
  await world.alerter.decideOn(world.incident()!.incidentId, { does: 'override', ...ada })
  await world.run(SECOND)
  const life = livesOf(toldOf(world.lines), []).get(releaseKeyOf(release))!
  expect(life.transitions.map(({ from, to, by }) => [from, to, by])).toEqual([
    ['live', 'pausing', ''],
    ['pausing', 'paused', ''],
    ['paused', 'recovering', ''],
    ['recovering', 'resumed', 'Ada'],
  ])
  expect(life.transitions.at(-1)).toMatchObject({ reason: 'because' })
})

test('a channel that is stopped alone leaves the release live', async () => {
  const world = createWorld({ targets: [aTarget({ on: ['pause', 'resume'] })] })
  await world.alerter.order({
    does: 'pause',
    release,
    scope: [{ channel: 'voice', queue: '' }],
    trafficGoesTo: '',
    ...ada,
  })
  await world.run(3 * MINUTE)
  expect(livesOf(toldOf(world.lines), []).get(releaseKeyOf(release))).toMatchObject({
    state: 'live',
    parts: [{ channel: 'voice', queue: '', state: 'recovering' }],
  })
  await world.alerter.decideOn(world.incident()!.incidentId, { does: 'override', ...ada })
  expect(livesOf(toldOf(world.lines), []).get(releaseKeyOf(release))).toMatchObject({ state: 'live', parts: [] })
})

const scope = fc.constantFrom<readonly Scope[]>(
  [],
  [],
  [{ channel: 'voice', queue: '' }],
  [{ channel: 'chat', queue: 'orders' }],
)
const part = fc.constantFrom<Scope | undefined>(
  undefined,
  { channel: 'voice', queue: '' },
  { channel: 'chat', queue: '' },
)
const step = fc.oneof(
  fc.record({
    does: fc.constant('find' as const),
    action: fc.constantFrom('pause', 'rollback', 'notify'),
    trigger: fc.constantFrom('t1', 't2'),
  }),
  fc.record({
    does: fc.constant('order' as const),
    kind: fc.constantFrom('pause' as const, 'rollback' as const),
    scope,
  }),
  fc.record({
    does: fc.constant('decide' as const),
    kind: fc.constantFrom('acknowledge', 'snooze', 'override', 'resume', 'rollback', 'accept', 'close'),
    which: fc.nat(3),
    verdict: fc.constantFrom(...VERDICTS),
    flag: fc.boolean(),
    part,
  }),
  fc.record({ does: fc.constant('ask' as const), isLate: fc.boolean() }),
  fc.record({ does: fc.constant('pass' as const), ms: fc.constantFrom(300, 2 * SECOND, 90 * SECOND, 6 * MINUTE) }),
  fc.record({ does: fc.constant('answer' as const), status: fc.constantFrom(200, 503, 410) }),
  fc.record({ does: fc.constant('traffic' as const), goesOn: fc.boolean() }),
  fc.record({ does: fc.constant('restart' as const) }),
)

test('whatever people and telemetry do: no illegal state, at most one order per slice stands, nothing is lost over restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
      const lines: IncidentEvent[] = []
      const targets = [aTarget({ on: ['pause', 'rollback', 'resume'] })]
      const platform: Message[] = []
      let past: readonly Incident[] = []
      let goesOn = true
      let status = 200
      let seq = 1
      const worldAt = (startMs?: number) => {
        const world = createWorld({
          targets,
          lines,
          ...(startMs !== undefined && { startMs }),
          safety: { maxPauses: 100 },
          pullers,
          wrapPost: (post) => async (request) => {
            const result = await post(request)
            if (result.outcome === 'delivered')
              platform.push({ id: request.headers['webhook-id']!, ...JSON.parse(request.body) })
            return result
          },
        })
        world.answers('platform', status)
        world.telemetry((nowMs, sinceMs) => {
          const lastMs = goesOn ? nowMs : Math.min(nowMs, sinceMs)
          return { ...quietActivity(nowMs), lastContactStartedAtMs: lastMs, lastSpanEndedAtMs: lastMs }
        })
        return world
      }
      let world = worldAt()
      for (const done of steps) {
        const nowMs = world.clock.nowMs()
        if (done.does === 'find')
          await world.alerter.handle(
            aFinding({
              action: done.action as 'pause',
              trigger: done.trigger,
              triggerHash: done.trigger,
              seq: seq++,
              decidedAtMs: nowMs,
            }),
          )
        if (done.does === 'order')
          await world.alerter.order({ does: done.kind, release, scope: done.scope, trafficGoesTo: '', ...ada })
        if (done.does === 'decide') {
          const incident = world.alerter.incidents().at(-1 - done.which)
          const recovery = { allowed: done.flag, reason: '', detail: '' }
          const command = {
            does: done.kind,
            forMs: MINUTE,
            recovery,
            verdict: done.verdict,
            isRetired: done.flag,
            ...(done.part && { part: done.part }),
            ...ada,
          }
          if (incident) await world.alerter.decideOn(incident.incidentId, command as IncidentCommand)
        }
        if (done.does === 'ask') {
          const seen = done.isLate ? past : world.alerter.incidents()
          const holder = seen.find(isHeld) ?? null
          for (const heard of heardIn({ token: 'agents', asked: release, holder, incidents: seen }, pullers))
            await world.alerter.hear(heard)
          past = world.alerter.incidents()
        }
        if (done.does === 'pass') await world.run(done.ms)
        if (done.does === 'answer') {
          status = done.status
          world.answers('platform', status)
        }
        if (done.does === 'traffic') goesOn = done.goesOn
        if (done.does === 'restart') {
          const before = world.alerter.incidents()
          await world.alerter.close()
          const next = worldAt(nowMs)
          await next.alerter.resume()
          const after = new Map(next.alerter.incidents().map((incident) => [incident.incidentId, incident]))
          for (const incident of before)
            expect(after.get(incident.incidentId)!.version).toBeGreaterThanOrEqual(incident.version)
          world = next
        }
        await drainMicrotasks() // a line is in the journal a moment before it is folded
        const incidents = world.alerter.incidents()
        expect(incidents.filter((incident) => !isPast(incident)).length).toBeLessThanOrEqual(1)
        const life = livesOf(toldOf(lines), []).get(releaseKeyOf(release))
        const held = incidents.find(isHeld)
        if (held && held.scope.length === 0)
          expect(life!.state).toBe(
            held.rolledBackMs !== null
              ? 'rolled_back'
              : held.state === 'pausing'
                ? 'pausing'
                : held.state === 'drained'
                  ? 'recovering'
                  : 'paused',
          )
        if (held && held.scope.length > 0)
          expect(life!.parts.map(partLabel)).toEqual(expect.arrayContaining(held.scope.map(partLabel)))
        if (held && held.scope.length > 0 && !isClosedHeld(incidents))
          expect(life!.parts.length).toBe(held.scope.length)
        if (!held)
          expect(['pausing', 'paused', 'recovering']).not.toContain(
            life?.state === undefined || isClosedHeld(incidents) ? '' : life.state,
          )
      }
      const isGone = steps.some((done) => done.does === 'answer' && done.status === 410)
      world.answers('platform', 200)
      for (let hour = 0; hour < 25; hour += 1) {
        await world.clock.advance(60 * MINUTE)
        await world.alerter.tick()
        await drainMicrotasks()
      }
      // What the stop switch holds a platform holds as well, and nothing more, unless a resume was given up for a later pause.
      const stopped = stoppedBy(platform)
      const isGivenUp = lines.some(({ event }) => event.type === 'undeliverable')
      for (const asked of isGone ? [] : ASKED) {
        const byWebhook = stopped.some((one) => overlaps(one, asked))
        const byAsking = holderOf(world.alerter.incidents(), { ...release, ...asked }) !== null
        expect([asked, byWebhook]).toEqual([asked, byAsking || (isGivenUp && byWebhook)])
      }
      await world.alerter.close()
    }),
    { numRuns: 150 },
  )
})

const ASKED: readonly Scope[] = [
  { channel: '', queue: '' },
  { channel: 'voice', queue: 'orders' },
  { channel: 'chat', queue: 'orders' },
  { channel: 'chat', queue: 'returns' },
  { channel: 'email', queue: 'orders' },
]
const pullers: readonly Puller[] = [{ token: 'agents', match: {} }]
type Message = Readonly<{
  id: string
  type: string
  data: { scope: readonly Readonly<Record<keyof Scope, string | null>>[] | null }
}>

/** What a platform holds stopped that follows webhooks in the order in which they came, each id once. */
function stoppedBy(messages: readonly Message[]): readonly Scope[] {
  let stopped: readonly Scope[] = []
  const firsts = messages.filter(({ id }, index) => messages.findIndex((other) => other.id === id) === index)
  for (const { type, data } of firsts) {
    const parts = data.scope ?? [{ channel: null, queue: null }]
    const scope = parts.map(({ channel, queue }) => ({ channel: channel ?? '', queue: queue ?? '' }))
    stopped = without(stopped, scope)
    if (type !== 'andon.release.resume') stopped = [...stopped, ...scope]
  }
  return stopped
}

/** An incident that was closed because its release is retired leaves the state to the retirement, which this test does not write. */
const isClosedHeld = (incidents: readonly Incident[]): boolean =>
  incidents.some(({ closed, resumed, ordered }) => closed !== null && resumed === null && ordered !== 'nothing')
