import { unreadable } from './alerts/pull.ts'
import { includes } from './api/tokens.ts'
import { type Config, isActing, signalsOf } from './config-schema.ts'
import { isAgainstUsual, type Signal } from './detectors/signals/definition.ts'
import { SIGNAL_LIBRARY } from './detectors/signals/library.ts'
import { baselineMistake, judgedTriggers, writtenBaseline } from './detectors/triggers.ts'
import { closestOf } from './lib/closest.ts'
import { isLoopback } from './lib/door.http.ts'
import type { Mistake } from './lib/mistakes.ts'

export type Section = keyof Config

/**
 * Mistakes between keys, which no single schema sees.
 * @param isWhole false for a section of which something could not be read: what would need all of it is not asked
 */
export function crossMistakes(config: Config, isWhole: (section: Section) => boolean = () => true): Mistake[] {
  const mistakes: Mistake[] = []
  const add = (path: PropertyKey[], problem: string) => mistakes.push({ path, problem, tellsFound: true })
  for (const [door, role] of [
    ['receive', 'ingest'],
    ['page', 'read'],
  ] as const)
    if (
      isWhole(door) &&
      isWhole('api') &&
      !config[door].token &&
      !isLoopback(config[door].host) &&
      !config.api.tokens.some((token) => includes(token.role, role))
    )
      add(
        [door, 'host'],
        `is reached from other machines, so a token is required: set token: { env: NAME } or { file: PATH } beside it, give api.tokens one with the role ${role}, or listen on 127.0.0.1`,
      )
  if (config.store.server && !config.identity.secret && isWhole('identity'))
    add(
      ['identity', 'secret'],
      'is required with store.server: everybody who writes there must make the same pseudonyms; set identity: { secret: { env: NAME } } or { file: PATH }',
    )
  if (config.store.server && !config.kafka && isWhole('kafka'))
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
  if (config.store.retentionDays < longestDays + 1 && isWhole('store'))
    add(
      ['store', 'retentionDays'],
      `must be at least ${Math.ceil(longestDays + 1)}: the longest window of a signal is ${longestDays} days, plus one`,
    )
  const reads = config.api.tokens.flatMap(({ name, role }) => (includes(role, 'read') ? name : []))
  if (isWhole('api'))
    config.stopSwitch.enforcedBy.forEach(({ token }, index) => {
      if (!reads.includes(token)) add(['stopSwitch', 'enforcedBy', index, 'token'], unreadable(reads))
    })
  mistakes.push(...triggerMistakes(config, signals, isWhole))
  return mistakes
}

function triggerMistakes(
  config: Config,
  signals: readonly Signal[],
  isWhole: (section: Section) => boolean,
): Mistake[] {
  const mistakes: Mistake[] = []
  const triggers = config.triggers ?? []
  const add = (path: PropertyKey[], problem: string) => mistakes.push({ path, problem, tellsFound: true })
  triggers.forEach((trigger, index) => {
    const meant = closestOf(
      trigger.signal,
      signals.map((signal) => signal.name),
    )
    if (!signals.some((signal) => signal.name === trigger.signal)) {
      if (!isWhole('signals')) return
      const inLibrary = SIGNAL_LIBRARY.some((signal) => signal.name === trigger.signal)
      const hint = inLibrary ? `; it is in the library: add it under signals` : meant ? `; did you mean ${meant}?` : ''
      add(
        ['triggers', index, 'signal'],
        `names no signal${hint}; there are ${signals.map((signal) => signal.name).join(', ')}`,
      )
      return
    }
    const signal = signals.find((one) => one.name === trigger.signal)!
    const mistake = baselineMistake(trigger, signal)
    if (mistake) {
      add(['triggers', index, mistake.key], mistake.problem)
      return
    }
    const rate = isAgainstUsual(signal) ? 0.5 : writtenBaseline(trigger).rate!
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
    const isPulled = config.stopSwitch.enforcedBy.length > 0 || !isWhole('stopSwitch')
    if (trigger && config.targets.length > 0 && !isObeyed && !isPulled && isWhole('targets'))
      add(
        ['targets'],
        `trigger '${trigger.name}' can ${action}, but no target with enforces: true takes '${action}' and nobody stands under stopSwitch.enforcedBy, so nothing would stop`,
      )
  }
  return mistakes
}
