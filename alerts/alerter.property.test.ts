import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { IncidentEvent } from '../facts/incident.ts'
import { type Answer, aFinding, aPager, aTarget, createWorld, MINUTE, SECOND, START_MS } from './fixtures.ts'
import { foldEvents } from './incident.ts'
import { firstOfEachVersion } from './journal.ts'
import type { ReleaseActivity } from './watch.ts'

/** Random findings, receivers, telemetry, faults and restarts: whatever happens, the promises hold. */

const targets = [
  aTarget(),
  aPager({ on: ['pause', 'rollback', 'notify'] }),
  aTarget({ name: 'reserve', url: 'http://reserve.example/', escalation: true }),
]

const answer = fc.constantFrom<Answer>(200, 200, 503, 404, 410, 302, 'timeout', {
  status: 429,
  retryAfterMs: 3 * SECOND,
})
const step = fc.oneof(
  fc.record({
    does: fc.constant('find' as const),
    agent: fc.constantFrom('a', 'b', 'c', ''),
    trigger: fc.constantFrom('t1', 't2'),
    action: fc.constantFrom('pause' as const, 'rollback' as const, 'notify' as const),
    kind: fc.constantFrom('breach' as const, 'breach' as const, 'clear' as const),
    shadow: fc.boolean(),
  }),
  fc.record({ does: fc.constant('pass' as const), ms: fc.constantFrom(300, 2 * SECOND, 70 * SECOND, 6 * MINUTE) }),
  fc.record({
    does: fc.constant('answer' as const),
    target: fc.constantFrom('platform', 'pager', 'reserve'),
    answers: fc.array(answer, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    does: fc.constant('traffic' as const),
    untilMs: fc.integer({ min: 0, max: 20 * MINUTE }),
    alive: fc.boolean(),
  }),
  fc.record({ does: fc.constant('fault' as const), appends: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ does: fc.constant('restart' as const) }),
)

test('whatever happens: one incident per release, one id per webhook, nothing sent unjournaled, budget kept, every restart the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      const lines: IncidentEvent[] = []
      const answers = new Map<string, Answer[]>()
      let traffic = { untilMs: 0, alive: true }
      let faults = 0
      const unjournaled: string[] = []
      const activityOf = (nowMs: number, sinceMs: number): ReleaseActivity => {
        const lastMs = Math.min(nowMs, START_MS + traffic.untilMs)
        const after = Math.max(0, Math.floor((lastMs - sinceMs) / SECOND))
        const otherInputAtMs = traffic.alive ? nowMs : START_MS
        return {
          lastContactStartedAtMs: lastMs,
          lastSpanEndedAtMs: lastMs,
          contactsAfterPause: after,
          writesAfterPause: after,
          gapP99Ms: SECOND,
          otherInputAtMs,
        }
      }
      const worldAt = (startMs: number) => {
        const world = createWorld({
          targets,
          lines,
          startMs,
          wrapJournal: (journal) => ({
            ...journal,
            append: async (line) => {
              faults -= 1
              if (faults >= 0 && faults % 2 === 0) await journal.append(line) // durable, yet reported as failed
              if (faults >= 0) throw new Error('journal away')
              await journal.append(line)
            },
          }),
          wrapPost: (post) => (request) => {
            const target = targets.find(({ url }) => url === request.url)?.name
            const last = lines.findLast(
              ({ incidentId, event }) =>
                request.headers['webhook-id']?.startsWith(incidentId) &&
                event.type === 'attempted' &&
                event.target === target,
            )
            if (last?.event.type !== 'attempted' || last.event.outcome !== 'sending')
              unjournaled.push(`${target} ${request.headers['webhook-id']}`)
            return post(request)
          },
        })
        world.telemetry(activityOf)
        for (const [target, given] of answers) world.answers(target, ...given)
        return world
      }
      let world = worldAt(START_MS)
      const received = new Map<string, string>()
      const collect = () => {
        for (const { id, body } of world.received) {
          expect(received.get(id) ?? body).toBe(body)
          received.set(id, body)
        }
      }

      for (const done of steps) {
        if (done.does === 'find') {
          const { agent, trigger, action, kind, shadow } = done
          const release = { environment: 'production', agent, release: 'r1' }
          const finding = aFinding({
            release,
            trigger,
            triggerHash: trigger,
            action,
            kind,
            shadow,
            decidedAtMs: world.clock.nowMs(),
          })
          await world.alerter.handle(finding).catch((error) => expect(String(error)).toContain('journal away'))
        }
        if (done.does === 'pass') await world.run(done.ms)
        if (done.does === 'answer') {
          answers.set(done.target, done.answers)
          world.answers(done.target, ...done.answers)
        }
        if (done.does === 'traffic') traffic = done
        if (done.does === 'fault') faults = done.appends
        if (done.does === 'restart') {
          collect()
          await world.alerter.close()
          world = worldAt(world.clock.nowMs() + SECOND)
          await world.alerter.resume()
        }
      }
      await world.run(3 * SECOND)
      faults = 0
      await world.run(3 * SECOND)
      collect()

      expect(unjournaled).toEqual([])
      // What telemetry counts while a stop is not proven stands in no journal.
      const incidents = world.alerter
        .incidents()
        .map((one) => (one.state === 'paused' ? { ...one, contactsAfterPause: null, writesAfterPause: null } : one))
      const folded = [...foldEvents(firstOfEachVersion(lines)).values()]
      expect(new Map(incidents.map((incident) => [incident.incidentId, incident]))).toEqual(
        new Map(folded.map((incident) => [incident.incidentId, incident])),
      )
      expect(new Set(incidents.map(({ release }) => release.agent)).size).toBe(incidents.length)
      const ordersMs = firstOfEachVersion(lines).flatMap(({ event, atMs }) =>
        event.type === 'opened' && event.pause ? [atMs] : [],
      )
      for (const atMs of ordersMs)
        expect(ordersMs.filter((other) => other <= atMs && other > atMs - 10 * MINUTE).length).toBeLessThanOrEqual(2)
      for (const [id, body] of received) {
        const { type, data } = JSON.parse(body)
        expect(id.startsWith(data.incidentId)).toBe(true)
        if (type !== 'andon.release.notify')
          expect([data.release.agent !== '', data.reason]).toEqual([true, 'first_breach'])
      }
      await world.alerter.close()
    }),
    { numRuns: 60 },
  )
})
