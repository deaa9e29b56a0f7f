import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { attribute, metric, outcomeEvent } from '../agent/names.ts'
import { spansIn, startReceiver } from './fixtures.ts'

const run = promisify(execFile)
const ROOT = new URL('..', import.meta.url)
const page = (name: string) => readFile(new URL(`docs/${name}`, ROOT), 'utf8')

test('the TypeScript example of docs/agents.md runs as it stands, with the real SDK, and its spans arrive', async () => {
  const code = /```ts\n(.*?)```/s.exec(await page('agents.md'))![1]!
  const receiver = await startReceiver()
  try {
    await run(process.execPath, ['--input-type=module-typescript', '--eval', code], {
      cwd: ROOT,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
        OTEL_SERVICE_NAME: 'order-status',
        OTEL_RESOURCE_ATTRIBUTES: 'service.version=2026.11.2',
      },
    })
  } finally {
    receiver.close()
  }
  const spans = receiver.bodies('/v1/traces').flatMap(spansIn)
  expect(spans.map((span) => span.name).sort()).toEqual(['execute_tool create_case', 'invoke_agent order-status'])
  for (const { resource, attributes } of spans) {
    expect(resource).toMatchObject({ 'service.name': 'order-status', 'service.version': '2026.11.2' })
    expect(attributes).toMatchObject({
      'user.id': '+999 550 00017',
      'andon.intent': 'missing_parcel',
      'andon.channel': 'whatsapp',
    })
  }
})

test('docs/telemetry.md describes every name that the library emits, and no andon.* name that nobody knows', async () => {
  const text = await page('telemetry.md')
  const emitted = [...Object.values(attribute), ...Object.values(outcomeEvent), ...Object.values(metric)]
  expect(emitted.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  const described = new Set(text.match(/`andon\.[a-z_.]+`/g)?.map((name) => name.slice(1, -1)))
  expect([...described].filter((name) => !(emitted as string[]).includes(name) && name !== 'andon.yaml')).toEqual([])
})

test('the library imports nothing but @opentelemetry/api and itself', async () => {
  for (const file of ['index', 'andon', 'action', 'outcome', 'counters', 'failure', 'values', 'names']) {
    const source = await readFile(new URL(`agent/${file}.ts`, ROOT), 'utf8')
    const imported = [...source.matchAll(/from '([^']+)'/g)].map((match) => match[1]!)
    expect(imported.filter((name) => name !== '@opentelemetry/api' && !name.startsWith('./'))).toEqual([])
  }
})
