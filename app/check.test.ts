import { expect, test } from 'vitest'
import { DEFAULT_CONFIG, parseConfig } from '../config.ts'
import { explainConfig, explanationOf } from './check.ts'

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
    { name: 'p', secret: 'environment variable HOOK', enforces: true, takes: ['pause', 'rollback'] },
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
  const powerOf = (text: string) => explained(ENFORCING + text).triggers[0]!.power
  const whole = powerOf(pausing(0.02))
  const half = powerOf(pausing(0.02, ', weight: 0.5'))
  const rare = powerOf(pausing(0.002))
  expect(whole.map((power) => power.ratio)).toEqual([1.5, 2, 3, 5])
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
  expect(explained(ENFORCING + pausing(0.4)).triggers[0]!.power.map((power) => power.ratio)).toEqual([1.5, 2])
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
