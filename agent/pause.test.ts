import { createServer } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { mounted, startApi } from '../api/fixtures.ts'
import { tokenOf } from '../api/tokens.ts'
import { aFinding, anEmptyDay, anIncident } from '../dashboards/fixtures.ts'
import type { Incident } from '../facts/incident.ts'
import { type PauseFields, watchPause } from './pause.ts'

const running: { close: () => Promise<void> }[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.close()
})

const RELEASE = { environment: 'production', agent: 'order-status', release: 'r43' }
const aStop = (change: Partial<Incident> = {}): Incident => ({
  ...anIncident(aFinding({ release: RELEASE, trafficGoesTo: 'the human queue' })),
  incidentId: 'incident-1',
  state: 'paused',
  ...change,
})

/** A real API whose standing orders a test may change, and a watch on it whose clock the test moves. */
async function start(fields: Partial<PauseFields> = {}, token?: string) {
  const world = { incidents: [] as Incident[], nowMs: 0, questions: 0, errors: [] as string[] }
  const tokens = token ? [tokenOf({ name: 'agents', role: 'read', secret: token })] : []
  const { api } = mounted({ overview: async () => anEmptyDay(), incidents: () => world.incidents, tokens })
  const server = await startApi({
    answer: (request) => {
      world.questions += 1
      return api.answer(request)
    },
  })
  running.push(server)
  const watch = watchPause({
    endpoint: server.url,
    ...RELEASE,
    whenUnknown: 'serve',
    nowMs: () => world.nowMs,
    onUnknown: (error) => world.errors.push(error.message),
    ...fields,
  })
  return { ...watch, world, server }
}

describe('while the monitor answers', () => {
  test('a release serves until it is paused, and again when the pause is lifted', async () => {
    const { isPaused, ask, world } = await start({ refreshMs: 100 })
    expect(await isPaused()).toBe(false)
    world.incidents = [aStop()]
    world.nowMs += 100
    await new Promise((resolve) => setTimeout(resolve, 60)) // the API reads its standing orders every 50 ms
    expect(await ask()).toEqual({
      paused: true,
      because: 'stopped',
      incidentId: 'incident-1',
      trafficGoesTo: 'the human queue',
    })
    world.incidents = []
    world.nowMs += 100
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(await isPaused()).toBe(false)
  })

  test('it is asked once per refresh, however often and at once it is read', async () => {
    const { isPaused, world } = await start({ refreshMs: 1_000 })
    await Promise.all(Array.from({ length: 50 }, () => isPaused()))
    world.nowMs += 999
    await isPaused()
    expect(world.questions).toBe(1)
    world.nowMs += 1
    await Promise.all(Array.from({ length: 50 }, () => isPaused()))
    expect(world.questions).toBe(2)
  })

  test('a pause of one queue stops that queue alone', async () => {
    const { isPaused, world } = await start()
    world.incidents = [aStop({ scope: [{ channel: 'whatsapp', queue: 'orders' }] })]
    expect(await isPaused({ channel: 'whatsapp', queue: 'orders' })).toBe(true)
    expect(await isPaused({ channel: 'whatsapp', queue: 'returns' })).toBe(false)
    expect(await isPaused()).toBe(true)
  })

  test('behind a token it needs the right one', async () => {
    const withOne = await start({ token: 'a-token-for-agents' }, 'a-token-for-agents')
    withOne.world.incidents = [aStop()]
    expect(await withOne.isPaused()).toBe(true)
    const without = await start({ whenUnknown: 'stop' }, 'a-token-for-agents')
    expect((await without.ask()).because).toBe('unknown')
    expect(without.world.errors[0]).toContain('answered 401')
    expect(without.world.errors[0]).not.toContain('a-token-for-agents')
  })
})

describe('while the monitor is away', () => {
  test.each([
    ['serve', false],
    ['stop', true],
  ] as const)('and was never heard, it fails as configured: %s', async (whenUnknown, paused) => {
    const { ask, server, world } = await start({ whenUnknown })
    await server.close()
    expect(await ask()).toEqual({ paused, because: 'unknown', incidentId: '', trafficGoesTo: '' })
    expect(world.errors).toHaveLength(1)
  })

  test('the last "may serve" is trusted for a while, then it fails as configured', async () => {
    const { ask, server, world } = await start({ whenUnknown: 'stop', trustMs: 30_000 })
    expect((await ask()).because).toBe('serving')
    await server.close()
    world.nowMs = 29_999
    expect(await ask()).toMatchObject({ paused: false, because: 'serving' })
    world.nowMs = 30_000
    expect(await ask()).toMatchObject({ paused: true, because: 'unknown' })
  })

  test('a stop that was heard holds until it is lifted, whatever is configured', async () => {
    const { ask, server, world } = await start({ whenUnknown: 'serve' })
    world.incidents = [aStop()]
    expect((await ask()).paused).toBe(true)
    await server.close()
    world.nowMs = 24 * 3_600_000
    expect(await ask()).toMatchObject({ paused: true, because: 'stopped' })
  })

  test('a monitor that comes back is heard again', async () => {
    const { ask, server, world } = await start({ whenUnknown: 'serve' })
    await server.close()
    expect((await ask()).because).toBe('unknown')
    const { api } = mounted({ overview: async () => anEmptyDay(), incidents: () => [aStop()] })
    running.push(await startApi(api, Number(new URL(server.url).port)))
    world.nowMs += 1_000
    expect((await ask()).because).toBe('stopped')
  })

  test('one that hangs costs one timeout per refresh, not one per contact', async () => {
    let questions = 0
    const hanging = createServer(() => {}) // takes the question and never answers
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
    const close = async () => {
      hanging.closeAllConnections()
      hanging.close()
    }
    running.push({ close })
    const endpoint = `http://127.0.0.1:${(hanging.address() as { port: number }).port}`
    const counted: typeof fetch = (url, init) => {
      questions++
      return fetch(url, init)
    }
    const { isPaused } = await start({ endpoint, timeoutMs: 50, whenUnknown: 'stop', fetch: counted })
    expect(await Promise.all(Array.from({ length: 20 }, () => isPaused()))).not.toContain(false)
    await isPaused()
    expect(questions).toBe(1)
  })

  test.each([
    ['text', 'hello', 200],
    ['another JSON', '{"value":"yes"}', 200],
    ['an error page', '<html>', 502],
  ])('whatever else answers there is no answer: %s', async (_, body, status) => {
    const { ask } = await start({ whenUnknown: 'stop', fetch: async () => new Response(body, { status }) })
    expect(await ask()).toMatchObject({ paused: true, because: 'unknown' })
  })
})

test.each([
  [{ endpoint: 'andon' }, 'endpoint'],
  [{ release: '' }, 'release'],
  [{ whenUnknown: undefined }, 'whenUnknown'],
])('a watch that could not work is refused at the start: %o', (change, word) => {
  const fields = { endpoint: 'http://localhost:4320', ...RELEASE, whenUnknown: 'serve', ...change }
  expect(() => watchPause(fields as PauseFields)).toThrow(word)
})
