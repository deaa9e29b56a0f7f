import { existsSync, readFileSync } from 'node:fs'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { heartbeatConfig } from './alerts/heartbeat.ts'
import { stopSwitchConfig, unreadable } from './alerts/pull.ts'
import { linksConfig, safetyConfig, secretRefConfig, targetsConfig } from './alerts/targets.ts'
import { apiConfig, includes } from './api/tokens.ts'
import { kafkaConfig } from './bus/config.ts'
import { namesSchema } from './collector/names.ts'
import { CONVERSATION_IDS } from './collector/pseudonym.ts'
import { type Signal, signalSchema } from './detectors/signals/definition.ts'
import { FOUR_SIGNALS, KPI_SIGNALS, SIGNAL_LIBRARY } from './detectors/signals/library.ts'
import {
  DEFAULT_TRIGGERS,
  judgedTriggers,
  type TriggerConfig,
  triggersSchema,
  writtenBaseline,
} from './detectors/triggers.ts'
import { closestOf } from './lib/closest.ts'
import { isLoopback } from './lib/door.http.ts'
import { AndonError } from './lib/errors.ts'
import type { JsonSchema } from './lib/json-schema.ts'
import { type Mistake, mistakesOf, pathText, renderMistakes, valueAt } from './lib/mistakes.ts'
import { recoveryConfig } from './recovery/config.ts'
import { releasesConfig } from './releases/limits.ts'
import { drillConfig } from './simulator/drill-config.ts'
import { serverConfig } from './store/config.ts'

const listen = (port: number, what: string) =>
  z
    .strictObject({
      host: z
        .string()
        .default('127.0.0.1')
        .describe('Address to listen on. Beyond loopback a token is required. Default 127.0.0.1.'),
      port: z.int().min(0).max(65_535).default(port).describe(`Port; 0 takes any free one. Default ${port}.`),
      token: secretRefConfig.optional().describe('Where the bearer token is kept that every request must carry.'),
    })
    .prefault({})
    .describe(what)

const storeConfig = z
  .strictObject({
    path: z.string().min(1).default('.andon/store').describe('Directory of the embedded store. Default .andon/store.'),
    server: serverConfig.optional(),
    memoryMiB: z.int().min(256).default(600).describe('Memory that the embedded engine may use. Default 600.'),
    retentionDays: z
      .int()
      .min(31)
      .max(3650)
      .default(60)
      .describe(
        'How long facts are kept, by the time they were received. At least the longest window plus a day. Default 60.',
      ),
  })
  .prefault({})
  .describe('Where facts are kept: ClickHouse, embedded in a child process, or a server.')

