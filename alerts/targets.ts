import { z } from 'zod'
import { AndonError } from '../lib/errors.ts'
import { type SecretRef, secretRefConfig } from '../lib/secret-ref.ts'
import { refusalOf } from './address.ts'
import type { Safety } from './decide.ts'
import { PAGERDUTY_URL } from './formats/pagerduty.ts'
import { keyOf } from './sign.ts'
import type { WatchLimits } from './watch.ts'

export { type SecretRef, secretRefConfig }

/** What an order asks for; the last part of a webhook's type. */
export const purposes = ['pause', 'rollback', 'resume', 'notify'] as const
export type Purpose = (typeof purposes)[number]

/** In whose words a target is told. */
export const targetKinds = ['webhook', 'pagerduty', 'slack', 'alertmanager'] as const
export type TargetKind = (typeof targetKinds)[number]

export const targetConfig = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'lower-case letters, digits, - and _, at most 63')
      .describe('Unique name of the target, as it appears in the journal, logs and metrics.'),
    kind: z
      .enum(targetKinds)
      .default('webhook')
      .describe(
        "What it speaks. webhook: Andon's own signed JSON; pagerduty: Events API v2; slack: incoming webhook; alertmanager: what Alertmanager (version 4) and Grafana send. Default webhook.",
      ),
    url: z
      .string()
      .superRefine((url, context) => {
        const fault = urlFault(url)
        if (fault) context.addIssue({ code: 'custom', message: fault })
      })
      .optional()
      .describe(
        'http(s) address that is told. Give this or urlFrom; pagerduty has its own (https://events.pagerduty.com/v2/enqueue).',
      ),
    urlFrom: secretRefConfig
      .optional()
      .describe('Where the address is kept, when the address is itself a secret. Give this or url.'),
    secret: z
      .union([secretRefConfig, z.array(secretRefConfig).min(1).max(2)])
      .optional()
      .describe(
        'Where the whsec_ signing secret is kept; two references while a secret is rotated, webhooks then carry both signatures. Required for kind webhook, possible for alertmanager.',
      ),
    token: secretRefConfig
      .optional()
      .describe('pagerduty, required: where the integration (routing) key is kept. alertmanager: a bearer token.'),
    enforces: z
      .boolean()
      .default(false)
      .describe(
        'Whether a 2xx of this target means that the release will stop. false for chat and pagers: their 2xx is a notification. Default false.',
      ),
    escalation: z
      .boolean()
      .default(false)
      .describe(
        'Held in reserve: told only when a pause was not accepted or not obeyed; reserves are told one per escalation, in this order. Default false.',
      ),
    allowPrivate: z
      .boolean()
      .default(false)
      .describe(
        'Allow loopback and private addresses, for a receiver inside your own network. Link-local addresses stay denied. Default false.',
      ),
    match: z
      .strictObject({
        environment: z.string().optional().describe('Exact environment; absent matches all.'),
        agent: z.string().optional().describe('Exact agent; absent matches all.'),
      })
      .default({})
      .describe(
        'Which releases it is told about: a platform is only sent orders for agents that it runs. Default all.',
      ),
    on: z
      .array(z.enum(purposes))
      .min(1)
      .optional()
      .describe(
        'Which webhooks it receives. Default [pause, rollback, resume] for a target that enforces, all four for one that notifies.',
      ),
  })
  .superRefine((target, context) => {
    for (const [key, message] of kindFaults(target)) context.addIssue({ code: 'custom', path: [key], message })
  })

type TargetKeys = Readonly<
  Record<'urlFrom' | 'secret' | 'token', unknown> & {
    url: string | undefined
    kind: TargetKind
    enforces: boolean
    allowPrivate: boolean
  }
>

