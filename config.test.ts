import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { configJsonSchema, configSchema, DEFAULT_CONFIG, parseConfig, signalsOf, triggersOf } from './config.ts'
import { AndonError } from './lib/errors.ts'

/** The lines of the message with which a configuration is refused. */
function refusalsOf(text: string): string[] {
  try {
    parseConfig(text, 'andon.yaml')
  } catch (error) {
    expect(error).toBeInstanceOf(AndonError)
    expect((error as AndonError).code).toBe('config')
    return (error as AndonError).message.split('\n')
  }
  throw new Error('the configuration was accepted')
}

const trigger = (lines: string) =>
  `triggers:\n  - name: t\n    signal: failed_updates\n    baseline: 0.02\n${lines.replace(/^/gm, '    ')}`
const TARGET =
  'targets:\n  - name: platform\n    url: https://platform.example/pause\n    secret: { env: ANDON_WEBHOOK_SECRET }\n'

type Expected = readonly [line: number, path: string, ...says: string[]]

/** What is wrong, the configuration, and for every mistake: line, path, and what the message must say. */
const MISTAKES: readonly (readonly [what: string, text: string, ...mistakes: Expected[]])[] = [
  [
    'a word where a number belongs',
    'receive:\n  port: x',
    [2, 'receive.port', 'must be a whole number from 0 to 65535', 'found "x"'],
  ],
  ['a number that is too large', 'page: { port: 70000 }', [1, 'page.port', 'from 0 to 65535', 'found 70000']],
  [
    'a fraction where a whole number belongs',
    'store:\n  memoryMiB: 512.5',
    [2, 'store.memoryMiB', 'a whole number', 'found 512.5'],
  ],
  [
    'a share given in per cent',
    trigger('').replace('0.02', '2'),
    [4, 'triggers[0].baseline', 'above 0 and below 1', 'found 2'],
  ],
  [
    'a mistyped key',
    'receive:\n  prot: 4318',
    [2, 'receive.prot', 'no known key', 'did you mean port?', 'known: host, port, token'],
  ],
  ['a key that resembles nothing', 'colour: red', [1, 'colour', 'no known key', 'receive, page, store']],
  [
    'a mistyped word of a list',
    'log: { level: wran }',
    [1, 'log.level', 'debug, info, warn, error, silent', 'did you mean warn?', 'found "wran"'],
  ],
  ['a map where a list belongs', 'targets: { name: a }', [1, 'targets', 'must be a list', 'found a map']],
  ['a list where a map belongs', '- receive', [1, '(top level)', 'must be a map', 'found a list']],
  [
    'nothing where something is needed',
    'triggers:\n  - name: t\n    baseline: 0.1',
    [2, 'triggers[0].signal', 'is missing', 'Name of the signal'],
  ],
  [
    'a name with capitals',
    'triggers:\n  - name: My Trigger\n    signal: complaints\n    baseline: 0.1',
    [2, 'triggers[0].name', 'lower-case letters', 'found "My Trigger"'],
  ],
  [
    'a signal that is not in the library',
    'signals: [reopened_case]',
    [1, 'signals[0]', 'did you mean reopened_cases?', 'found "reopened_case"'],
  ],
  [
    'a signal of an unknown kind',
    'signals:\n  - name: x\n    title: X\n    evaluator: shar',
    [4, 'signals[0].evaluator', 'share, recurrence, attributed, measure, counters', 'did you mean share?'],
  ],
  [
    'a condition of a signal that mixes number and text',
    'signals:\n  - name: x\n    title: X\n    evaluator: share\n    hit:\n      - field: writes\n        is: [many]',
    [6, 'signals[0].hit[0].above', 'is missing'],
    [7, 'signals[0].hit[0].is', 'no known key', 'known: field, above'],
  ],
  [
    'a signal that lacks its parts',
    'signals:\n  - { name: x, title: X, evaluator: attributed }',
    [2, 'signals[0].outcome', 'complaint, correction, reopen'],
    [2, 'signals[0].windowHours', 'is missing', 'Window in hours'],
  ],
  ['one signal given twice', 'signals: [transfers, transfers]', [1, 'signals[1]', "'transfers' is given twice"]],
  [
    'a trigger on no signal',
    'triggers:\n  - { name: t, signal: complaint, baseline: 0.1 }',
    [2, 'triggers[0].signal', 'did you mean complaints?', 'found "complaint"'],
  ],
  [
    'a trigger on a signal that was not added',
    'triggers:\n  - { name: t, signal: transfers, baseline: 0.1 }',
    [2, 'triggers[0].signal', 'add it under signals'],
  ],
  [
    'two triggers of one name',
    `${trigger('')}\n  - { name: t, signal: complaints, baseline: 0.1 }`,
    [6, 'triggers[1].name', "'t' is used twice"],
  ],
  [
    'a pause that says nothing about traffic',
    trigger('action: pause'),
    [2, 'triggers[0].trafficGoesTo', 'must say where traffic goes', 'human queue'],
  ],
  [
    'weights that sum to more than one',
    'triggers:\n  - { name: a, signal: complaints, baseline: 0.1, action: pause, trafficGoesTo: people, weight: 0.7 }\n  - { name: b, signal: failed_updates, baseline: 0.1, action: pause, trafficGoesTo: people, weight: 0.6 }',
    [1, 'triggers', 'sum to 1.3', 'at most 1'],
  ],
  [
    'weights that leave nothing to the last trigger',
    'triggers:\n  - { name: a, signal: complaints, baseline: 0.1, action: pause, trafficGoesTo: people, weight: 1 }\n  - { name: b, signal: failed_updates, baseline: 0.1, action: pause, trafficGoesTo: people }',
    [1, 'triggers', "leave nothing to 'b'"],
  ],
  [
    'a limit of 100 % or more',
    trigger('tolerance: 9').replace('0.02', '0.2'),
    [5, 'triggers[0].tolerance', 'must be below 1'],
  ],
  [
    'an age profile for a signal without delay',
    trigger('ageProfile: { edgesHours: [0, 1], shares: [1] }'),
    [5, 'triggers[0].ageProfile', 'known within the contact'],
  ],
  [
    'an age profile of another window',
    trigger('ageProfile: { edgesHours: [0, 1, 24], shares: [0.5, 0.5] }').replace('failed_updates', 'repeat_contacts'),
    [5, 'triggers[0].ageProfile', 'ends at 24 h', '72 h'],
  ],
  [
    'a pause that no target enforces',
    `${TARGET}${trigger('action: pause\ntrafficGoesTo: people')}`,
    [1, 'targets', 'enforces: true', 'nothing would stop'],
  ],
  [
    'a rollback that the enforcing target does not take',
    `${TARGET}    enforces: true\n    on: [pause]\n${trigger('action: rollback\ntrafficGoesTo: previous release')}`,
    [1, 'targets', "takes 'rollback'"],
  ],
  [
    'an address and a reference to one',
    `${TARGET}    urlFrom: { file: url.txt }`,
    [3, 'targets[0].url', 'exactly one of url and urlFrom'],
  ],
  [
    'a silence that ends before it begins',
    'safety:\n  silences:\n    - { from: 2027-01-02T00:00:00Z, until: 2027-01-01T00:00:00Z }',
    [3, 'safety.silences[0].until', 'later than from'],
  ],
  [
    'a time without offset',
    'safety:\n  silences:\n    - { from: tomorrow, until: 2027-01-01T00:00:00Z }',
    [3, 'safety.silences[0].from', 'RFC 3339', 'found "tomorrow"'],
    [3, 'safety.silences[0].until', 'later than from'],
  ],
  [
    'a page beyond loopback without a token',
    'page: { host: 0.0.0.0 }',
    [1, 'page.host', 'a token is required', 'found "0.0.0.0"'],
  ],
  [
    'a receiver beyond loopback without a token',
    'receive: { host: 10.0.0.4 }',
    [1, 'receive.host', 'a token is required'],
  ],
  [
    'less retention than the longest window',
    'signals:\n  - { name: x, title: X, evaluator: attributed, outcome: complaint, windowHours: 1440 }',
    [1, 'store.retentionDays', 'at least 61'],
  ],
  [
    'a rule for a tool that does something unknown',
    'names:\n  tools:\n    "create_*": { action: insert }',
    [3, 'names.tools.create_*.action', 'create, update, merge, delete, read, transfer'],
  ],
  ['a text that is empty', 'store: { path: "" }', [1, 'store.path', 'not empty']],
]

