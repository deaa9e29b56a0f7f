import { existsSync, readFileSync } from 'node:fs'
import { isCollection, LineCounter, type Node, parseDocument } from 'yaml'
import { z } from 'zod'
import { safetyConfig, secretRefConfig, targetsConfig } from './alerts/targets.ts'
import { namesSchema } from './collector/names.ts'
import { type Signal, signalSchema } from './detectors/signals/definition.ts'
import { FOUR_SIGNALS, SIGNAL_LIBRARY } from './detectors/signals/library.ts'
import { DEFAULT_TRIGGERS, judgedTriggers, triggersSchema } from './detectors/triggers.ts'
import { AndonError } from './lib/errors.ts'

const listen = (port: number, what: string) =>
  z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address to listen on. Beyond loopback a token is required. Default 127.0.0.1.'),
      port: z.int().min(0).max(65_535).default(port).describe(`Port; 0 takes any free one. Default ${port}.`),
      token: secretRefConfig.optional().describe('Where the bearer token is kept that every request must carry.'),
    })
    .prefault({})
    .describe(what)

const storeConfig = z
  .strictObject({
    path: z.string().min(1).default('.andon/store').describe('Directory of the embedded store. Default .andon/store.'),
    memoryMiB: z.int().min(256).default(600).describe('Memory that the embedded engine may use. Default 600.'),
    retentionDays: z.int().min(31).max(3650).default(60).describe('How long facts are kept, by the time they were received. At least the longest window plus a day. Default 60.'),
  })
  .prefault({})
  .describe('Where facts are kept: ClickHouse, embedded in a child process.')

export const configSchema = z
  .strictObject({
    receive: listen(4318, 'OTLP/HTTP receiver: /v1/traces, /v1/logs, /v1/metrics, /v1/outcomes.'),
    page: listen(4320, 'Read-only page, API, /metrics, /healthz and /readyz.'),
    store: storeConfig,
    identity: z
      .strictObject({
        secret: secretRefConfig.optional().describe('Where the key is kept that turns identities into pseudonyms. Default: made once and kept beside the store, readable by its owner only.'),
        keyVersion: z.int().min(1).default(1).describe('Version of that key, part of every pseudonym. Default 1.'),
      })
      .prefault({})
      .describe('Customers are known by keyed pseudonyms only.'),
    inherit: z
      .strictObject({ holdSeconds: z.number().min(0).max(3600).default(30).describe('How long a fact waits for the agent span that says whose it is, wall clock. Default 30.') })
      .prefault({})
      .describe('Tool spans take conversation and release from their agent span, which is exported last.'),
    contact: z
      .strictObject({ idleHours: z.number().positive().nullable().default(null).describe('Quiet hours after which a conversation whose id never changes begins a new contact. Default null: never.') })
      .prefault({})
      .describe('What one contact is.'),
    judge: z
      .strictObject({
        environments: z.array(z.string()).default(['', 'production', 'prod']).describe('Environments whose releases are judged; "" is "none given". Default ["", production, prod].'),
        alpha: z.number().gt(0).max(0.5).default(0.01).describe('Probability that a healthy release is ever paused, over its whole life. Default 0.01.'),
      })
      .prefault({})
      .describe('What is judged, and how surely.'),
    names: namesSchema.prefault({}),
    signals: z
      .array(z.union([z.string(), signalSchema]))
      .default([])
      .describe(`Signals beyond the four: names from the library (${SIGNAL_LIBRARY.filter((signal) => !FOUR_SIGNALS.includes(signal)).map((signal) => signal.name).join(', ')}) or definitions.`),
    triggers: triggersSchema.optional().describe('Limits written down before launch. Default: the four signals against typical shares, notifying only.'),
    targets: targetsConfig,
    safety: safetyConfig,
    telemetry: z
      .strictObject({ endpoint: z.string().optional().describe('OTLP/HTTP endpoint to which Andon sends traces of itself. Default: none.') })
      .prefault({})
      .describe("Andon's own telemetry."),
    log: z
      .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('Default info.') })
      .prefault({})
      .describe('JSON lines on stderr.'),
  })
  .describe('Configuration of Andon; every key is optional.')

