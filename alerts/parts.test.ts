import { describe, expect, test } from 'vitest'
import { holderOf } from '../api/stop-switch.ts'
import type { ByPerson, Scope } from '../facts/incident.ts'
import { aFinding, aPager, aTarget, createWorld, MINUTE, quietActivity, SECOND } from './fixtures.ts'
import type { RecoveryGate } from './operate.ts'

/** Parts of one release are stopped by hand; one of them goes on alone. */

const ada: ByPerson = { by: 'Ada', reason: 'fixed on whatsapp' }
const { release } = aFinding()
const whatsapp: Scope = { channel: 'whatsapp', queue: '' }
const orders: Scope = { channel: 'whatsapp', queue: 'orders' }
const returns: Scope = { channel: 'whatsapp', queue: 'returns' }
const voice: Scope = { channel: 'voice', queue: '' }
const chat: Scope = { channel: 'chat', queue: '' }
const billing: Scope = { channel: '', queue: 'billing' }
const open: RecoveryGate = { allowed: true, reason: 'recovery_complete', detail: 'all 3 items are dealt with' }
const closed: RecoveryGate = { allowed: false, reason: 'recovery_open', detail: 'still open: 2 records' }

const worldOf = (options: Parameters<typeof createWorld>[0] = {}) => {
  const world = createWorld({ targets: [aTarget({ on: ['pause', 'rollback', 'resume'] })], ...options })
  const stop = (...scope: Scope[]) =>
    world.alerter.order({ does: 'pause', release, scope, trafficGoesTo: 'people', ...ada })
  const resume = (part?: Scope, recovery = open) =>
    world.alerter.decideOn(world.incident()!.incidentId, { does: 'resume', recovery, ...(part && { part }), ...ada })
  /** Type and scope of every webhook that `target` got, in order, each id once. */
  const told = (target = 'platform') =>
    [...new Map(world.received.filter((one) => one.target === target).map((one) => [one.id, one.body])).values()].map(
      (body) => {
        const { type, data } = JSON.parse(body)
        const parts = (data.scope ?? []).map((part: Scope) => [part.channel, part.queue].filter(Boolean).join('/'))
        return `${type.slice('andon.release.'.length)} ${parts.join(' ')}`.trim()
      },
    )
  return { ...world, stop, resume, told }
}

const stopped = async (scope: readonly Scope[], options: Parameters<typeof createWorld>[0] = {}) => {
  const world = worldOf(options)
  await world.stop(...scope)
  await world.run(3 * MINUTE)
  expect(world.incident()!.state).toBe('drained')
  return world
}

test('one part goes on by a signed webhook that names it; the rest stays stopped and is verified anew; the last one ends the order', async () => {
  const world = await stopped([whatsapp, voice])
  const acceptedMs = world.incident()!.clock.acceptedMs
  expect(await world.resume(whatsapp)).toMatchObject({
    does: 'record',
    event: { type: 'part_resumed', scope: [whatsapp] },
  })
  expect(world.incident()).toMatchObject({
    state: 'paused',
    scope: [voice],
    resumedParts: [{ scope: [whatsapp], ...ada }],
    clock: { acceptedMs, stoppedMs: null, drainedMs: null },
  })
  await world.run(2 * MINUTE)
  expect(world.incident()!.state).toBe('drained')
  expect(world.told()).toEqual(['pause whatsapp voice', 'resume whatsapp'])
  expect(JSON.parse(world.received.at(-1)!.body).data).toMatchObject({
    person: ada,
    release,
    trigger: { name: 'by_hand' },
  })
  expect(world.restarted).toEqual([]) // the incident goes on, and nothing is judged anew

  expect(await world.resume(voice)).toMatchObject({ event: { type: 'resumed' } })
  await world.run(SECOND)
  expect(world.incident()).toMatchObject({ state: 'resumed', resumed: { how: 'resumed' } })
  expect(world.told()).toEqual(['pause whatsapp voice', 'resume whatsapp', 'resume voice'])
})

test('a channel that goes on takes its stopped queues along', async () => {
  const world = await stopped([orders, returns, voice])
  await world.resume(whatsapp)
  expect(world.incident()).toMatchObject({ scope: [voice], resumedParts: [{ scope: [orders, returns] }] })
  await world.run(SECOND)
  expect(world.told().at(-1)).toBe('resume whatsapp/orders whatsapp/returns')
})