export const configSchema = z
  .strictObject({
    receive: listen(4318, 'OTLP/HTTP receiver: /v1/traces, /v1/logs, /v1/metrics, /v1/outcomes.'),
    page: listen(4320, 'Page, API, /metrics, /healthz and /readyz.'),
    store: storeConfig,
    kafka: kafkaConfig.optional(),
    identity: z
      .strictObject({
        secret: secretRefConfig
          .optional()
          .describe(
            'Where the key is kept that turns identities into pseudonyms. Default: made once and kept beside the store, readable by its owner only.',
          ),
        keyVersion: z.int().min(1).default(1).describe('Version of that key, part of every pseudonym. Default 1.'),
        conversations: z
          .enum(CONVERSATION_IDS)
          .default('auto')
          .describe(
            'What becomes of conversation ids: auto keeps a pseudonym of those that look like a phone number or an address, pseudonym of all, plain keeps them as sent. Default auto.',
          ),
      })
      .prefault({})
      .describe('Customers are known by keyed pseudonyms only.'),
    inherit: z
      .strictObject({
        holdSeconds: z
          .number()
          .min(0)
          .max(3600)
          .default(30)
          .describe('How long a fact waits for the agent span that says whose it is, wall clock. Default 30.'),
      })
      .prefault({})
      .describe('Tool spans take conversation and release from their agent span, which is exported last.'),
    contact: z
      .strictObject({
        idleHours: z
          .number()
          .positive()
          .nullable()
          .default(null)
          .describe(
            'Quiet hours after which a conversation whose id never changes begins a new contact. Default null: never.',
          ),
      })
      .prefault({})
      .describe('What one contact is.'),
    judge: z
      .strictObject({
        environments: z
          .array(z.string())
          .default(['', 'production', 'prod'])
          .describe('Environments whose releases are judged; "" is "none given". Default ["", production, prod].'),
        alpha: z
          .number()
          .gt(0)
          .max(0.5)
          .default(0.01)
          .describe('Probability that a healthy release is ever paused, over its whole life. Default 0.01.'),
      })
      .prefault({})
      .describe('What is judged, and how surely.'),
    names: namesSchema
      .prefault({})
      .describe(
        'What agents call things, for agents that do not speak the `andon.*` convention and cannot be changed.',
      ),
    signals: z
      .array(z.union([z.enum(SIGNAL_LIBRARY.map((signal) => signal.name)), signalSchema]))
      .default([])
      .describe(
        'Signals beyond the four: names from the library, or definitions of your own (docs/signals.md). Default none.',
      ),
    triggers: triggersSchema
      .optional()
      .describe('Limits written down before launch. Default: the four signals against typical shares, notifying only.'),
    targets: targetsConfig,
    stopSwitch: stopSwitchConfig,
    links: linksConfig,
    safety: safetyConfig,
    recovery: recoveryConfig,
    releases: releasesConfig,
    drill: drillConfig,
    heartbeat: heartbeatConfig,
    api: apiConfig,
    telemetry: z
      .strictObject({
        endpoint: z
          .string()
          .optional()
          .describe('OTLP/HTTP endpoint to which Andon sends traces of itself. Default: none.'),
      })
      .prefault({})
      .describe("Andon's own telemetry."),
    log: z
      .strictObject({
        level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('Default info.'),
      })
      .prefault({})
      .describe('JSON lines on stderr.'),
  })
  .describe('Configuration of Andon; every key is optional.')

export type Config = z.output<typeof configSchema>

/** JSON Schema of the configuration, for editors. */
export const configJsonSchema = (): JsonSchema => z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema

export const DEFAULT_CONFIG: Config = configSchema.parse({})

/**
 * Reads a configuration file. Without a path, `andon.yaml` where it exists, else the defaults.
 * Throws AndonError `config` with every mistake: line, path, what was found, what is allowed.
 */
