import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { mounted } from '../api/fixtures.ts'
import type { Overview } from '../facts/overview.ts'
import { manualClock, wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { aBadDay, anEmptyDay } from './fixtures.ts'
import { type Page, type PageOptions, startPage } from './serve.http.ts'
import { createLook, createStream } from './stream.http.ts'

const running: Page[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((page) => page.close()))
})

/** A page on a free port of loopback, over what a test may change. */
async function start({ token, ...options }: Partial<PageOptions> & { token?: string } = {}) {
  const seen = { overview: aBadDay(), looks: 0 }
  const look = async () => {
    seen.looks += 1
    return seen.overview
  }
  const { host, overview, clock } = { host: options.listen?.host, overview: look, ...options }
  const page = await startPage({
    listen: { host: '127.0.0.1', port: 0 },
    ...mounted({ host, token, overview, clock }),
    overview: look,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'andon_up 1\n' }),
    health: async () => ({ ready: true, live: true, checks: { store: { ok: true, detail: 'answers' } } }),
    clock: wallClock,
    log: silentLog,
    ...options,
  })
  running.push(page)
  return { ...page, seen }
}

type Answer = { status: number; headers: IncomingHttpHeaders; body: string }

/** A request as it stands: nothing normalises the path or the Host header, unlike fetch. */
function ask(
  url: string,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, agent: false, ...options }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    request.on('error', reject).end()
  })
}

/** Events of the stream as they come, until `enough` of them are there. */
async function listenTo(url: string, enough: (events: readonly string[]) => boolean): Promise<string[]> {
  const leave = new AbortController()
  const response = await fetch(`${url}/api/v1/stream`, { signal: leave.signal })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  let text = ''
  const events = () => text.split('\n\n').slice(0, -1)
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (enough(events())) break
  }
  leave.abort()
  return events()
}