test.each(MISTAKES as [string, string, ...Expected[]][])(
  '%s is refused with line, path, what was found and what is allowed',
  (_, text: string, ...mistakes: Expected[]) => {
    const refusals = refusalsOf(text)
    expect(refusals).toHaveLength(mistakes.length)
    mistakes.forEach(([line, path, ...says], index) => {
      expect(refusals[index]).toMatch(new RegExp(`^andon\\.yaml:${line} `))
      expect(refusals[index]).toContain(` ${path}: `)
      for (const words of says) expect(refusals[index]).toContain(words)
    })
  },
)

test('every mistake is told at once, in the order of the file', () => {
  const refusals = refusalsOf(
    'log: { level: loud }\nreceive:\n  port: -1\n  hots: x\ntriggers:\n  - { name: t, signal: complaints, baseline: 0.1, action: pause, wieght: 1 }\n',
  )
  expect(refusals.map((refusal) => refusal.split(': ')[0])).toEqual([
    'andon.yaml:1 log.level',
    'andon.yaml:3 receive.port',
    'andon.yaml:4 receive.hots',
    'andon.yaml:6 triggers[0].wieght',
    'andon.yaml:6 triggers[0].trafficGoesTo', // the unknown key beside it does not hide it
  ])
})

test('mistakes between keys are told beside mistakes of keys', () => {
  const refusals = refusalsOf(
    [
      'page: { host: 0.0.0.0 }',
      'store: { retentionDays: many }',
      'signals: [transfers, transfers]',
      'triggers:',
      '  - { name: a, signal: complaints, baseline: 2 }',
      '  - { name: b, signal: complaint, baseline: 0.1 }',
      '  - { name: c, signal: transfers }',
      '  - { name: b, signal: complaints, baseline: 0.1 }',
      '  - { name: d, signal: complaints, baseline: 0.9, tolerance: 1 }',
    ].join('\n'),
  )
  expect(refusals.map((refusal) => refusal.split(': ')[0])).toEqual([
    'andon.yaml:1 page.host',
    'andon.yaml:2 store.retentionDays',
    'andon.yaml:3 signals[1]',
    'andon.yaml:5 triggers[0].baseline',
    'andon.yaml:6 triggers[1].signal',
    'andon.yaml:7 triggers[2].baseline',
    'andon.yaml:8 triggers[3].name',
    'andon.yaml:9 triggers[4].tolerance',
  ])
})

