import { expect, test } from 'vitest'
import { fuzzTelemetry } from './fuzz-telemetry.ts'

/** The short form; the long one is `node bench/fuzz.ts --telemetry --minutes 10`. */
const REQUESTS = 80

test('whatever is sent as telemetry, everybody else is counted, nothing acknowledged is lost, and every total is exact', async () => {
  const { requests, answers, faults } = await fuzzTelemetry(1, (sent) => sent >= REQUESTS)
  expect(faults).toEqual([])
  expect(requests).toBe(REQUESTS)
  for (const path of ['/v1/traces', '/v1/logs', '/v1/metrics', '/v1/outcomes'])
    expect(answers[path], path).toBeDefined()
}, 120_000)
