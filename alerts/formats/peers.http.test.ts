import { afterEach, beforeEach, expect, test } from 'vitest'
import { wallClock } from '../../lib/clock.ts'
import { aFinding, aPager, aTarget, createWorld, MINUTE, SECOND } from '../fixtures.ts'
import { createPost } from '../post.http.ts'
import type { Target } from '../targets.ts'
import { type Peer, startAlertmanagerReceiver, startPagerDuty, startSlack } from './peers.fixtures.ts'

const ROUTING_KEY = '0123456789abcdef0123456789abcdef'
let peers: { pagerduty: Peer; slack: Peer; alertmanager: Peer }
let targets: readonly Target[]

beforeEach(async () => {
  peers = {
    pagerduty: await startPagerDuty(),
    slack: await startSlack(),
    alertmanager: await startAlertmanagerReceiver('let-me-in'),
  }
  const told = (name: keyof typeof peers, token = '') =>
    aPager({ name, kind: name, url: peers[name].url, keys: [], token, allowPrivate: true })
  targets = [told('pagerduty', ROUTING_KEY), told('slack'), told('alertmanager', 'let-me-in')]
})
afterEach(async () => {
  await Promise.all(Object.values(peers).map((peer) => peer.close()))
})

/** An alerter on simulated time whose webhooks go over real HTTP; the platform answers inside the world. */
function startWorld() {
  const post = createPost({ clock: wallClock })
  const world = createWorld({
    targets: [aTarget(), ...targets],
    wrapPost: (inside) => (request) => (request.url.startsWith('http://127.0.0.1') ? post(request) : inside(request)),
  })
  const untilTaken = async (n: number) => {
    for (let turn = 0; turn < 200 && Object.values(peers).some((peer) => peer.taken().length < n); turn += 1) {
      await world.run(SECOND)
      await wallClock.sleep(5)
    }
  }
  return { ...world, untilTaken }
}

test('a pause reaches PagerDuty, Slack and an Alertmanager receiver, each once and in its own words', async () => {
  const world = startWorld()
  await world.alerter.handle(aFinding())
  await world.untilTaken(1)
  await world.run(MINUTE)
  for (const peer of Object.values(peers)) {
    expect(peer.refused()).toEqual([])
    expect(peer.taken()).toHaveLength(1)
  }
  expect(world.incident()?.acceptedBy).toEqual(['platform']) // their 2xx is a notification
  await world.alerter.close()
})

test('whoever was told of the pause is told, in its own words, that somebody took it and that it is over', async () => {
  const world = startWorld()
  await world.alerter.handle(aFinding())
  await world.untilTaken(1)
  const { incidentId } = world.incident()!
  const ada = { by: 'Ada <!channel>', reason: 'mine & only mine' }
  await world.alerter.decideOn(incidentId, { does: 'acknowledge', ...ada })
  await world.alerter.decideOn(incidentId, { does: 'close', verdict: 'confirmed', isRetired: true, ...ada })
  for (let turn = 0; turn < 200 && peers.pagerduty.taken().length < 3; turn += 1) {
    await world.run(SECOND)
    await wallClock.sleep(5)
  }
  await world.run(MINUTE)
  for (const peer of Object.values(peers)) expect(peer.refused()).toEqual([])
  const events = peers.pagerduty.taken() as { event_action: string; dedup_key: string }[]
  expect(events.map((event) => event.event_action).sort()).toEqual(['acknowledge', 'resolve', 'trigger'])
  expect(new Set(events.map((event) => event.dedup_key)).size).toBe(1)
  expect((peers.alertmanager.taken() as { status: string }[]).map((group) => group.status)).toEqual([
    'firing',
    'resolved',
  ])
  await world.alerter.close()
})

test('what is busy or down is told again; what refuses for good does not hold up the others', async () => {
  peers.pagerduty.answerWith(429, 503)
  peers.slack.answerWith(410)
  const world = startWorld()
  await world.alerter.handle(aFinding())
  for (let turn = 0; turn < 100 && peers.pagerduty.taken().length === 0; turn += 1) {
    await world.run(SECOND)
    await wallClock.sleep(5)
  }
  expect(peers.pagerduty.taken()).toHaveLength(1)
  expect(peers.alertmanager.taken()).toHaveLength(1)
  expect(peers.slack.taken()).toEqual([])
  expect(world.incident()?.undeliverable).toEqual(['slack'])
  await world.alerter.close()
})

test('a wrong token is refused and journaled without the token', async () => {
  targets = targets.map((target) => (target.kind === 'alertmanager' ? { ...target, token: 'stale' } : target))
  const world = startWorld()
  await world.alerter.handle(aFinding())
  for (let turn = 0; turn < 50 && peers.alertmanager.refused().length === 0; turn += 1) {
    await world.run(SECOND)
    await wallClock.sleep(5)
  }
  expect(peers.alertmanager.refused()[0]).toBe('wrong token')
  expect(JSON.stringify(world.lines)).not.toMatch(/stale|0123456789abcdef/)
  await world.alerter.close()
})