describe('what is served', () => {
  test('the page and everything that it names come from here, each with its type', async () => {
    const { url } = await start()
    const page = await ask(url, '/')
    expect(page.status).toBe(200)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    const linked = [...page.body.matchAll(/(?:src|href)="(\/[\w.-]+\.\w+)"/g)].map(([, path]) => path!)
    expect(linked).toEqual(expect.arrayContaining(['/page.css', '/page.js', '/icon.svg']))
    const modules = new Set(linked)
    for (const path of modules) {
      const file = await ask(url, path)
      expect([path, file.status]).toEqual([path, 200])
      for (const [, imported] of file.body.matchAll(/from '\.(\/[\w-]+\.js)'/g)) modules.add(imported!)
    }
    expect(modules).toContain('/words.js')
  })

  test.each(['/', '/page.js', '/api/v1/overview', '/metrics', '/readyz', '/nowhere'])(
    '%s carries the security headers',
    async (path) => {
      const { url } = await start()
      const { headers } = await ask(url, path)
      expect(headers['content-security-policy']).toContain("default-src 'self'")
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
      expect(headers['content-security-policy']).not.toContain('unsafe')
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['referrer-policy']).toBe('no-referrer')
      expect(headers['access-control-allow-origin']).toBeUndefined()
    },
  )

  test('the overview comes as it is, and 304 to whoever has it', async () => {
    const { url, seen } = await start()
    const first = await ask(url, '/api/v1/overview')
    expect(JSON.parse(first.body)).toEqual(aBadDay())
    const etag = first.headers.etag!
    seen.overview = { ...seen.overview, nowMs: seen.overview.nowMs + 1000 }
    const second = await ask(url, '/api/v1/overview', { headers: { 'if-none-match': `"other", ${etag}` } })
    expect(second).toMatchObject({ status: 304, body: '', headers: { etag } })
    seen.overview = { ...seen.overview, seq: seen.overview.seq + 1 }
    expect((await ask(url, '/api/v1/overview', { headers: { 'if-none-match': etag } })).status).toBe(200)
  })

  test('a static file is not sent twice', async () => {
    const { url } = await start()
    const { etag } = (await ask(url, '/page.css')).headers
    expect((await ask(url, '/page.css', { headers: { 'if-none-match': etag! } })).status).toBe(304)
  })

  test('a runbook opens from an alert on any telephone, without the token', async () => {
    const { url } = await start({ token: 'the token of the page' })
    const runbook = await ask(url, '/docs/runbooks/release-paused.md')
    expect([runbook.status, runbook.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(runbook.headers['content-security-policy']).toContain("default-src 'self'")
    for (const path of ['/page.css', '/documents.css', '/icon.svg', '/docs/'])
      expect([path, (await ask(url, path)).status]).toEqual([path, 200])
    for (const path of ['/', '/page.js', '/metrics', '/api/v1/overview', '/docs/nowhere.md'])
      expect([path, (await ask(url, path)).status]).toEqual([path, 401])
  })

  test('metrics are what the registry says', async () => {
    const { url } = await start()
    const { headers, body } = await ask(url, '/metrics')
    expect(headers['content-type']).toBe('text/plain; version=0.0.4')
    expect(body).toBe('andon_up 1\n')
  })

  test('an address of an incident, as webhooks give it, leads to the incident on the page', async () => {
    const { url } = await start()
    const { status, headers } = await ask(url, '/incidents/4be07cfd2c1a4f0f9d3be1a5c6e7f801')
    expect([status, headers.location]).toEqual([303, '/#incident-4be07cfd2c1a4f0f9d3be1a5c6e7f801'])
    expect((await ask(url, '/incidents/%0d%0aset-cookie:x')).status).toBe(404)
  })

  test('the address for telemetry is shown as text, whatever it holds', async () => {
    const { url } = await start({ collectorUrl: 'http://x:4318/"><script>$&' })
    const { body } = await ask(url, '/')
    expect(body).toContain('content="http://x:4318/&#34;&#62;&#60;script&#62;$&#38;"')
  })
})

describe('probes', () => {
  test('say why when it is not ready, and stay live', async () => {
    const checks = { store: { ok: false, detail: 'the store does not answer' } }
    const { url } = await start({ health: async () => ({ ready: false, live: true, checks }) })
    const ready = await ask(url, '/readyz')
    expect([ready.status, JSON.parse(ready.body)]).toEqual([503, { ready: false, live: true, checks }])
    expect(await ask(url, '/healthz')).toMatchObject({ status: 200, body: '{"live":true}\n' })
  })

  test('never take an unknown state for a healthy one', async () => {
    const { url } = await start({ health: () => Promise.reject(new Error('secret of the store')) })
    for (const path of ['/healthz', '/readyz']) {
      const { status, body } = await ask(url, path)
      expect(status).toBe(503)
      expect(body).not.toContain('secret')
    }
  })

  test('are open to whoever has no token, and tell them no details', async () => {
    const { url } = await start({ token: 'open-sesame' })
    expect(await ask(url, '/readyz')).toMatchObject({ status: 200, body: '{"ready":true}\n' })
    expect((await ask(url, '/readyz', { headers: { authorization: 'Bearer open-sesame' } })).body).toContain('answers')
  })
})

describe('what is refused', () => {
  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('%s, since the page only reads', async (method) => {
    const { url } = await start()
    const { status, headers, body } = await ask(url, '/metrics', { method })
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
    expect(body).toContain('only reads')
    expect(await ask(url, '/api/v1/overview', { method })).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD' },
    })
  })

  test('HEAD has the headers of GET and no body', async () => {
    const { url } = await start()
    const [head, get] = [await ask(url, '/', { method: 'HEAD' }), await ask(url, '/')]
    expect(head.body).toBe('')
    expect(head.headers['content-length']).toBe(get.headers['content-length'])
    expect((await ask(url, '/api/v1/stream', { method: 'HEAD' })).status).toBe(200)
  })

  test.each([
    '/../serve.http.ts',
    '/..%2fserve.http.ts',
    '/%2e%2e/serve.http.ts',
    '/page/../../package.json',
    '//etc/passwd',
    '/page.css/../tsconfig.json',
    '/tsconfig.json',
    '/format.test.ts',
    '/__proto__',
    'http://127.0.0.1/page.css',
    '/page.css%00',
  ])('%s reaches no file', async (path) => {
    const { url } = await start()
    const { status, body } = await ask(url, path)
    expect(status).toBe(404)
    expect(body).toMatch(/^nothing is at ".*"; there is \/, \/docs\/, \/api\/v1\/overview/)
  })

  test.each(['evil.example', '127.0.0.1.evil.example:80', 'localhost.evil.example', '0.0.0.0'])(
    'the host name %j: a foreign page cannot read this one by pointing its name at loopback',
    async (host) => {
      const { url } = await start()
      const { status, body } = await ask(url, '/api/v1/overview', { headers: { host } })
      expect(status).toBe(421)
      expect(body).not.toContain('releases')
    },
  )

  test.each(['localhost', 'LOCALHOST:8080', '127.0.0.1', '[::1]:4320', '127.0.0.2'])(
    'not the host name %s',
    async (host) => {
      const { url } = await start()
      expect((await ask(url, '/healthz', { headers: { host } })).status).toBe(200)
    },
  )

  test('a state that cannot be read is said to be so, without its cause', async () => {
    const { url } = await start({ overview: () => Promise.reject(new Error('secret of the store')) })
    const { status, headers, body } = await ask(url, '/api/v1/overview')
    expect([status, headers['retry-after']]).toEqual([503, '5'])
    expect(body).not.toContain('secret')
  })
})

