import { describe, expect, test } from 'vitest'
import type { Incident } from '../facts/incident.ts'
import { aFinding, aPager, aTarget, createWorld, MINUTE, SECOND, START_MS } from './fixtures.ts'
import { heardIn, type Puller, stopSwitchConfig } from './pull.ts'

const release = aFinding().release
const agents: Puller = { token: 'agents', match: {} }
const ada = { by: 'Ada', reason: 'the CRM was down' }

/** A deployment without a platform to push to: people are told, agents ask. */
const asking = (options: Parameters<typeof createWorld>[0] = {}) => {
  const world = createWorld({ targets: [aPager()], pullers: [agents], ...options })
  /** An instance asks; the answer is given from `seen`, by default from what is known now. */
  const ask = async (
    change: Readonly<{ token?: string; environment?: string | undefined; agent?: string; release?: string }> = {},
    seen: readonly Incident[] = world.alerter.incidents(),
  ) => {
    const { token = 'agents', ...asked } = change
    const holder = seen.find(({ state }) => ['pausing', 'paused', 'stopped', 'drained'].includes(state)) ?? null
    const answer = { token, asked: { ...release, ...asked }, holder, incidents: seen }
    for (const heard of heardIn(answer, options.pullers ?? [agents])) await world.alerter.hear(heard)
  }
  return { ...world, ask }
}

test('the first answer "stopped" to an agent that asks is the acceptance, sent and accepted at once; the clock goes on from there', async () => {
  const world = asking()
  await world.alerter.handle(aFinding())
  await world.run(3 * SECOND)
  expect(world.incident()).toMatchObject({ state: 'pausing', clock: { acceptedMs: null } })
  await world.ask()
  expect(world.incident()).toMatchObject({
    state: 'paused',
    acceptedBy: ['stop switch (agents)'],
    clock: { acceptedMs: START_MS + 3 * SECOND },
  })
  await world.run(2 * MINUTE)
  expect(world.incident()!.state).toBe('drained')
  for (let n = 0; n < 5; n += 1) await world.ask()
  expect(world.types().filter((type) => type === 'accepted')).toHaveLength(1)
  expect(world.lines.find(({ event }) => event.type === 'accepted')?.event).toMatchObject({
    enforces: true,
    asked: 'agents',
  })
})

test('nobody is told that the pause is not accepted once an agent has asked; before that people are, after the limit', async () => {
  const world = asking()
  await world.alerter.handle(aFinding())
  await world.run(4 * MINUTE)
  await world.ask()
  await world.run(4 * MINUTE)
  expect(world.types()).not.toContain('escalated')

  const silent = asking({ targets: [aPager(), aPager({ name: 'second', escalation: true })] })
  await silent.alerter.handle(aFinding())
  await silent.run(5 * MINUTE - SECOND)
  expect(silent.types()).not.toContain('escalated') // agents that ask enforce: they have the time that a target has
  await silent.run(2 * SECOND)
  expect(silent.lines.find(({ event }) => event.type === 'escalated')?.event).toMatchObject({
    because: 'nobody has accepted the pause for 5 min',
  })
})

describe('is no acceptance:', () => {
  test.each([
    ['a question without a token', { token: '' }],
    ['a token that is not named', { token: 'grafana' }],
    ['a question about another release', { release: 'r42' }],
    ['a question about every environment', { environment: undefined }],
    ['a question of another environment', { environment: 'staging' }],
  ])('%s', async (_, change) => {
    const world = asking()
    await world.alerter.handle(aFinding())
    await world.ask(change)
    expect(world.incident()!.state).toBe('pausing')
  })

  test.each([
    ['of another agent', { agent: 'billing' }],
    ['of another environment', { environment: 'staging' }],
  ])('a token of agents %s', async (_, match) => {
    const world = asking({ pullers: [{ token: 'agents', match }] })
    await world.alerter.handle(aFinding())
    await world.ask()
    expect(world.incident()!.state).toBe('pausing')
  })

  test('an answer from before the order was widened, rolled back or resumed', async () => {
    const world = asking()
    const order = (channel: string) =>
      world.alerter.order({ does: 'pause', release, scope: [{ channel, queue: '' }], trafficGoesTo: '', ...ada })
    await order('whatsapp')
    const onlyWhatsapp = world.alerter.incidents()
    await order('voice')
    await world.ask({}, onlyWhatsapp)
    expect(world.incident()!.state).toBe('pausing')
    await world.ask()
    expect(world.incident()!.state).toBe('paused')

    const paused = world.alerter.incidents()
    await world.alerter.decideOn(world.incident()!.incidentId, { does: 'rollback', ...ada })
    await world.ask({}, paused)
    expect(world.incident()!.rolledBackMs).toBeNull()
    await world.ask()
    expect(world.incident()!.rolledBackMs).toBe(START_MS)

    await world.alerter.decideOn(world.incident()!.incidentId, { does: 'override', ...ada })
    await world.ask({}, paused)
    expect(world.incident()!.resumed).toMatchObject({ acceptedMs: null })
  })

  test('an incident that orders nothing, and one that is accepted by a platform already', async () => {
    const world = asking({ targets: [aTarget()] })
    await world.alerter.handle(aFinding({ action: 'notify' }))
    await world.ask()
    expect(world.incident()).toMatchObject({ state: 'observed', acceptedBy: [] })
    await world.alerter.handle(aFinding({ trigger: 'other', triggerHash: 'other' }))
    await world.run(SECOND)
    await world.ask()
    expect(world.incident()).toMatchObject({ state: 'paused', acceptedBy: ['platform'] })
  })
})

test('the first answer "serving" after a resume is its acceptance', async () => {
  const world = asking()
  await world.alerter.handle(aFinding())
  await world.ask()
  await world.alerter.decideOn(world.incident()!.incidentId, { does: 'override', ...ada })
  await world.clock.advance(7 * SECOND)
  await world.ask()
  expect(world.incident()!.resumed).toMatchObject({ acceptedMs: START_MS + 7 * SECOND })
  expect(world.types().filter((type) => type === 'accepted')).toHaveLength(2)
})

test('a restart between answer and journal loses nothing: the next answer says it again', async () => {
  let isAway = true
  const first = asking({
    wrapJournal: (journal) => ({
      ...journal,
      append: async (line) => {
        if (isAway && line.event.type === 'accepted') throw new Error('journal away')
        await journal.append(line)
      },
    }),
  })
  await first.alerter.handle(aFinding())
  await expect(first.ask()).rejects.toThrow('journal away')
  await first.alerter.close()

  isAway = false
  const second = asking({ lines: first.lines, startMs: START_MS + 9 * SECOND })
  await second.alerter.resume()
  await second.ask()
  expect(second.incident()).toMatchObject({ state: 'paused', clock: { acceptedMs: START_MS + 9 * SECOND } })
})

test('nobody counts unless the configuration says so', () => {
  expect(stopSwitchConfig.parse(undefined)).toEqual({ enforcedBy: [] })
  expect(stopSwitchConfig.safeParse({ enforcedBy: [{ match: {} }] }).success).toBe(false)
})