export type Config = z.output<typeof configSchema>

/** JSON Schema of the configuration, for editors. */
export const configJsonSchema = (): object => z.toJSONSchema(configSchema, { io: 'input' })

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
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true })
  if (document.errors.length > 0) throw new AndonError('config', document.errors.map((error) => `${name}: ${error.message.trim()}`).join('\n'))
  const value: unknown = document.toJS() ?? {}
  const parsed = configSchema.safeParse(value)
  const mistakes = parsed.success ? crossMistakes(parsed.data) : flatten(parsed.error.issues)
  if (parsed.success && mistakes.length === 0) return parsed.data
  const told = mistakes.map(({ path, message }) => {
    const found = path.reduce<unknown>((inside, key) => (inside as Record<PropertyKey, unknown> | undefined)?.[key], value)
    const at = lineOf(document.getIn(path, true) as Node | undefined, lines) ?? lineOf(document.getIn(path.slice(0, -1), true) as Node | undefined, lines)
    const where = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('').replace(/^\./, '')
    return `${name}${at ? `:${at}` : ''} ${where || '(top level)'}: ${message}${found === undefined || typeof found === 'object' ? '' : `; found ${JSON.stringify(found)}`}`
  })
  throw new AndonError('config', told.join('\n'))
}

type Mistake = Readonly<{ path: readonly PropertyKey[]; message: string }>

/** Issues of the alternatives of a union stand inside it: the closest alternative (fewest issues) speaks. */
function flatten(issues: readonly z.core.$ZodIssue[]): Mistake[] {
  return issues.flatMap((issue): Mistake[] => {
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const closest = [...issue.errors].sort((a, b) => b.filter((one) => one.path.length > 0).length - a.filter((one) => one.path.length > 0).length || a.length - b.length)[0]!
      return flatten(closest).map((inner) => ({ path: [...issue.path, ...inner.path], message: inner.message }))
    }
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'is not a known key here; see `andon check --schema`' }))
    return [{ path: issue.path, message: issue.message }]
  })
}

const lineOf = (node: Node | undefined, lines: LineCounter): number | null => (node && (isCollection(node) || 'range' in node) && node.range ? lines.linePos(node.range[0]).line : null)

/** Mistakes between keys, which no single schema sees. */
function crossMistakes(config: Config): Mistake[] {
  const mistakes: Mistake[] = []
  const collect = (path: PropertyKey[], check: () => unknown) => {
    try {
      check()
    } catch (error) {
      mistakes.push({ path, message: (error as Error).message })
    }
  }
  collect(['signals'], () => signalsOf(config))
  if (mistakes.length === 0) collect(['triggers'], () => triggersOf(config))
  const acting = (config.triggers ?? []).filter((trigger) => !trigger.shadow && trigger.action !== 'notify')
  if (acting.length > 0 && config.targets.length > 0 && !config.targets.some((target) => target.enforces))
    mistakes.push({ path: ['targets'], message: `trigger '${acting[0]!.name}' can pause, but no target has enforces: true, so nothing would stop` })
  return mistakes
}

/** The four signals and those the configuration adds. Throws AndonError `config`. */
export function signalsOf(config: Config): Signal[] {
  const chosen = config.signals.map((entry, index) => {
    if (typeof entry !== 'string') return entry
    const known = SIGNAL_LIBRARY.find((signal) => signal.name === entry)
    if (!known) throw new AndonError('config', `signals[${index}]: '${entry}' is not in the library; there are ${SIGNAL_LIBRARY.map((signal) => signal.name).join(', ')}`)
    return known
  })
  const named = new Map(FOUR_SIGNALS.map((signal) => [signal.name, signal]))
  for (const signal of chosen) named.set(signal.name, signal)
  return [...named.values()]
}

/** The triggers joined with their signals. Throws AndonError `config`. */
export const triggersOf = (config: Config) => judgedTriggers(config.triggers ?? DEFAULT_TRIGGERS, signalsOf(config), config.judge.alpha)