/** Which keys a kind needs, and which mean nothing to it. */
function kindFaults({
  kind,
  url,
  urlFrom,
  secret,
  token,
  enforces,
  allowPrivate = false,
}: Partial<TargetKeys> & { kind: TargetKind }) {
  const faults: [key: string, message: string][] = []
  const refusal = url === undefined ? null : refusalOf(url, allowPrivate)
  if (refusal !== null) faults.push(['url', refusal])
  const isAddressKnown = kind === 'pagerduty' && url === undefined && urlFrom === undefined
  if ((url === undefined) === (urlFrom === undefined) && !isAddressKnown)
    faults.push(['url', 'give exactly one of url and urlFrom'])
  if (kind === 'webhook' && secret === undefined)
    faults.push(['secret', 'a webhook is signed: say where its whsec_ secret is kept, { env: NAME } or { file: PATH }'])
  if ((kind === 'slack' || kind === 'pagerduty') && secret !== undefined)
    faults.push([
      'secret',
      `${kind} verifies no signature: leave it out${kind === 'slack' ? ', its address is the secret' : ', its key belongs under token'}`,
    ])
  if (kind === 'pagerduty' && token === undefined)
    faults.push(['token', 'say where the integration (routing) key is kept, { env: NAME } or { file: PATH }'])
  if ((kind === 'webhook' || kind === 'slack') && token !== undefined)
    faults.push(['token', `kind ${kind} takes no token: leave it out`])
  if ((kind === 'slack' || kind === 'pagerduty') && enforces)
    faults.push(['enforces', `a message to ${kind} stops nothing: its 2xx must not count as an accepted pause`])
  return faults
}

export const targetsConfig = z
  .array(targetConfig)
  .default([])
  .superRefine((targets, context) => {
    targets.forEach(({ name }, index) => {
      if (targets.findIndex((other) => other.name === name) < index)
        context.addIssue({ code: 'custom', path: [index, 'name'], message: `the name '${name}' is used twice` })
    })
  })
  .describe(
    'Who is told by signed webhook. At least one target should enforce, or a pause is only a message to people.',
  )
export type TargetsConfig = z.output<typeof targetsConfig>

export const linksConfig = z
  .strictObject({
    page: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Address under which people reach the page, for links in messages. Default: where it listens.'),
    runbook: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Address (or path) of your runbook for a paused release. Default: docs/runbooks/release-paused.md as the page serves it.',
      ),
  })
  .prefault({})
  .describe('Where messages to people lead.')

const instant = z.iso.datetime({ offset: true }).describe('RFC 3339 time with offset, e.g. 2027-01-31T22:00:00Z.')

const silenceConfig = z
  .strictObject({
    environment: z.string().optional().describe('Exact environment; absent matches all.'),
    agent: z.string().optional().describe('Exact agent; absent matches all.'),
    release: z.string().optional().describe('Exact release; absent matches all.'),
    channel: z
      .string()
      .optional()
      .describe('Exact channel; absent matches all. Evidence pooled over channels is silenced only if absent.'),
    from: instant,
    until: instant,
    why: z.string().optional().describe('For the reader of the configuration.'),
  })
  .refine((silence) => Date.parse(silence.from) < Date.parse(silence.until), {
    path: ['until'],
    message: 'until must be later than from',
  })

export const safetyConfig = z
  .strictObject({
    observeOnly: z
      .boolean()
      .default(false)
      .describe('Global switch: breaches open incidents and tell people, nothing is paused. Default false.'),
    actWithinHours: z
      .number()
      .positive()
      .default(24)
      .describe(
        'Hours. Only a release with a contact begun within this time is paused; otherwise the incident is stale. Default 24.',
      ),
    pauses: z
      .strictObject({
        max: z.int().min(0).default(2).describe('Automatic pauses, over all agents. Default 2.'),
        withinMinutes: z.number().positive().default(10).describe('Minutes. Default 10.'),
      })
      .prefault({})
      .describe('Pause budget: a shared outage must not stop every agent; beyond it people are told instead.'),
    stopWithinMinutes: z
      .number()
      .positive()
      .default(5)
      .describe(
        'Minutes. A pause that is not accepted, or a release that still takes contacts, after this time is escalated. Default 5.',
      ),
    maxEscalations: z
      .int()
      .min(0)
      .default(3)
      .describe('How often one incident is escalated before it is left to people. Default 3.'),
    silences: z
      .array(silenceConfig)
      .default([])
      .describe('Maintenance windows: matching breaches are kept, nobody is paused or told.'),
  })
  .prefault({})
  .describe('The brakes on the cord.')