describe('is refused, with what to do instead:', () => {
  test.each<[string, Scope[], Scope, RegExp]>([
    ['a part of a release that is stopped whole', [], whatsapp, /the whole release is stopped/],
    [
      'a part that is not stopped',
      [voice],
      whatsapp,
      /whatsapp is not stopped as a part of its own; what is stopped: voice/,
    ],
    [
      'a queue of a channel that is stopped as one',
      [whatsapp, voice],
      orders,
      /whatsapp \/ orders is not stopped as a part of its own/,
    ],
    ['a part that another one holds as well', [orders, billing], whatsapp, /billing holds whatsapp as well/],
  ])('%s', async (_, scope, part, detail) => {
    const world = await stopped(scope)
    expect(await world.resume(part)).toMatchObject({
      does: 'refuse',
      reason: 'illegal_transition',
      detail: expect.stringMatching(detail),
    })
    expect(world.incident()!.scope).toEqual(scope)
  })

  test('a part of an order that nobody has accepted yet', async () => {
    const world = worldOf()
    world.answers('platform', 503)
    await world.stop(whatsapp, voice)
    expect(await world.resume(voice)).toMatchObject({
      reason: 'illegal_transition',
      detail: expect.stringContaining('andon accept'),
    })
  })

  test('a part whose recovery is open, without a name, or of an incident that is over', async () => {
    const world = await stopped([whatsapp, voice])
    expect(await world.resume(voice, closed)).toMatchObject({ reason: 'recovery_open' })
    const { incidentId } = world.incident()!
    expect(
      await world.alerter.decideOn(incidentId, { does: 'resume', recovery: open, part: voice, by: ' ', reason: 'x' }),
    ).toMatchObject({ reason: 'no_name' })
    await world.resume()
    expect(await world.resume(voice)).toMatchObject({ does: 'stands' })
  })
})

test('the same again stands; a part that is stopped again is another pause under another id', async () => {
  const world = await stopped([whatsapp, voice])
  await world.resume(whatsapp)
  expect(await world.resume(whatsapp)).toMatchObject({
    does: 'stands',
    detail: expect.stringContaining('goes on already'),
  })
  await world.run(SECOND)
  await world.stop(whatsapp)
  await world.run(SECOND)
  expect(world.incident()).toMatchObject({
    state: 'paused',
    scope: [voice, whatsapp],
    resumedParts: [{ scope: [whatsapp] }],
  })
  await world.resume(whatsapp)
  await world.run(SECOND)
  await world.stop(whatsapp)
  await world.run(SECOND)
  expect(world.told()).toEqual([
    'pause whatsapp voice',
    'resume whatsapp',
    'pause voice whatsapp',
    'resume whatsapp',
    'pause voice whatsapp',
  ])
})

test('a platform that is away learns of the part that goes on when it is back, and not of one that was stopped again meanwhile', async () => {
  const world = await stopped([whatsapp, voice, chat])
  world.answers('platform', 503, 200)
  await world.resume(whatsapp)
  await world.run(10 * SECOND)
  expect(world.told()).toEqual(['pause whatsapp voice chat', 'resume whatsapp'])
  expect(new Set(world.received.map(({ id }) => id)).size).toBe(2)

  world.answers('platform', 503)
  await world.resume(voice)
  await world.run(SECOND)
  await world.stop(voice)
  world.answers('platform', 200)
  await world.run(MINUTE)
  expect(world.told().at(-1)).toBe('pause chat voice')
})

test('a resume of all does not swallow the part that went on before and was not told yet', async () => {
  const world = await stopped([whatsapp, voice])
  world.answers('platform', 503)
  await world.resume(whatsapp)
  await world.run(SECOND)
  await world.resume()
  world.answers('platform', 200)
  await world.run(MINUTE)
  expect(world.told()).toEqual(['pause whatsapp voice', 'resume whatsapp', 'resume voice'])
  expect(world.incident()!.resumed!.acceptedMs).not.toBeNull()
})

test('what is not obeyed is re-fired for the rest only, and people are told of the part without closing their alert', async () => {
  const targets = [
    aTarget({ on: ['pause', 'rollback', 'resume'] }),
    aPager({ kind: 'pagerduty', on: ['pause', 'resume'] }),
    aPager({ kind: 'slack', name: 'chat', url: 'http://chat.example/', keys: [], on: ['pause', 'resume'] }),
  ]
  const world = await stopped([whatsapp, voice], { targets })
  await world.resume(whatsapp)
  world.telemetry((nowMs) => ({ ...quietActivity(nowMs), lastContactStartedAtMs: nowMs, contactsAfterPause: 9 }))
  await world.run(12 * MINUTE)
  expect(world.told().slice(0, 3)).toEqual(['pause whatsapp voice', 'resume whatsapp', 'pause voice'])
  const actions = world.received
    .filter(({ target }) => target === 'pager')
    .map(({ body }) => JSON.parse(body).event_action)
  expect(new Set(actions)).toEqual(new Set(['trigger']))
  const texts = world.received.filter(({ target }) => target === 'chat').map(({ body }) => JSON.parse(body).text)
  expect(texts[1]).toMatch(/^Resuming whatsapp of .*Ada/)
})

