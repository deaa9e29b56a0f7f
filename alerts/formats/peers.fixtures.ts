import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

/** Local peers that keep the published rules of the real ones: what breaks a rule gets the real refusal. */
export type Peer = Readonly<{
  url: string
  /** Bodies that were taken, in order. */
  taken: () => readonly unknown[]
  /** Why bodies were refused. */
  refused: () => readonly string[]
  answerWith: (...statuses: number[]) => void
  close: () => Promise<void>
}>

type Verdict = Readonly<{ status: number; body: string; refused?: string }>

async function startPeer(path: string, judge: (body: string, request: IncomingMessage) => Verdict): Promise<Peer> {
  const taken: unknown[] = []
  const refused: string[] = []
  const answers: number[] = []
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const status = answers.shift()
    if (status !== undefined) return void response.writeHead(status).end()
    const body = Buffer.concat(chunks).toString()
    const isRight = request.method === 'POST' && request.url === path
    const verdict = isRight
      ? judge(body, request)
      : { status: 404, body: 'not found', refused: `${request.method} ${request.url}` }
    if (verdict.refused === undefined) taken.push(JSON.parse(body))
    else refused.push(verdict.refused)
    response.writeHead(verdict.status, { 'content-type': 'text/plain' }).end(verdict.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    taken: () => taken,
    refused: () => refused,
    answerWith: (...statuses) => void answers.push(...statuses),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const text = (max: number) => z.string().min(1).max(max)
const address = (max: number) =>
  text(max).refine((url) => /^https?:\/\//.test(url) && URL.canParse(url), 'must be an http(s) address')

/** https://developer.pagerduty.com/docs/send-alert-event */
const pagerdutyEvent = z.strictObject({
  routing_key: z.string().regex(/^[0-9a-zA-Z]{32}$/),
  event_action: z.enum(['trigger', 'acknowledge', 'resolve']),
  dedup_key: text(255).optional(),
  payload: z
    .strictObject({
      summary: text(1024),
      source: text(1024),
      severity: z.enum(['critical', 'error', 'warning', 'info']),
      timestamp: z.iso.datetime({ offset: true }).optional(),
      component: text(1024).optional(),
      group: text(1024).optional(),
      class: text(1024).optional(),
      custom_details: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
  client: z.string().optional(),
  client_url: address(2048).optional(),
  links: z.array(z.strictObject({ href: address(2048), text: z.string().optional() })).optional(),
  images: z.array(z.unknown()).optional(),
})

const PAGERDUTY_BODY_MAX = 512 * 1024

export const startPagerDuty = (): Promise<Peer> =>
  startPeer('/v2/enqueue', (body) => {
    const fault = pagerdutyFault(body)
    if (fault === null) return { status: 202, body: JSON.stringify({ status: 'success', message: 'Event processed' }) }
    return { status: 400, body: JSON.stringify({ status: 'invalid event', errors: [fault] }), refused: fault }
  })

export function pagerdutyFault(body: string): string | null {
  if (Buffer.byteLength(body) > PAGERDUTY_BODY_MAX) return 'the event is longer than 512 KB'
  const parsed = pagerdutyEvent.safeParse(JSON.parse(body))
  if (!parsed.success) return z.prettifyError(parsed.error)
  const { event_action: action, dedup_key: key, payload } = parsed.data
  if (action === 'trigger' && !payload) return 'payload is required to trigger'
  return action !== 'trigger' && !key ? `dedup_key is required to ${action}` : null
}

/** Text of Slack: what follows a < that was not escaped is a link, a user or a whole channel. */
const slackText = (max: number, type: 'plain_text' | 'any' = 'any') =>
  z
    .strictObject({
      type: type === 'plain_text' ? z.literal('plain_text') : z.enum(['plain_text', 'mrkdwn']),
      text: text(max).refine((value) => !/[<>]|&(?!amp;|lt;|gt;)/.test(value), 'holds a character that is not escaped'),
      emoji: z.boolean().optional(),
    })
    .refine((object) => object.type === 'plain_text' || object.emoji === undefined, 'emoji is for plain_text only')

const button = z.strictObject({
  type: z.literal('button'),
  action_id: text(255),
  text: slackText(75, 'plain_text'),
  url: address(3000).optional(),
})
/** https://docs.slack.dev/reference/block-kit/blocks */
const slackMessage = z.strictObject({
  text: text(40_000).refine((value) => !/[<>]|&(?!amp;|lt;|gt;)/.test(value), 'holds a character that is not escaped'),
  mrkdwn: z.boolean().optional(),
  unfurl_links: z.boolean().optional(),
  blocks: z
    .array(
      z.discriminatedUnion('type', [
        z.strictObject({ type: z.literal('header'), text: slackText(150, 'plain_text') }),
        z.strictObject({ type: z.literal('section'), text: slackText(3000) }),
        z.strictObject({ type: z.literal('actions'), elements: z.array(button).min(1).max(25) }),
      ]),
    )
    .max(50)
    .refine((blocks) => {
      const ids = blocks.flatMap((block) =>
        block.type === 'actions' ? block.elements.map((one) => one.action_id) : [],
      )
      return new Set(ids).size === ids.length
    }, 'an action_id is used twice'),
})

export const startSlack = (): Promise<Peer> =>
  startPeer('/services/T0/B0/x', (body) => {
    const fault = slackFault(body)
    return fault === null ? { status: 200, body: 'ok' } : { status: 400, body: 'invalid_blocks', refused: fault }
  })

export function slackFault(body: string): string | null {
  const parsed = slackMessage.safeParse(JSON.parse(body))
  return parsed.success ? null : z.prettifyError(parsed.error)
}

const labels = z.record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/), z.string().min(1))
const annotations = z.record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/), z.string())
const status = z.enum(['firing', 'resolved'])
/** https://prometheus.io/docs/alerting/latest/configuration/#webhook_config, and what Grafana's webhook adds. */
const alertmanagerMessage = z.strictObject({
  version: z.literal('4'),
  groupKey: text(4096),
  truncatedAlerts: z.int().min(0),
  status,
  receiver: text(255),
  groupLabels: labels,
  commonLabels: labels,
  commonAnnotations: annotations,
  externalURL: z.string(),
  alerts: z
    .array(
      z.strictObject({
        status,
        labels: labels.refine((set) => 'alertname' in set, 'an alert has an alertname'),
        annotations,
        startsAt: z.iso.datetime({ offset: true }),
        endsAt: z.iso.datetime({ offset: true }),
        generatorURL: z.string(),
        fingerprint: z.string().regex(/^[0-9a-f]{16}$/),
      }),
    )
    .min(1),
  title: text(4096),
  state: z.enum(['alerting', 'ok']),
  message: z.string(),
})

/** `token` '' takes everybody. */
export const startAlertmanagerReceiver = (token: string): Promise<Peer> =>
  startPeer('/alerts', (body, request) => {
    if (token !== '' && request.headers.authorization !== `Bearer ${token}`)
      return { status: 401, body: 'unauthorized', refused: 'wrong token' }
    const fault = alertmanagerFault(body)
    return fault === null ? { status: 200, body: '' } : { status: 400, body: fault, refused: fault }
  })

export function alertmanagerFault(body: string): string | null {
  const parsed = alertmanagerMessage.safeParse(JSON.parse(body))
  if (!parsed.success) return z.prettifyError(parsed.error)
  const { alerts, commonLabels, groupLabels } = parsed.data
  for (const alert of alerts) {
    for (const [name, value] of Object.entries({ ...commonLabels, ...groupLabels }))
      if (alert.labels[name] !== value) return `the common label ${name} is not a label of every alert`
    const hasEnded = alert.endsAt !== '0001-01-01T00:00:00Z'
    if (hasEnded !== (alert.status === 'resolved')) return 'endsAt is set exactly when the alert is resolved'
    if (hasEnded && Date.parse(alert.endsAt) < Date.parse(alert.startsAt)) return 'the alert ends before it starts'
  }
  return null
}