export type SafetyConfig = z.output<typeof safetyConfig>

/** A target ready for use. Its url and keys are secrets: never log or print them. */
export type Target = Readonly<{
  name: string
  kind: TargetKind
  url: string
  keys: readonly Buffer[]
  /** pagerduty: routing key; alertmanager: bearer token; '' = none. */
  token: string
  enforces: boolean
  escalation: boolean
  allowPrivate: boolean
  on: readonly Purpose[]
  /** Which releases it is told about; an absent part matches all. */
  match: Readonly<{ environment?: string | undefined; agent?: string | undefined }>
}>

export type ReadSecret = (ref: SecretRef) => string | Promise<string>

/** Reads addresses and keys. Throws AndonError 'bad_target' that names target and field, never the value. */
export async function resolveTargets(configs: TargetsConfig, readSecret: ReadSecret): Promise<readonly Target[]> {
  return Promise.all(configs.map((config) => resolveTarget(config, readSecret)))
}

async function resolveTarget(config: TargetsConfig[number], readSecret: ReadSecret): Promise<Target> {
  const { name, kind, enforces, escalation, allowPrivate } = config
  const read = async <T>(field: string, ref: SecretRef, use: (text: string) => T): Promise<T> => {
    try {
      return use((await readSecret(ref)).trim())
    } catch (cause) {
      const from = 'env' in ref ? `environment variable ${ref.env}` : `file ${ref.file}`
      const why = cause instanceof Error ? cause.message : 'cannot be read'
      throw new AndonError('bad_target', `target '${name}', ${field} from ${from}: ${why}`, { cause })
    }
  }
  const refs = [config.secret ?? []].flat()
  const url = config.urlFrom
    ? await read('urlFrom', config.urlFrom, checkedUrl)
    : checkedUrl(config.url ?? (kind === 'pagerduty' ? PAGERDUTY_URL : ''))
  const keys = await Promise.all(refs.map((ref) => read('secret', ref, keyOf)))
  const token = config.token
    ? await read('token', config.token, kind === 'pagerduty' ? checkedRoutingKey : checkedToken)
    : ''
  const on = config.on ?? (enforces ? (['pause', 'rollback', 'resume'] as const) : purposes)
  return { name, kind, url, keys, token, enforces, escalation, allowPrivate, on, match: config.match }
}

function checkedRoutingKey(text: string): string {
  if (/^[0-9a-zA-Z]{32}$/.test(text)) return text
  throw new AndonError(
    'bad_token',
    `an integration (routing) key of PagerDuty has 32 letters and digits, this has ${text.length} characters`,
  )
}

function checkedToken(text: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw new AndonError('bad_token', 'a bearer token is printable ASCII without spaces')
}

function checkedUrl(url: string): string {
  const fault = urlFault(url)
  if (fault) throw new AndonError('bad_url', fault)
  return url
}

/** Why a text is no webhook address, or null. The message never repeats the text: it may hold a secret. */
function urlFault(text: string): string | null {
  if (!URL.canParse(text)) return 'must be an absolute http(s) URL'
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must start with http:// or https://'
  if (url.username !== '' || url.password !== '')
    return 'must not hold a user name or password: webhooks are signed instead'
  return null
}

/** The configuration in the units that `decide` and `watch` read. */
export function safetyOf(config: SafetyConfig): Safety & WatchLimits {
  return {
    observeOnly: config.observeOnly,
    actWithinMs: config.actWithinHours * 3_600_000,
    maxPauses: config.pauses.max,
    maxPausesWindowMs: config.pauses.withinMinutes * 60_000,
    stopWithinMs: config.stopWithinMinutes * 60_000,
    maxEscalations: config.maxEscalations,
    silences: config.silences.map(({ from, until, why: _, ...match }) => ({
      ...match,
      fromMs: Date.parse(from),
      untilMs: Date.parse(until),
    })),
  }
}