test('what cannot be read is not held against the rest', () => {
  const refusals = refusalsOf(
    [
      'receive: { host: 0.0.0.0, token: hunter2 }', // a token, if a wrong one
      'signals: [{ name: slow, title: Slow, evaluator: shar }]',
      'targets: [{ name: platform, url: x, enforces: true, secret: { env: A } }]',
      'triggers: [{ name: a, signal: slow, baseline: 0.1, action: pause, trafficGoesTo: people }]',
    ].join('\n'),
  )
  expect(refusals.map((refusal) => refusal.split(': ')[0])).toEqual([
    'andon.yaml:1 receive.token',
    'andon.yaml:2 signals[0].evaluator',
    'andon.yaml:3 targets[0].url',
  ])
})

test.each([
  ['targets:\n  - { name: a, url: "https://x.example", secret: whsec_c2VjcmV0 }', 'targets[0].secret', 'whsec_'],
  ['targets:\n  - { name: a, url: "https://user:hunter2@x.example", secret: { env: A } }', 'targets[0].url', 'hunter2'],
  ['targets:\n  - { name: a, url: "https://x.example", secret: { value: hunter2 } }', 'targets[0].secret', 'hunter2'],
  ['receive: { token: hunter2 }', 'receive.token', 'hunter2'],
  ['page: { tokn: hunter2 }', 'page.tokn', 'hunter2'],
  ['identity: { secret: [hunter2] }', 'identity.secret', 'hunter2'],
])('a secret written into the configuration is refused and never repeated: %s', (text, path, secret) => {
  const refusals = refusalsOf(text).join('\n')
  expect(refusals).toContain(path)
  expect(refusals).not.toContain(secret)
})