test('a restart goes on where it was: every webhook under its own id, none twice', async () => {
  const first = await stopped([whatsapp, voice])
  first.answers('platform', 503)
  await first.resume(whatsapp)
  await first.run(SECOND)
  await first.alerter.close()
  const second = worldOf({ lines: first.lines, startMs: first.clock.nowMs() + SECOND })
  await second.alerter.resume()
  await second.run(MINUTE)
  expect(second.told()).toEqual(['resume whatsapp'])
  expect(second.received[0]!.id).toBe(first.received.at(-1)!.id)
  expect(second.incident()).toMatchObject({ scope: [voice], state: expect.stringMatching(/paused|stopped|drained/) })
})

test('somebody who acknowledged it is not told so again when it goes on', async () => {
  const world = worldOf({ targets: [aTarget({ on: ['pause', 'resume'] }), aPager({ kind: 'pagerduty' })] })
  await world.alerter.handle(aFinding())
  await world.run(2 * SECOND)
  await world.alerter.decideOn(world.incident()!.incidentId, { does: 'acknowledge', ...ada })
  await world.run(2 * SECOND)
  await world.alerter.decideOn(world.incident()!.incidentId, { does: 'override', ...ada })
  await world.run(2 * SECOND)
  const actions = world.received
    .filter(({ target }) => target === 'pager')
    .map(({ body }) => JSON.parse(body).event_action)
  expect(actions).toEqual(['trigger', 'acknowledge', 'resolve'])
})

describe('what is still owed never undoes a later decision:', () => {
  const gone = { verdict: 'confirmed', isRetired: true } as const

  test('a resume that a platform has not got yet, when the release is stopped again', async () => {
    const world = await stopped([])
    world.answers('platform', 503)
    await world.resume()
    await world.run(SECOND)
    await world.stop()
    world.answers('platform', 200)
    await world.run(5 * MINUTE)
    expect(world.told().at(-1)).toBe('pause')
    expect(world.lines.flatMap(({ event }) => (event.type === 'undeliverable' ? event.reason : []))).toEqual([
      expect.stringMatching(/^incident [0-9a-f]+ stops it again$/),
    ])
  })

  test('a pause of a release that was retired before the platform got it, when somebody lets it go on', async () => {
    const world = worldOf()
    world.answers('platform', 503)
    await world.stop()
    await world.alerter.decideOn(world.incident()!.incidentId, { does: 'close', ...gone, ...ada })
    await world.run(SECOND)
    await world.stop()
    const second = world.alerter.incidents().at(-1)!.incidentId
    await world.alerter.decideOn(second, { does: 'override', ...ada })
    world.answers('platform', 200)
    await world.run(5 * MINUTE)
    const byId = world.lines.flatMap(({ incidentId, event }) => (event.type === 'undeliverable' ? incidentId : []))
    expect(byId).toEqual([world.incident()!.incidentId])
    expect(world.received.at(-1)!.id).toBe(`${second}-resume`)
  })
})

test('a rollback of a part and one of the whole are two webhooks', async () => {
  const world = worldOf()
  const rollback = (scope: readonly Scope[]) =>
    world.alerter.order({ does: 'rollback', release, scope, trafficGoesTo: 'r42', ...ada })
  await rollback([voice])
  await world.run(SECOND)
  await rollback([])
  await world.run(SECOND)
  expect(world.told()).toEqual(['rollback voice', 'rollback'])
})

test('what was rolled back and closed stays away until somebody resumes it, which is told like any resume', async () => {
  const world = await stopped([])
  const { incidentId } = world.incident()!
  await world.alerter.decideOn(incidentId, { does: 'rollback', ...ada })
  await world.run(SECOND)
  await world.alerter.decideOn(incidentId, { does: 'close', verdict: 'confirmed', isRetired: false, ...ada })
  expect(holderOf(world.alerter.incidents(), release)).toMatchObject({ incidentId, state: 'closed' })
  expect(await world.resume(undefined, closed)).toMatchObject({ reason: 'recovery_open' })
  expect(await world.resume()).toMatchObject({ does: 'record', event: { type: 'resumed' } })
  await world.run(SECOND)
  expect(world.incident()).toMatchObject({ state: 'closed', closed: { verdict: 'confirmed' }, resumed: { ...ada } })
  expect(world.told()).toEqual(['pause', 'rollback', 'resume'])
  expect(holderOf(world.alerter.incidents(), release)).toBeNull()
  expect(await world.resume()).toMatchObject({ does: 'stands' })
})

test('what is closed is not taken back while a later incident holds the release', async () => {
  const world = await stopped([])
  const { incidentId } = world.incident()!
  await world.alerter.decideOn(incidentId, { does: 'close', verdict: 'confirmed', isRetired: true, ...ada })
  await world.stop()
  expect(await world.alerter.decideOn(incidentId, { does: 'override', ...ada })).toMatchObject({
    reason: 'illegal_transition',
    detail: expect.stringContaining('holds its release by now'),
  })
})
