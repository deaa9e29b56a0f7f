import { expect, test } from 'vitest'
import { DEFAULT_CONFIG, parseConfig, triggersOf } from '../config.ts'
import { writtenBaselineOf } from '../detectors/baseline.ts'
import { explainConfig, explanationOf, givenTraffic } from './check.ts'
import { powerOf } from './power.ts'

const explained = (text: string) => explanationOf(parseConfig(text, 'andon.yaml'))
const warningsOf = (text: string) => explained(text).warnings.join('\n')

const ENFORCING =
  'targets:\n  - { name: p, url: "https://user.example/secret-path", secret: { env: HOOK }, enforces: true }\n'
const pausing = (baseline: number, more = '') =>
  `triggers:\n  - { name: t, signal: failed_updates, baseline: ${baseline}, action: pause, trafficGoesTo: human queue${more} }\n`

test('a sound configuration is explained without a warning', () => {
  const explanation = explained(ENFORCING + pausing(0.02))
  expect(explanation.warnings).toEqual([])
  expect(explanation.triggers).toMatchObject([
    {
      trigger: 't',
      action: 'pause',
      trafficGoesTo: 'human queue',
      weight: 1,
      alpha: 0.01,
      limit: 0.02,
      judges: 'every release',
    },
  ])
  expect(explanation.targets).toMatchObject([
    { name: 'p', secret: 'environment variable HOOK', enforces: true, takes: ['pause', 'rollback', 'resume'] },
  ])
})

test.each([
  ['', 'breaches are told to people only'],
  ['', 'There is no target'],
  [pausing(0.02), "a pause by 't' reaches nobody"],
  [ENFORCING + pausing(0.02, ', shadow: true'), 'No trigger can pause'],
  [ENFORCING.replace('enforces: true', 'enforces: true, escalation: true') + pausing(0.02), 'held in reserve'],
  [`${ENFORCING + pausing(0.02)}safety: { observeOnly: true }`, 'observeOnly is on'],
  [`${ENFORCING + pausing(0.02)}safety: { pauses: { max: 0 } }`, 'pauses.max is 0'],
  [`${ENFORCING + pausing(0.02)}judge: { environments: [] }`, 'nothing is judged'],
  [`${ENFORCING + pausing(0.02)}judge: { alpha: 0.1 }`, 'of 100 healthy releases, up to 10 are paused'],
  [ENFORCING + pausing(0.02, ', weight: 0.5'), 'The weights sum to 0.500'],
  [ENFORCING + pausing(0.00001), "'t' finds a doubling of 0.001 % only after about"],
])('%j warns: %s', (text, warning) => {
  expect(warningsOf(text)).toContain(warning)
})

test('a smaller share of alpha, a smaller rise and a rarer fault all need more contacts, and none undercuts the floor', () => {
  const powersOf = (text: string) => explained(ENFORCING + text).triggers[0]!.power
  const whole = powersOf(pausing(0.02))
  const half = powersOf(pausing(0.02, ', weight: 0.5'))
  const rare = powersOf(pausing(0.002))
  expect(whole.map((power) => power.ratio)).toEqual([1.25, 1.5, 2, 3, 5])
  whole.forEach((power, index) => {
    expect(power.medianTrials).toBeGreaterThan(power.floorTrials)
    expect(power.p90Trials).toBeGreaterThan(power.medianTrials!)
    expect(half[index]!.medianTrials).toBeGreaterThan(power.medianTrials!)
    expect(half[index]!.floorTrials).toBe(power.floorTrials)
    expect(rare[index]!.medianTrials).toBeGreaterThan(8 * power.medianTrials!)
    if (index > 0) expect(power.medianTrials).toBeLessThan(whole[index - 1]!.medianTrials!)
  })
})

test('a rise beyond 100 % is not told', () => {
  expect(explained(ENFORCING + pausing(0.4)).triggers[0]!.power.map((power) => power.ratio)).toEqual([1.25, 1.5, 2])
})

test('the words and the JSON say the same, and neither holds an address beyond its host', () => {
  const config = parseConfig(ENFORCING + pausing(0.02), 'andon.yaml')
  const [words, json] = [explainConfig(config, { json: false }), explainConfig(config, { json: true })]
  expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(explanationOf(config))))
  expect(words).toContain('traffic goes to: human queue')
  expect(words).toContain(explanationOf(config).triggers[0]!.power[1]!.medianTrials!.toLocaleString('en-US'))
  expect(words + json).not.toContain('secret-path')
})

test('the defaults are explained too: they notify, each alone', () => {
  const { triggers } = explanationOf(DEFAULT_CONFIG)
  expect(triggers.map((trigger) => [trigger.action, trigger.weight])).toEqual(Array(4).fill(['notify', null]))
})

test('with a traffic, each rise has its hours; a delayed signal takes longer than its contacts; a life that is too short is warned about', () => {
  const text = `${ENFORCING}triggers:
  - { name: failed, signal: failed_updates, baseline: 0.02, action: pause, trafficGoesTo: people, weight: 0.5 }
  - { name: repeats, signal: repeat_contacts, baseline: 0.12, action: pause, trafficGoesTo: people, weight: 0.5 }\n`
  const config = parseConfig(text, 'andon.yaml')
  const plan = { traffic: givenTraffic(config, 60), lifeDays: 14 }
  const [failed, repeats] = explanationOf(config, plan).triggers
  const double = failed!.power.find((power) => power.ratio === 2)!
  expect(double.medianHours).toBeCloseTo(double.medianTrials! / 60, 9)
  expect(double.medianContacts).toBe(double.medianTrials)
  const half = repeats!.power.find((power) => power.ratio === 1.5)!
  expect(half.medianHours! * 60).toBeGreaterThan(half.medianTrials!)
  expect(half.p90Hours).toBeGreaterThan(half.medianHours!)
  expect(half.medianHours).toBeGreaterThan(half.floorHours!)
  expect(half.medianHours).toBeLessThan(48)
  const slow = { traffic: givenTraffic(config, 0.2), lifeDays: 3 }
  expect(explanationOf(config, slow).warnings.join()).toContain("'failed' can hardly ever fire within 3 days")
  expect(explainConfig(config, { json: false, plan })).toContain('With 60 contacts an hour')
})

test('a ceiling says how often a healthy release crosses it', () => {
  const of = (rate: number) =>
    explained(ENFORCING + pausing(0.02, `, ceiling: { rate: ${rate}, minTrials: 50 }`)).triggers[0]!.ceiling!
  expect(of(0.04).falsePauses).toBeGreaterThan(0.5)
  expect(of(0.2).falsePauses).toBeLessThan(0.001)
})

test('a doubling within two arms costs more contacts than against a known rate: 2.3 times at an even split', () => {
  const config = parseConfig(ENFORCING + pausing(0.02), 'andon.yaml')
  const [trigger] = triggersOf(config)
  const traffic = { contactsPerHour: 100, trialsPerHour: 100, baseline: null }
  const known = powerOf(trigger!, traffic).find((power) => power.ratio === 2)!
  const concurrent = { ...writtenBaselineOf(trigger!, ''), mode: 'concurrent' as const, against: 'r1' }
  const arms = powerOf(trigger!, { ...traffic, baseline: concurrent }).find((power) => power.ratio === 2)!
  expect(arms.medianTrials! / known.medianTrials!).toBeGreaterThan(2)
  expect(arms.medianTrials! / known.medianTrials!).toBeLessThan(2.5)
})
