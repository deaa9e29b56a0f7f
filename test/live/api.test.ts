import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OpenFeature } from '@openfeature/server-sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Serving, startServing } from './serving.ts'

/** `andon serve` as users run it, with a token for each role, one of them expired. */
const SECRETS = {
  CI: 'a-token-of-the-pipeline-0001',
  BOARDS: 'a-token-of-the-boards-0002',
  EXPORTERS: 'a-token-of-the-exporters-0003',
  OLD: 'a-token-of-last-year-0004',
}
const folder = mkdtempSync(join(tmpdir(), 'andon-api-'))
let serving: Serving
beforeAll(async () => {
  const config = join(folder, 'andon.yaml')
  writeFileSync(
    config,
    `store: { path: ${folder}/data/store }
receive: { port: 0 }
page: { port: 0 }
api:
  tokens:
    - { name: ci, role: operate, secret: { env: CI } }
    - { name: boards, role: read, secret: { env: BOARDS } }
    - { name: exporters, role: ingest, secret: { env: EXPORTERS } }
    - { name: old, role: admin, secret: { env: OLD }, expires: 2026-01-01T00:00:00Z }
`,
  )
  serving = await startServing(config, SECRETS)
})
afterAll(async () => {
  serving.process.kill('SIGTERM')
  await serving.ended
  rmSync(folder, { recursive: true, force: true })
})

const as = (token: string) => ({ authorization: `Bearer ${token}` })
const read = (token?: string, path = '/api/v1/releases') =>
  fetch(serving.page + path, token ? { headers: as(token) } : {})
const send = (token?: string) =>
  fetch(`${serving.receive}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && as(token)) },
    body: '{"resourceSpans":[]}',
  })
const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code

test('each token opens what its role says, on page, API and receiver', async () => {
  expect((await read()).status).toBe(401)
  expect((await read(SECRETS.BOARDS)).status).toBe(200)
  expect((await read(SECRETS.CI, '/metrics')).status).toBe(200)
  expect(await codeOf(await read(SECRETS.EXPORTERS))).toBe('forbidden')
  expect(await codeOf(await read(SECRETS.OLD))).toBe('token_expired')
  expect((await send()).status).toBe(401)
  expect((await send(SECRETS.EXPORTERS)).status).toBe(200)
  const refused = await send(SECRETS.BOARDS)
  expect([refused.status, await refused.text()]).toEqual([401, expect.stringContaining('needs the role ingest')])
})

test("the key beside the store is its owner's alone, and opens the API without any setup", async () => {
  const file = join(folder, 'data/api.key')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect((await read(readFileSync(file, 'utf8').trim())).status).toBe(200)
})

test('the stop switch is asked with the SDK and a token', async () => {
  const headers: [string, string][] = [['authorization', `Bearer ${SECRETS.BOARDS}`]]
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: serving.page, headers }))
  const asked = await OpenFeature.getClient().getBooleanDetails('andon.serving', false, { agent: 'a', release: 'r1' })
  expect(asked).toMatchObject({ value: true, variant: 'serving', reason: 'STATIC' })
  await OpenFeature.clearProviders()
})

test('the documentation that is served is the one in the repository', async () => {
  const file = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')
  expect(await (await read(SECRETS.BOARDS, '/api/v1/openapi.json')).json()).toEqual(JSON.parse(file))
})

test('what the API answers is counted by route and status', async () => {
  await read(SECRETS.BOARDS)
  const metrics = await (await read(SECRETS.BOARDS, '/metrics')).text()
  expect(metrics).toMatch(/^andon_api_answers_total\{route="listReleases",status="200"\} [1-9]/m)
  expect(metrics).toMatch(/^andon_api_answer_seconds_count\{route="listReleases"\} [1-9]/m)
})