export function readConfig(path?: string): Config {
  const file = path ?? (existsSync('andon.yaml') ? 'andon.yaml' : null)
  if (file === null) return DEFAULT_CONFIG
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new AndonError('config', `${file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  return parseConfig(text, file)
}

/** See {@link readConfig}. `name` is how messages call the file. */
export function parseConfig(text: string, name: string): Config {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  if (document.errors.length > 0)
    throw new AndonError(
      'config',
      document.errors
        .map(
          (error) =>
            `${name}:${lines.linePos(error.pos[0]).line} ${error.code === 'MULTIPLE_DOCS' ? 'begins a second YAML document; keep one' : `is not YAML: ${error.message.split(/ at line \d|\n/)[0]}`}`,
        )
        .join('\n'),
    )
  let value: unknown
  try {
    value = document.toJS() ?? {}
  } catch (error) {
    throw new AndonError('config', `${name} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  const { config, mistakes } = validate(value)
  if (mistakes.length > 0) throw new AndonError('config', renderMistakes(mistakes, { name, document, lines, isSecret }))
  return config!
}

/** Values under these keys may be secrets written in the wrong place: they are never repeated. */
const isSecret = (path: readonly PropertyKey[]): boolean =>
  path.some((key) => ['secret', 'token', 'tokens', 'url', 'urlFrom'].includes(String(key)))

/** Unknown keys hide what the rest of their map would say, so it is read a second time without them. */
function validate(value: unknown): { config?: Config; mistakes: Mistake[] } {
  const parsed = configSchema.safeParse(value)
  if (parsed.success) return { config: parsed.data, mistakes: crossMistakes(parsed.data) }
  const { issues } = parsed.error
  const mistakes = mistakesOf(issues, configJsonSchema(), value)
  const known = structuredClone(value)
  if (!issues.map((issue) => removeUnknown(issue, known)).includes(true)) return { mistakes }
  const again = validate(known).mistakes.filter(
    (mistake) => !mistakes.some((told) => pathText(told.path) === pathText(mistake.path)),
  )
  return { mistakes: [...mistakes, ...again] }
}

/** Removes the unknown keys of one issue; true when there was one. */
function removeUnknown(issue: z.core.$ZodIssue, value: unknown): boolean {
  if (issue.code === 'invalid_union')
    return issue.errors.some(
      (issues) =>
        issues.length === 1 && removeUnknown({ ...issues[0]!, path: [...issue.path, ...issues[0]!.path] }, value),
    )
  const inside = issue.code === 'unrecognized_keys' && valueAt(value, issue.path)
  if (!inside || issue.code !== 'unrecognized_keys') return false
  return issue.keys.map((key) => Reflect.deleteProperty(inside, key)).includes(true)
}

/** Mistakes between keys, which no single schema sees. */
function crossMistakes(config: Config): Mistake[] {
  const mistakes: Mistake[] = []
  const add = (path: PropertyKey[], problem: string) => mistakes.push({ path, problem, tellsFound: true })
  for (const [door, role] of [
    ['receive', 'ingest'],
    ['page', 'read'],
  ] as const)
    if (
      !config[door].token &&
      !isLoopback(config[door].host) &&
      !config.api.tokens.some((token) => includes(token.role, role))
    )
      add(
        [door, 'host'],
        `is reached from other machines, so a token is required: set token: { env: NAME } or { file: PATH } beside it, give api.tokens one with the role ${role}, or listen on 127.0.0.1`,
      )
  if (config.store.server && !config.identity.secret)
    add(
      ['identity', 'secret'],
      'is required with store.server: everybody who writes there must make the same pseudonyms; set identity: { secret: { env: NAME } } or { file: PATH }',
    )
  if (config.store.server && !config.kafka)
    add(
      ['store', 'server'],
      'needs kafka as well: a server, unlike a directory, does not keep a second monitor from writing the same batches, and Kafka keeps what arrives while the server is away',
    )
  if (config.kafka?.sasl?.mechanism === 'plain' && config.kafka.tls === false)
    add(['kafka', 'sasl', 'mechanism'], 'plain sends the password as it is: set kafka.tls, or use scram-sha-512')
  const names = config.signals.map((entry) => (typeof entry === 'string' ? entry : entry.name))
  names.forEach((name, index) => {
    if (names.indexOf(name) < index)
      add(
        typeof config.signals[index] === 'string' ? ['signals', index] : ['signals', index, 'name'],
        `the signal '${name}' is given twice`,
      )
  })
  const signals = signalsOf(config)
  const longestDays = Math.max(...signals.map((signal) => ('windowHours' in signal ? signal.windowHours / 24 : 0)))
  if (config.store.retentionDays < longestDays + 1)
    add(
      ['store', 'retentionDays'],
      `must be at least ${Math.ceil(longestDays + 1)}: the longest window of a signal is ${longestDays} days, plus one`,
    )
  const reads = config.api.tokens.flatMap(({ name, role }) => (includes(role, 'read') ? name : []))
  config.stopSwitch.enforcedBy.forEach(({ token }, index) => {
    if (!reads.includes(token)) add(['stopSwitch', 'enforcedBy', index, 'token'], unreadable(reads))
  })
  mistakes.push(...triggerMistakes(config, signals))
  return mistakes
}

function triggerMistakes(config: Config, signals: readonly Signal[]): Mistake[] {
  const mistakes: Mistake[] = []
  const triggers = config.triggers ?? []
  const add = (path: PropertyKey[], problem: string) => mistakes.push({ path, problem, tellsFound: true })
  triggers.forEach((trigger, index) => {
    const meant = closestOf(
      trigger.signal,
      signals.map((signal) => signal.name),
    )
    if (!signals.some((signal) => signal.name === trigger.signal)) {
      const inLibrary = SIGNAL_LIBRARY.some((signal) => signal.name === trigger.signal)
      const hint = inLibrary ? `; it is in the library: add it under signals` : meant ? `; did you mean ${meant}?` : ''
      add(
        ['triggers', index, 'signal'],
        `names no signal${hint}; there are ${signals.map((signal) => signal.name).join(', ')}`,
      )
      return
    }
    const { rate } = writtenBaseline(trigger)
    if (rate === null) {
      add(
        ['triggers', index, 'baseline'],
        `names a mode, but '${trigger.signal}' has no typical share: write { mode: auto, rate: 0.02 } with the share of your healthy releases`,
      )
      return
    }
    try {
      judgedTriggers([trigger], signals, config.judge.alpha)
    } catch (error) {
      add(
        ['triggers', index, 'ageProfile'],
        (error as Error).message.replace(/^triggers\[0\]\.ageProfile(\.edgesHours)?: /, ''),
      )
    }
    if (rate * (1 + trigger.tolerance) >= 1)
      add(
        ['triggers', index, 'tolerance'],
        `baseline × (1 + tolerance) is ${rate * (1 + trigger.tolerance)}; a share above which a release is harmful must be below 1`,
      )
  })
  const acting = triggers.filter(isActing)
  const spent = acting.reduce((sum, trigger) => sum + (trigger.weight ?? 0), 0)
  const without = acting.find((trigger) => trigger.weight === undefined)
  if (without && spent >= 1 - 1e-9)
    add(
      ['triggers'],
      `the weights of the triggers that can pause leave nothing to '${without.name}', which has none; they share one alpha`,
    )
  for (const action of ['pause', 'rollback'] as const) {
    const trigger = acting.find((candidate) => candidate.action === action)
    const isObeyed = config.targets.some(
      (target) => target.enforces && (target.on ?? ['pause', 'rollback']).includes(action),
    )
    if (trigger && config.targets.length > 0 && !isObeyed && config.stopSwitch.enforcedBy.length === 0)
      add(
        ['targets'],
        `trigger '${trigger.name}' can ${action}, but no target with enforces: true takes '${action}' and nobody stands under stopSwitch.enforcedBy, so nothing would stop`,
      )
  }
  return mistakes
}

/** Whether a breach of this trigger orders something, rather than telling people. */
export const isActing = (trigger: Pick<TriggerConfig, 'shadow' | 'action'>): boolean =>
  !trigger.shadow && trigger.action !== 'notify'

/** The four signals and those the configuration adds; one of the same name replaces it. */
export function signalsOf(config: Config): Signal[] {
  const chosen = config.signals.map((entry) =>
    typeof entry === 'string' ? SIGNAL_LIBRARY.find((signal) => signal.name === entry)! : entry,
  )
  return [...new Map([...FOUR_SIGNALS, ...chosen].map((signal) => [signal.name, signal])).values()]
}

/** What is counted: the signals of the configuration and those that the KPIs of leaders need (docs/kpis.md), which judge nothing. */
export function countedSignals(config: Config): Signal[] {
  const own = signalsOf(config)
  const names = new Set(own.map((signal) => signal.name))
  return [...own, ...KPI_SIGNALS.filter((signal) => !names.has(signal.name))]
}

/** The triggers joined with their signals. Throws AndonError `config`. */
export const triggersOf = (config: Config) =>
  judgedTriggers(config.triggers ?? DEFAULT_TRIGGERS, signalsOf(config), config.judge.alpha)
