import { expect, test } from 'vitest'
import { manualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { drainMicrotasks, MINUTE, SECOND, START_MS } from './fixtures.ts'
import { heartbeatConfig, keepBeating } from './heartbeat.ts'
import type { Outcome, PostRequest } from './post.http.ts'

function startBeating(health: () => Promise<boolean>, outcome: () => Outcome = () => 'delivered') {
  const clock = manualClock(START_MS)
  const ending = new AbortController()
  const pings: { atSeconds: number; request: PostRequest }[] = []
  const told: string[] = []
  const done = keepBeating({
    url: 'https://deadman.example/secret-path',
    everyMs: MINUTE,
    allowPrivate: false,
    isHealthy: health,
    post: async (request) => {
      pings.push({ atSeconds: (clock.nowMs() - START_MS) / SECOND, request })
      return { outcome: outcome(), status: 200, retryAfterMs: 0, elapsedMs: 0 }
    },
    clock,
    log: silentLog,
    signal: ending.signal,
    onBeat: (how) => told.push(how),
  })
  const run = async (minutes: number) => {
    for (let minute = 0; minute < minutes; minute += 1) {
      await drainMicrotasks()
      await clock.advance(MINUTE)
    }
    await drainMicrotasks()
  }
  const stop = async () => {
    ending.abort()
    await done
  }
  return { pings, told, run, stop }
}

test('a healthy monitor pings at once and then every minute', async () => {
  const heart = startBeating(async () => true)
  await heart.run(3)
  expect(heart.pings.map((ping) => ping.atSeconds)).toEqual([0, 60, 120, 180])
  await heart.stop()
  await heart.run(2)
  expect(heart.pings).toHaveLength(4)
})

test('a monitor that is not healthy, or cannot tell, is silent until it is again', async () => {
  const health = [true, false, new Error('the store is gone'), true]
  const heart = startBeating(async () => {
    const now = health.shift() ?? true
    if (now instanceof Error) throw now
    return now
  })
  await heart.run(3)
  expect(heart.pings.map((ping) => ping.atSeconds)).toEqual([0, 180])
  expect(heart.told).toEqual(['delivered', 'skipped', 'skipped', 'delivered'])
  await heart.stop()
})

test('a ping that fails is left to the next one', async () => {
  const outcomes: Outcome[] = ['server_error', 'connection_failed', 'delivered']
  const heart = startBeating(
    async () => true,
    () => outcomes.shift() ?? 'delivered',
  )
  await heart.run(2)
  expect(heart.told).toEqual(['server_error', 'connection_failed', 'delivered'])
  await heart.stop()
})

test('a configuration with two addresses, none that is http, or a pulse too fast is refused', () => {
  expect(heartbeatConfig.safeParse({}).success).toBe(true)
  expect(heartbeatConfig.safeParse({ url: 'https://x.example/', urlFrom: { env: 'X' } }).success).toBe(false)
  expect(heartbeatConfig.safeParse({ url: 'file:///etc/passwd' }).success).toBe(false)
  expect(heartbeatConfig.safeParse({ url: 'https://x.example/', everySeconds: 1 }).success).toBe(false)
})