describe('behind a token', () => {
  test('it does not listen beyond loopback without one, nor with an empty one', async () => {
    await expect(start({ listen: { host: '0.0.0.0', port: 0 } })).rejects.toThrow(
      'the page on 0.0.0.0 needs a bearer token',
    )
    await expect(start({ token: '' })).rejects.toThrow('empty')
  })

  test('a port that is taken is named', async () => {
    const { url } = await start()
    const port = Number(new URL(url).port)
    await expect(start({ listen: { host: '127.0.0.1', port } })).rejects.toThrow(`127.0.0.1:${port}: another program`)
  })

  test('only the right one opens data, metrics, page and files', async () => {
    const { url } = await start({ listen: { host: '0.0.0.0', port: 0 }, token: 'open-sesame' })
    const here = url.replace('0.0.0.0', '127.0.0.1')
    for (const path of ['/', '/page.js', '/api/v1/overview', '/api/v1/stream', '/metrics', '/nowhere']) {
      for (const authorization of ['', 'Bearer open-sesamf', 'Bearer open-sesame2', 'Basic open-sesame']) {
        const { status, headers, body } = await ask(here, path, { headers: { authorization } })
        expect([path, status, headers['www-authenticate']]).toEqual([path, 401, 'Bearer'])
        expect(body).not.toContain('sesame')
      }
    }
    const allowed = { headers: { authorization: 'Bearer open-sesame', host: 'andon.internal' } }
    expect((await ask(here, '/api/v1/overview', allowed)).status).toBe(200)
  })

  test('a browser swaps it once for a cookie that does not hold it', async () => {
    const { url } = await start({ token: 'open-sesame' })
    expect((await ask(url, '/?token=wrong')).status).toBe(401)
    expect((await ask(url, '/api/v1/overview?token=open-sesame')).status).toBe(401)
    const { status, headers } = await ask(url, '/?token=open-sesame')
    expect([status, headers.location]).toEqual([303, '/'])
    const [cookie] = headers['set-cookie']!
    expect(cookie).toMatch(/^andon_page=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Lax$/)
    const pair = cookie!.split(';', 1)[0]!
    expect((await ask(url, '/api/v1/overview', { headers: { cookie: `a=b; ${pair}` } })).status).toBe(200)
    expect((await ask(url, '/api/v1/overview', { headers: { cookie: `${pair.slice(0, -1)}x` } })).status).toBe(401)
    const encrypted = await ask(url, '/?token=open-sesame', { headers: { 'x-forwarded-proto': 'https' } })
    expect(encrypted.headers['set-cookie']![0]).toContain('; Secure')
  })
})

