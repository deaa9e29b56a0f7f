import { expect, test } from 'vitest'
import type { IncidentEvent } from '../facts/incident.ts'
import { aFinding, aPager, aTarget, createWorld, MINUTE, SECOND, START_MS } from './fixtures.ts'

/**
 * The cord holds when the process is killed at any point: every place where Andon touches the world (a journal line about to be
 * written, just written; a webhook about to leave, just received) is in turn the last thing that happens.
 */

class Killed extends Error {}

/** An interrupter: operation `at` throws, before or after its effect; afterwards all do (killed), or none (a passing fault). */
function interrupter(at: number, when: 'before' | 'after', isFatal: boolean) {
  let operations = 0
  let dead = false
  const around =
    <A, R>(effect: (input: A) => Promise<R>) =>
    async (input: A): Promise<R> => {
      if (dead) throw new Killed('dead')
      const isHere = operations === at
      operations += 1
      if (isHere && isFatal) dead = true
      if (isHere && when === 'before') throw new Killed('killed before')
      const result = await effect(input)
      if (isHere) throw new Killed('killed after')
      return result
    }
  return { around, struck: () => operations > at }
}

const targets = [aTarget(), aPager()]
const finding = aFinding()

async function runInterrupted(at: number, when: 'before' | 'after', isFatal: boolean) {
  const lines: IncidentEvent[] = []
  const { around, struck } = interrupter(at, when, isFatal)
  const first = createWorld({
    targets,
    lines,
    wrapJournal: (journal) => ({ ...journal, append: around(journal.append) }),
    wrapPost: around,
  })
  first.answers('platform', 503, 200)
  // The detector offers its finding until somebody has taken it.
  for (let second = 0; second < 12; second += 1) {
    await first.alerter.handle(finding).catch(() => {})
    await first.run(SECOND)
  }
  const received = [...first.received]
  if (isFatal) {
    await first.alerter.close().catch(() => {})
    const next = createWorld({ targets, lines, startMs: START_MS + 2 * MINUTE })
    await next.alerter.resume()
    await next.alerter.handle(finding)
    await next.run(3 * MINUTE)
    return { received: [...received, ...next.received], incidents: next.alerter.incidents(), lines, struck: struck() }
  }
  await first.run(3 * MINUTE)
  return {
    received: [...received, ...first.received.slice(received.length)],
    incidents: first.alerter.incidents(),
    lines,
    struck: struck(),
  }
}

test.each([
  ['killed', true],
  ['interrupted by a passing fault', false],
])('%s at any point, a pause is delivered under one id and accepted once', async (_, isFatal) => {
  let points = 0
  for (const when of ['before', 'after'] as const) {
    for (let at = 0; ; at += 1) {
      const { received, incidents, lines, struck } = await runInterrupted(at, when, isFatal)
      const point = `${when} operation ${at}`
      expect(incidents, point).toHaveLength(1)
      expect(incidents[0], point).toMatchObject({ state: 'drained', acceptedBy: ['platform'] })
      expect(new Set(received.map(({ id }) => id)), point).toEqual(new Set([`${incidents[0]?.incidentId}-pause`]))
      expect(new Set(received.map(({ body }) => body)).size, point).toBe(1)
      for (const name of ['platform', 'pager'])
        expect(received.filter(({ target }) => target === name).length, point).toBeGreaterThan(0)
      const distinct = [...new Map(lines.map((line) => [line.version, line])).values()]
      expect(
        distinct.filter(({ event }) => event.type === 'accepted'),
        point,
      ).toHaveLength(1)
      expect(
        distinct.filter(({ event }) => event.type === 'opened'),
        point,
      ).toHaveLength(1)
      // A version that was written twice was written the same.
      for (const line of lines) expect(line, point).toEqual(distinct.find(({ version }) => version === line.version))
      if (!struck) break
      points += 1
    }
  }
  expect(points).toBeGreaterThan(20) // 9 journal lines, 2 or 3 posts; each before and after
})

test('every attempt is in the journal before it is sent', async () => {
  const seen: string[] = []
  const world = createWorld({
    targets: [aTarget()],
    wrapJournal: (journal) => ({
      ...journal,
      append: async (line) => {
        seen.push(`journal ${line.event.type}`)
        await journal.append(line)
      },
    }),
    wrapPost: (post) => async (request) => {
      seen.push('send')
      return post(request)
    },
  })
  await world.alerter.handle(finding)
  await world.run(SECOND)
  expect(seen).toEqual(['journal opened', 'journal attempted', 'send', 'journal attempted', 'journal accepted'])
})

test('after a restart an hourly retry is not sent early, and one that was cut off is repeated at once', async () => {
  const world = createWorld({ targets: [aTarget()] })
  world.answers('platform', 503)
  await world.alerter.handle(finding)
  await world.run(0)
  await world.clock.advance(90 * MINUTE)
  expect(world.received).toHaveLength(12) // 0 s … 30 min, 1 h
  const before = world.lines.length
  await world.alerter.close()

  const calm = createWorld({
    targets: [aTarget()],
    lines: structuredClone(world.lines),
    startMs: START_MS + 91 * MINUTE,
  })
  await calm.alerter.resume()
  await calm.clock.advance(20 * MINUTE)
  expect(calm.received).toHaveLength(0)
  await calm.run(10 * MINUTE) // two hours after the start
  expect(calm.received).toHaveLength(1)

  const cutOff = world.lines.slice(0, before - 1) // the outcome of the latest attempt was never written
  const hasty = createWorld({ targets: [aTarget()], lines: structuredClone(cutOff), startMs: START_MS + 91 * MINUTE })
  await hasty.alerter.resume()
  await hasty.clock.advance(0)
  await hasty.run(SECOND)
  expect(hasty.received).toHaveLength(1)
  expect(hasty.received[0]?.id).toBe(world.received[0]?.id)
})