test.each([
  ['a bad indent', 'receive:\n  port: 1\n host: x', 3],
  ['a key given twice', 'log: {}\nlog: {}', 2],
  ['an open bracket', 'signals: [transfers', 1],
])('what is no YAML is refused with its line: %s', (_, text, line) => {
  const [refusal] = refusalsOf(text)
  expect(refusal).toMatch(new RegExp(`^andon\\.yaml:${line} is not YAML: `))
})

test('a second document is refused with its line', () => {
  expect(refusalsOf('log: {}\n---\nlog: {}')).toEqual(['andon.yaml:2 begins a second YAML document; keep one'])
})

test('aliases that expand without bound are refused', () => {
  const bomb = [
    'a0: &a0 [x, x, x, x, x, x, x, x, x]',
    ...Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`),
  ].join('\n')
  expect(refusalsOf(bomb)[0]).toMatch(/alias/)
})

test('an empty file is the default configuration', () => {
  expect(parseConfig('', 'andon.yaml')).toEqual(DEFAULT_CONFIG)
  expect(parseConfig('# nothing\n', 'andon.yaml')).toEqual(DEFAULT_CONFIG)
})

test('a signal of the library or of your own joins the four; one of the same name replaces it', () => {
  const config = parseConfig(
    'signals:\n  - transfers\n  - { name: complaints, title: Complaints within a day, evaluator: attributed, outcome: complaint, windowHours: 24 }\n',
    'andon.yaml',
  )
  expect(signalsOf(config).map((signal) => signal.name)).toEqual([
    'failed_updates',
    'duplicate_creations',
    'repeat_contacts',
    'complaints',
    'transfers',
  ])
  expect(signalsOf(config).find((signal) => signal.name === 'complaints')?.title).toBe('Complaints within a day')
})

test('triggers that can pause share alpha, the others spend none of it', () => {
  const config = parseConfig(
    `${TARGET}    enforces: true\n${trigger('action: pause\ntrafficGoesTo: people\nweight: 0.4')}\n  - { name: u, signal: complaints, baseline: 0.1, action: pause, trafficGoesTo: people }\n  - { name: v, signal: complaints, baseline: 0.1 }`,
    'andon.yaml',
  )
  expect(triggersOf(config).map(({ weight }) => weight)).toEqual([0.4, 0.6, 1])
})

test('the example configuration is valid, for Andon and for an editor with the JSON Schema', async () => {
  const text = readFileSync(new URL('andon.example.yaml', import.meta.url), 'utf8')
  const config = parseConfig(text, 'andon.example.yaml')
  expect(triggersOf(config).length).toBeGreaterThanOrEqual(4)
  const { Ajv2020 } = await import('ajv/dist/2020.js')
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(configJsonSchema())
  expect(validate(parse(text)), JSON.stringify(validate.errors)).toBe(true)
  expect(validate({ receive: { prot: 1 } })).toBe(false)
})

test('the defaults that the documentation names are those that apply', () => {
  const visit = (schema: { properties?: object; default?: unknown; description?: string }, path: string[]): void => {
    for (const [key, inner] of Object.entries(schema.properties ?? {}) as [string, typeof schema][]) {
      const said = /Default ([^.]*(?:\.\d+)?)\.?$/.exec(inner.description ?? '')?.[1]
      if (said !== undefined && ['number', 'boolean'].includes(typeof inner.default))
        expect(said.split(/[:,; ]/)[0], [...path, key].join('.')).toBe(String(inner.default))
      visit(inner, [...path, key])
    }
  }
  visit(configJsonSchema(), [])
  expect(configSchema.parse({})).toEqual(DEFAULT_CONFIG)
})