describe('the stream', () => {
  test('tells the state at once, and again when it changed', async () => {
    const { url, seen } = await start()
    const events = await listenTo(url, (events) => {
      seen.overview = { ...anEmptyDay(), seq: 7 }
      return events.filter((event) => event.startsWith('event: overview')).length === 2
    })
    const shown = events
      .filter((event) => event.startsWith('event: overview'))
      .map((event) => event.split('data: ')[1]!)
    expect(shown.map((json) => (JSON.parse(json) as Overview).seq)).toEqual([aBadDay().seq, 7])
  })

  test('asks the monitor once a second for all listeners together', async () => {
    const clock = manualClock(0)
    const { url, seen } = await start({ clock })
    const leaving = new AbortController()
    const first = await fetch(`${url}/api/v1/stream`, { signal: leaving.signal })
    const second = await fetch(`${url}/api/v1/stream`, { signal: leaving.signal })
    expect(seen.looks).toBe(1)
    await clock.advance(999)
    expect(seen.looks).toBe(1)
    await clock.advance(2_001)
    expect(seen.looks).toBe(4)
    leaving.abort()
    await Promise.allSettled([first.text(), second.text()])
  })

  test('has a bound on its listeners, and names another way', async () => {
    const { url } = await start({ maxListeners: 1 })
    const leaving = new AbortController()
    const first = await fetch(`${url}/api/v1/stream`, { signal: leaving.signal })
    expect(await ask(url, '/api/v1/stream')).toMatchObject({
      status: 503,
      body: expect.stringContaining('/api/v1/overview'),
    })
    leaving.abort()
    await first.text().catch(() => {})
    await expect.poll(async () => (await ask(url, '/api/v1/stream', { method: 'HEAD' })).status).toBe(200)
    expect((await listenTo(url, (events) => events.length > 1)).length).toBeGreaterThan(1)
  })

  test('ends when the page closes', async () => {
    const page = await start()
    const response = await fetch(`${page.url}/api/v1/stream`)
    await page.close()
    expect(await response.text()).toContain('event: overview')
  })

  /** A listener that can be told to read slowly, on simulated time. */
  function aListener() {
    const written: string[] = []
    const response = {
      writableNeedDrain: false,
      on: () => response,
      writeHead: () => response,
      write: (text: string) => written.push(text.split('\n', 1)[0]!),
      end: () => {},
    }
    return { response: response as never, written, stall: (on: boolean) => (response.writableNeedDrain = on) }
  }

  test('is heard every few seconds when nothing changes, and says when the state cannot be read', async () => {
    const clock = manualClock(0)
    let answer: () => Promise<Overview> = async () => aBadDay()
    const stream = createStream({ look: createLook(() => answer(), clock), maxListeners: 9, clock, log: silentLog })
    const { response, written } = aListener()
    stream.join(response, {})
    await new Promise(setImmediate) // the first look has come back
    await clock.advance(5_000)
    expect(written).toEqual(['retry: 2000', 'event: overview', 'event: alive'])
    answer = () => Promise.reject(new Error('gone'))
    await clock.advance(2_000)
    expect(written.slice(3)).toEqual(['event: trouble'])
    answer = () => new Promise(() => {}) // hangs: after 10 s that is trouble too
    await clock.advance(30_000)
    expect(written.slice(4)).toEqual([])
    answer = async () => aBadDay()
    await clock.advance(12_000)
    expect(written.slice(4)).toContain('event: overview')
    stream.close()
  })

  test('keeps nothing for a listener that does not read', async () => {
    const clock = manualClock(0)
    let seq = 0
    const look = createLook(async () => ({ ...anEmptyDay(), seq: ++seq }), clock)
    const stream = createStream({ look, maxListeners: 9, clock, log: silentLog })
    const { response, written, stall } = aListener()
    stream.join(response, {})
    await new Promise(setImmediate) // the first look has come back
    await clock.advance(1_000)
    stall(true)
    await clock.advance(60_000)
    expect(written).toHaveLength(3)
    stall(false)
    await clock.advance(1_000)
    expect(written).toHaveLength(4)
    stream.close()
  })
})
