import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig, signalsOf } from '../config.ts'
import { SIGNAL_LIBRARY } from '../detectors/signals/library.ts'
import { FIELDS, generated } from './generate.ts'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test.each(Object.entries(generated()))('%s is what docs/generate.ts writes', (path, text) => {
  expect(read(path), 'run: node docs/generate.ts').toBe(text)
})

test('the reference names every key of the schema, once', () => {
  const page = read('docs/configuration.md')
  for (const key of [
    'receive.port',
    'page.token',
    'store.retentionDays',
    'judge.alpha',
    'names.tools.*.recordKey',
    'signals[].evaluator',
    'triggers[].ageProfile.shares',
    'targets[].enforces',
    'safety.silences[].until',
  ])
    expect(page.split(`| \`${key}\` |`)).toHaveLength(2)
  const keys = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1])
  expect(new Set(keys).size).toBe(keys.length)
  expect(keys.length).toBeGreaterThan(80)
})

test('the page of signals names every signal of the library and every field of a condition', () => {
  const page = read('docs/signals.md')
  for (const signal of SIGNAL_LIBRARY) expect(page).toContain(`\`${signal.name}\``)
  for (const field of FIELDS) expect(page).toContain(`\`${field}\``)
})

test('the examples of the page of signals are valid', () => {
  const examples = [...read('docs/signals.md').matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1]!)
  expect(examples.length).toBeGreaterThan(0)
  for (const example of examples)
    expect(signalsOf(parseConfig(example, 'example')).map((signal) => signal.name)).toContain(
      parse(example).signals[0].name,
    )
})

test('every runbook that a signal names is there', () => {
  for (const signal of SIGNAL_LIBRARY)
    if (signal.runbook !== '')
      expect(existsSync(new URL(`../${signal.runbook}`, import.meta.url)), signal.runbook).toBe(true)
})

test('links between pages lead somewhere', () => {
  for (const page of [
    'docs/configuration.md',
    'docs/signals.md',
    'docs/cli.md',
    'docs/kpis.md',
    'docs/recovery.md',
    'docs/drills.md',
    'docs/playbooks.md',
    'docs/webhooks.md',
    ...['failed-updates', 'duplicate-creations', 'repeat-contacts', 'complaints'].map(
      (name) => `docs/runbooks/${name}.md`,
    ),
  ])
    for (const [, link] of read(page).matchAll(/\]\(([^)#]+)/g))
      if (!/^https?:/.test(link!))
        expect(existsSync(new URL(link!, new URL(`../${page}`, import.meta.url))), `${page}: ${link}`).toBe(true)
})
