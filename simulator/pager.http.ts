import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { close, listen } from '../lib/door.http.ts'
import { bodyOf } from './platform.http.ts'

/** One alert as on-call is told. */
export type Paged = Readonly<{ status: string; alert: string; summary: string }>

export type Pager = Readonly<{ url: string; close: () => Promise<void> }>

const TOLERANCE_S = 5 * 60
const PATH = '/alerts'

/** The part of Grafana's webhook that a pager needs. */
const told = z.object({
  alerts: z.array(
    z.object({
      status: z.string(),
      labels: z.object({ alertname: z.string() }),
      annotations: z.object({ summary: z.string().default('') }),
    }),
  ),
})

/**
 * The pager of the demo's on-call: takes what Grafana's alerting posts and checks who sent it (dashboards/provisioning/alerting/andon-contact-points.yaml).
 * 401 bad signature or time, 400 no alerts, 404 another path.
 */
export async function startPager(options: {
  /** The key of the HMAC. */
  secret: string
  clock: Clock
  /** Default 127.0.0.1. */
  host?: string
  /** 0: any free port. */
  port?: number
  onPaged: (paged: Paged) => void
}): Promise<Pager> {
  const server = createServer(async (request, response) => {
    response.writeHead(await statusOf(request, options)).end()
  })
  const { host = '127.0.0.1', port = 0 } = options
  const url = await listen(server, { host, port }, 'the pager')
  return { url: `${url}${PATH}`, close: () => close(server) }
}

async function statusOf(
  request: IncomingMessage,
  { secret, clock, onPaged }: Parameters<typeof startPager>[0],
): Promise<number> {
  if (request.method !== 'POST' || request.url !== PATH) return 404
  const body = await bodyOf(request).catch(() => null)
  if (body === null) return 400
  if (!verifies(request.headers, body, secret, clock.nowMs())) return 401
  const { data, success } = told.safeParse(jsonOf(body))
  if (!success) return 400
  for (const { status, labels, annotations } of data.alerts)
    onPaged({ status, alert: labels.alertname, summary: annotations.summary })
  return 200
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

/** Hexadecimal HMAC-SHA256 over timestamp, ":" and body, in constant time; at most five minutes old. */
function verifies(headers: IncomingHttpHeaders, body: Buffer, secret: string, nowMs: number): boolean {
  const { 'x-grafana-alerting-signature': signature, 'x-grafana-alerting-timestamp': timestamp } = headers
  if (typeof signature !== 'string' || typeof timestamp !== 'string' || !/^\d+$/.test(timestamp)) return false
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > TOLERANCE_S) return false
  const wanted = createHmac('sha256', secret).update(`${timestamp}:`).update(body).digest()
  const given = Buffer.from(signature, 'hex')
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
