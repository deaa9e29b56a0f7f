import { z } from 'zod'
import { heartbeatConfig } from './alerts/heartbeat.ts'
import { stopSwitchConfig } from './alerts/pull.ts'
import { linksConfig, safetyConfig, secretRefConfig, targetsConfig } from './alerts/targets.ts'
import { apiConfig } from './api/tokens.ts'
import { kafkaConfig } from './bus/config.ts'
import { namesSchema } from './collector/names.ts'
import { CONVERSATION_IDS } from './collector/pseudonym.ts'
import { type Signal, signalSchema } from './detectors/signals/definition.ts'
import { FOUR_SIGNALS, KPI_SIGNALS, SIGNAL_LIBRARY } from './detectors/signals/library.ts'
import { DEFAULT_TRIGGERS, judgedTriggers, type TriggerConfig, triggersSchema } from './detectors/triggers.ts'
import type { JsonSchema } from './lib/json-schema.ts'
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
