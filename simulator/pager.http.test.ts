import { createHmac } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { manualClock } from '../lib/clock.ts'
import { type Paged, startPager } from './pager.http.ts'

const SECRET = 'the key that Grafana signs with'
const NOW_MS = Date.UTC(2026, 10, 20, 14, 30)
/** As Grafana's webhook tells a group of alerts, as far as it matters here. */
const ALERTS = {
  status: 'firing',
  alerts: [
    {
      status: 'firing',
      labels: { alertname: 'Release is being paused', agent: 'crm-hygiene', release: '4.2.1' },
      annotations: { summary: 'crm-hygiene 4.2.1 is being paused' },
    },
    { status: 'resolved', labels: { alertname: 'Nothing is counted' }, annotations: {} },
  ],
}

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start() {
  const paged: Paged[] = []
  const pager = await startPager({
    secret: SECRET,
    clock: manualClock(NOW_MS),
    onPaged: (page) => paged.push(page),
  })
  closing.push(pager.close)
  return { url: pager.url, paged }
}

/** Signs as Grafana does: hexadecimal HMAC-SHA256 over timestamp, ":" and body. */
async function post(url: string, body: string, { secret = SECRET, atMs = NOW_MS, path = '' } = {}): Promise<number> {
  const timestamp = String(Math.floor(atMs / 1000))
  const signature = createHmac('sha256', secret).update(`${timestamp}:${body}`).digest('hex')
  const headers = { 'x-grafana-alerting-signature': signature, 'x-grafana-alerting-timestamp': timestamp }
  return (await fetch(url + path, { method: 'POST', body, headers })).status
}

test('what Grafana signs is taken, alert by alert', async () => {
  const { url, paged } = await start()
  expect(await post(url, JSON.stringify(ALERTS))).toBe(200)
  expect(paged).toEqual([
    { status: 'firing', alert: 'Release is being paused', summary: 'crm-hygiene 4.2.1 is being paused' },
    { status: 'resolved', alert: 'Nothing is counted', summary: '' },
  ])
})

test('what nobody signed, another key, an old page, and what is no alert are refused', async () => {
  const { url, paged } = await start()
  const body = JSON.stringify(ALERTS)
  expect((await fetch(url, { method: 'POST', body })).status).toBe(401)
  expect(await post(url, body, { secret: 'another' })).toBe(401)
  expect(await post(url, body, { atMs: NOW_MS - 6 * 60_000 })).toBe(401)
  expect(await post(url, '{"alerts": 1}')).toBe(400)
  expect(await post(url, 'no JSON')).toBe(400)
  expect(await post(url, body, { path: '/elsewhere' })).toBe(404)
  expect(paged).toEqual([])
})
