import { expect, test } from 'vitest'
import { aPager, createWorld, MINUTE, START_MS } from '../alerts/fixtures.ts'
import type { ReleaseView, TriggerView } from '../facts/overview.ts'
import { silentFindings, withSilence } from './silence.ts'

const HOUR_MS = 3_600_000
const NOW_MS = Date.UTC(2026, 0, 5, 12)

const trigger = (finding: TriggerView['finding']): TriggerView => ({
  trigger: 't',
  signal: 's',
  title: 'S',
  action: 'pause',
  shadow: false,
  finding,
  reason: 'as before',
  trials: 100,
  hits: 1,
  rate: 0.01,
  low: 0,
  high: 0.05,
  baseline: 0.02,
  limit: 0.02,
  logE: 0,
  logThreshold: 4.6,
})
const view = (lastContactMs: number, perHour: number, over: Partial<ReleaseView> = {}): ReleaseView => ({
  release: { environment: 'production', agent: 'a', release: 'r' },
  state: 'live',
  judged: true,
  contacts: 1000,
  identified: 900,
  firstContactMs: 0,
  lastContactMs,
  logE: 0,
  logThreshold: 4.6,
  triggers: [trigger('clear')],
  slices: [],
  contactsPerHour: Array.from({ length: 24 }, () => perHour),
  ...over,
})

test.each([
  ['a busy release that fell silent an hour ago', view(NOW_MS - HOUR_MS, 60), 'no_data'],
  ['a busy release whose last contact was a minute ago', view(NOW_MS - 60_000, 60), 'clear'],
  ['a slow release that is quiet for five of its usual gaps', view(NOW_MS - 5 * HOUR_MS, 1), 'clear'],
  ['a slow release that is quiet for a day', view(NOW_MS - 24 * HOUR_MS, 1), 'no_data'],
  ['a release with too few contacts to know its usual gap', view(NOW_MS - 10 * HOUR_MS, 0.5), 'clear'],
  ['a paused release: silence is what was asked for', view(NOW_MS - 5 * HOUR_MS, 60, { state: 'paused' }), 'clear'],
  ['a release that nobody judges', view(NOW_MS - 5 * HOUR_MS, 60, { judged: false }), 'clear'],
])('%s is told as %3$s', (_, seen, finding) => {
  expect(withSilence(seen, NOW_MS).triggers[0]!.finding).toBe(finding)
})

test('a breach stays a breach, however silent the release is, and silence says since when', () => {
  const silent = withSilence(
    view(NOW_MS - 3 * HOUR_MS, 60, { triggers: [trigger('breach'), trigger('watching')] }),
    NOW_MS,
  )
  expect(silent.triggers.map((one) => one.finding)).toEqual(['breach', 'no_data'])
  expect(silent.triggers[1]!.reason).toBe(
    'no contact for 3.0 h, where 1440 came in the day before: the release, or its telemetry, has fallen silent',
  )
})

const of = (agent: string, release: string, seen: ReleaseView): ReleaseView => ({
  ...seen,
  release: { environment: 'production', agent, release },
})
const silent = (agent: string, perHour = 60) => of(agent, 'r1', view(NOW_MS - 2 * HOUR_MS, perHour))
const lively = (agent: string, release = 'r1') => of(agent, release, view(NOW_MS - 1000, 60))
const told = (views: readonly ReleaseView[], sinceMs = 0) =>
  silentFindings(views, NOW_MS, sinceMs).map(({ release }) => `${release.agent} ${release.release}`)

test('people are told of an agent that fell silent while others go on', () => {
  expect(told([silent('a'), lively('b')])).toEqual(['a r1'])
  expect(silentFindings([silent('a')], NOW_MS, 0)[0]).toMatchObject({ action: 'notify', by: 'silence' })
})

test('a release whose traffic went to the next one is no news, nor what came while the monitor was off', () => {
  expect(told([silent('a'), lively('a', 'r2')])).toEqual([])
  expect(told([silent('a'), lively('b')], NOW_MS - 60_000)).toEqual([])
})

test('when everybody falls silent at once it is one piece of news, about the busiest, and names the telemetry', () => {
  const findings = silentFindings([silent('a', 20), silent('b', 90), silent('c', 30)], NOW_MS, 0)
  expect(findings.map(({ release }) => release.agent)).toEqual(['b'])
  expect(findings[0]!.reason).toContain('the 2 other agents, so look at the telemetry pipeline first')
})

test('one silence is one incident that pauses nothing, also when it is found again after the incident is closed', async () => {
  const world = createWorld({ targets: [aPager()] })
  const [finding] = silentFindings([of('a', 'r1', view(START_MS - 60 * MINUTE, 60))], START_MS, 0)
  expect(await world.alerter.handle(finding!)).toMatchObject({ does: 'open', reason: 'notify_only', pause: false })
  await world.run(MINUTE)
  expect(world.received).toHaveLength(1)
  const { data } = JSON.parse(world.received[0]!.body)
  expect(data).toMatchObject({ reason: 'notify_only', evidence: { falsePauseProbability: null } })
  expect(data.summary).toContain('has fallen silent')
  const { incidentId } = world.incident()!
  const person = { by: 'Ada', reason: 'a holiday' }
  await world.alerter.decideOn(incidentId, { does: 'close', verdict: 'false_alarm', isRetired: false, ...person })
  expect(await world.alerter.handle(finding!)).toMatchObject({ does: 'nothing' })
  await world.run(MINUTE)
  expect(world.restarted).toEqual([])
})
