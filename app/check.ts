import { PAGERDUTY_URL } from '../alerts/formats/pagerduty.ts'
import { purposes, type SecretRef } from '../alerts/targets.ts'
import { type Config, isActing, signalsOf, triggersOf } from '../config.ts'
import { windowMsOf } from '../detectors/signals/definition.ts'
import type { JudgedTrigger } from '../detectors/triggers.ts'
import { ceilingFalsePauses, type Power, powerOf, type Traffic } from './power.ts'
import { table } from './table.ts'

/** A doubling that takes more trials than this is warned about. */
const MOST_TRIALS = 100_000
const HIGH_ALPHA = 0.05

export type TriggerExplanation = Readonly<{
  trigger: string
  signal: string
  title: string
  counts: string
  judges: string
  baseline: number
  /** What it compares a release with: how it chooses, or what it would choose now. */
  comparedWith: string
  baselineWarnings: readonly string[]
  limit: number
  windowHours: number | null
  action: string
  shadow: boolean
  trafficGoesTo: string
  alpha: number
  /** Share of alpha, null for a trigger that stops nobody: it spends none. */
  weight: number | null
  /** Trials and contacts in an hour, given or measured; null when neither. */
  trialsPerHour: number | null
  contactsPerHour: number | null
  /** A plain limit beside the test, and how probably a healthy release crosses it within the planned life. */
  ceiling: Readonly<{ rate: number; minTrials: number; falsePauses: number }> | null
  power: readonly Power[]
}>

/** What the power is told for. */
export type Plan = Readonly<{
  /** By trigger; absent ones have none. */
  traffic: ReadonlyMap<string, Traffic>
  lifeDays: number
}>

export const DEFAULT_LIFE_DAYS = 14
const NO_PLAN: Plan = { traffic: new Map(), lifeDays: DEFAULT_LIFE_DAYS }

/** The same traffic for every trigger, each contact a trial. */
export const givenTraffic = (config: Config, contactsPerHour: number): Plan['traffic'] =>
  new Map(
    triggersOf(config).map((trigger) => [
      trigger.name,
      { contactsPerHour, trialsPerHour: contactsPerHour, baseline: null },
    ]),
  )

export type Explanation = Readonly<{
  listens: Readonly<{ receive: string; page: string }>
  store: Readonly<{ path: string; retentionDays: number; memoryMiB: number }>
  identity: string
  environments: readonly string[]
  alpha: number
  lifeDays: number
  triggers: readonly TriggerExplanation[]
  targets: readonly Readonly<{
    name: string
    kind: string
    address: string
    /** Where its keys are kept. */
    secret: string
    enforces: boolean
    escalation: boolean
    takes: readonly string[]
  }>[]
  /** Who obeys the stop switch by asking: the token, and whose releases. */
  askers: readonly Readonly<{ token: string; releases: string }>[]
  warnings: readonly string[]
}>

/** What a configuration does: plain words, or with `json` the same as data. */
export function explainConfig(config: Config, { json, plan = NO_PLAN }: { json: boolean; plan?: Plan }): string {
  const explanation = explanationOf(config, plan)
  return json ? JSON.stringify(explanation, null, 2) : textOf(explanation, config)
}

export function explanationOf(config: Config, plan: Plan = NO_PLAN): Explanation {
  const triggers = triggersOf(config).map((trigger) => triggerExplanation(trigger, config, plan))
  return {
    listens: { receive: urlOf(config.receive), page: urlOf(config.page) },
    store: { path: config.store.path, retentionDays: config.store.retentionDays, memoryMiB: config.store.memoryMiB },
    identity: config.identity.secret ? placeOf(config.identity.secret) : 'made once and kept beside the store',
    environments: config.judge.environments,
    alpha: config.judge.alpha,
    lifeDays: plan.lifeDays,
    triggers,
    targets: config.targets.map((target) => ({
      name: target.name,
      kind: target.kind,
      address: target.urlFrom ? placeOf(target.urlFrom) : new URL(target.url ?? PAGERDUTY_URL).origin,
      secret: [target.secret ?? [], target.token ?? []].flat().map(placeOf).join(' and ') || 'its address',
      enforces: target.enforces,
      escalation: target.escalation,
      takes: target.on ?? (target.enforces ? ['pause', 'rollback', 'resume'] : [...purposes]),
    })),
    askers: config.stopSwitch.enforcedBy.map(({ token, match }) => ({
      token,
      releases: Object.values(match).filter(Boolean).join(', ') || 'all',
    })),
    warnings: [...warningsOf(config, triggers), ...powerWarnings(triggers, plan.lifeDays)],
  }
}

const urlOf = ({ host, port }: Config['receive']): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port === 0 ? '(any free port)' : port}`
const placeOf = (ref: SecretRef): string => ('env' in ref ? `environment variable ${ref.env}` : `file ${ref.file}`)

function triggerExplanation(trigger: JudgedTrigger, config: Config, plan: Plan): TriggerExplanation {
  const traffic = plan.traffic.get(trigger.name) ?? null
  const rate = traffic?.baseline?.rate ?? trigger.baseline
  const signal = signalsOf(config).find((candidate) => candidate.name === trigger.signal)!
  const windowMs = windowMsOf(signal)
  const { agent, channel, queue } = trigger.match
  const matched = [agent && `agent ${agent}`, channel && `channel ${channel}`, queue && `queue ${queue}`].filter(
    Boolean,
  )
  return {
    trigger: trigger.name,
    signal: signal.name,
    title: trigger.title,
    counts: signal.description || `${signal.title}.`,
    judges: matched.length > 0 ? matched.join(', ') : 'every release',
    baseline: rate,
    comparedWith: comparedWith(trigger, traffic),
    baselineWarnings: traffic?.baseline?.warnings ?? [],
    limit: rate * (1 + trigger.tolerance),
    windowHours: windowMs === null ? null : windowMs / 3_600_000,
    action: trigger.action,
    shadow: trigger.shadow,
    trafficGoesTo: trigger.trafficGoesTo,
    alpha: trigger.alpha,
    weight: isActing(trigger) ? trigger.weight : null,
    trialsPerHour: traffic?.trialsPerHour ?? null,
    contactsPerHour: traffic?.contactsPerHour ?? null,
    ceiling: trigger.ceiling && {
      ...trigger.ceiling,
      falsePauses: ceilingFalsePauses(
        trigger,
        rate,
        (traffic?.trialsPerHour ?? trigger.ceiling.minTrials / HOURS_PER_DAY) * HOURS_PER_DAY * plan.lifeDays,
      ),
    },
    power: powerOf(trigger, traffic),
  }
}

const HOURS_PER_DAY = 24

function comparedWith(trigger: JudgedTrigger, traffic: Traffic | null): string {
  if (traffic?.baseline)
    return `a release that began now: ${[traffic.baseline.reason, traffic.baseline.profileReason].filter(Boolean).join('; ')}`
  const last = trigger.usual ? 'it is not judged' : 'the written rate'
  const others = trigger.usual
    ? `other queues pooled; without a history that tells what is usual, ${last}`
    : trigger.rateGiven
      ? last
      : 'other queues pooled, the typical share'
  return {
    auto: `the first of these that its history allows: a release that runs at the same time, the previous release, ${others}`,
    concurrent: `a release that runs at the same time, else ${last}`,
    previous: `the history of the previous release, else ${last}`,
    written: 'the written rate, always',
    pooled: `other queues pooled, else ${last}`,
  }[trigger.baselineMode]
}

function warningsOf(config: Config, triggers: readonly TriggerExplanation[]): string[] {
  const acting = triggers.filter((trigger) => trigger.weight !== null)
  const enforcing = config.targets.filter((target) => target.enforces)
  const spent = acting.reduce((sum, trigger) => sum + trigger.weight!, 0)
  return [
    !config.triggers &&
      'No trigger is written down: the four signals are compared with typical shares, and breaches are told to people only. Write triggers with the shares of your own healthy releases.',
    config.triggers && acting.length === 0 && 'No trigger can pause: all of them notify or are in shadow.',
    config.targets.length === 0 &&
      acting.length === 0 &&
      'There is no target: breaches are shown on the page and by `andon status` only.',
    config.targets.length === 0 &&
      config.stopSwitch.enforcedBy.length === 0 &&
      acting.length > 0 &&
      `There is no target, so a pause by ${acting.map((trigger) => `'${trigger.trigger}'`).join(', ')} reaches nobody and nothing stops. Add one with enforces: true, or say under stopSwitch.enforcedBy who obeys the stop switch.`,
    config.targets.length === 0 &&
      config.stopSwitch.enforcedBy.length > 0 &&
      'There is no target: agents that ask the stop switch stop, but no person is told. Add one that tells people.',
    acting.length > 0 &&
      enforcing.length > 0 &&
      enforcing.every((target) => target.escalation) &&
      'Every target that enforces is held in reserve (escalation: true): a pause is sent to it only after nobody obeyed.',
    config.safety.observeOnly && acting.length > 0 && 'safety.observeOnly is on: nothing is paused.',
    !config.safety.observeOnly &&
      config.safety.pauses.max === 0 &&
      acting.length > 0 &&
      'safety.pauses.max is 0: nothing is paused.',
    config.judge.environments.length === 0 && 'judge.environments is empty: nothing is judged.',
    config.judge.alpha > HIGH_ALPHA &&
      `alpha is ${percent(config.judge.alpha)}: of 100 healthy releases, up to ${Math.round(config.judge.alpha * 100)} are paused. 1 % is usual.`,
    acting.length > 0 &&
      spent < 1 - 1e-9 &&
      `The weights sum to ${spent.toFixed(3)}: the rest of alpha is not used, and finding a fault takes a little longer than it could.`,
  ].filter((warning): warning is string => typeof warning === 'string')
}

/** Where a trigger can never fire, or not in time, and what its baseline would hide. */
function powerWarnings(triggers: readonly TriggerExplanation[], lifeDays: number): string[] {
  return triggers.flatMap((trigger) => {
    const warnings = trigger.baselineWarnings.map((warning) => `'${trigger.trigger}': ${warning}.`)
    const double = trigger.power.find((power) => power.ratio === 2)
    if (trigger.trialsPerHour === null) {
      if (double && (double.medianTrials ?? Number.POSITIVE_INFINITY) > MOST_TRIALS)
        warnings.push(
          double.medianTrials === null
            ? `'${trigger.trigger}' never finds a doubling of ${percent(trigger.limit)}: its history is too short.`
            : `'${trigger.trigger}' finds a doubling of ${percent(trigger.limit)} only after about ${count(double.medianTrials)} trials. With less traffic it never fires: choose a signal that is more frequent.`,
        )
      return warnings
    }
    const inTime = trigger.power.find(
      (power) => (power.medianHours ?? Number.POSITIVE_INFINITY) <= lifeDays * HOURS_PER_DAY,
    )
    const most = trigger.power.at(-1)
    if (!inTime && most)
      warnings.push(
        `'${trigger.trigger}' can hardly ever fire within ${lifeDays} days: even at ${most.ratio} times ${percent(trigger.limit)}, half of the releases are found only after ${hours(most.medianHours)}. Choose a signal that is more frequent, or a longer life.`,
      )
    else if (inTime && inTime.ratio > 2)
      warnings.push(
        `'${trigger.trigger}' finds no doubling within ${lifeDays} days, only ${inTime.ratio} times the limit or more.`,
      )
    return warnings
  })
}

const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`
const count = (n: number | null): string => (n === null ? 'never' : n.toLocaleString('en-US'))
const hours = (h: number | null): string =>
  h === null
    ? 'never'
    : h < 1
      ? `${Math.ceil(h * 60)} min`
      : h < 72
        ? `${h.toFixed(1)} h`
        : `${(h / HOURS_PER_DAY).toFixed(1)} d`

function textOf(explanation: Explanation, config: Config): string {
  const { listens, store, triggers, targets, warnings } = explanation
  const environments = explanation.environments.map((environment) => environment || '(none named)').join(', ')
  return [
    'The configuration is valid.',
    '',
    `Telemetry    ${listens.receive} (OTLP/HTTP)${config.receive.token ? `, token in ${placeOf(config.receive.token)}` : ''}`,
    `Page         ${listens.page}${config.page.token ? `, token in ${placeOf(config.page.token)}` : ''}`,
    config.store.server
      ? `Store        ClickHouse at ${config.store.server.url}, database ${config.store.server.database}, facts kept for ${store.retentionDays} days`
      : `Store        ${store.path}, facts kept for ${store.retentionDays} days, at most ${store.memoryMiB} MiB of memory`,
    ...(config.kafka ? [`Kafka        ${config.kafka.brokers.join(', ')}, between the roles`] : []),
    `Customers    known by pseudonyms; the key: ${explanation.identity}`,
    `Judged       releases in the environments ${environments}`,
    `Certainty    a healthy release is ever paused with a probability of at most ${percent(explanation.alpha)}, all triggers together`,
    '',
    ...triggers.flatMap(triggerText),
    targets.length === 0
      ? 'Targets: none.'
      : `Targets\n\n${table(
          ['name', 'kind', 'address', 'key in', 'takes', 'role'],
          targets.map((target) => [
            target.name,
            target.kind,
            target.address,
            target.secret,
            target.takes.join(', '),
            roleOf(target),
          ]),
        )}`,
    ...(explanation.askers.length > 0 ? [''] : []),
    ...explanation.askers.map(
      ({ token, releases }) =>
        `Stop switch: whoever asks with the token '${token}' stops by its answer (releases: ${releases}).`,
    ),
    '',
    ...(warnings.length === 0 ? ['No warnings.'] : ['Warnings', '', ...warnings.map((warning) => `  ! ${warning}`)]),
  ].join('\n')
}

const roleOf = ({ enforces, escalation }: Explanation['targets'][number]): string =>
  `${enforces ? 'stops releases' : 'tells people'}${escalation ? ', in reserve' : ''}`

function triggerText(trigger: TriggerExplanation): string[] {
  const does = {
    notify: 'people are told',
    pause: `the release is paused, traffic goes to: ${trigger.trafficGoesTo}`,
    rollback: `the release is rolled back, traffic goes to: ${trigger.trafficGoesTo}`,
  }[trigger.action]
  const limit = trigger.limit === trigger.baseline ? '' : ` (baseline ${percent(trigger.baseline)} and tolerance)`
  const { trialsPerHour, contactsPerHour } = trigger
  const seen = trialsPerHour !== null
  const rows = trigger.power.map((power) => [
    `${power.ratio} ×`,
    percent(power.rate),
    count(seen ? power.medianContacts : power.medianTrials),
    count(seen ? power.p90Contacts : power.p90Trials),
    ...(seen ? [hours(power.medianHours), hours(power.p90Hours), hours(power.floorHours)] : [count(power.floorTrials)]),
  ])
  const head = ['bad from launch', 'its rate', 'half are found by', 'nine in ten by']
  const until = `until a release that is bad from launch is ${trigger.weight === null ? 'told' : 'stopped'}`
  return [
    `Trigger ${trigger.trigger}: ${trigger.title}`,
    `  ${trigger.counts}${trigger.windowHours === null ? '' : ` Known up to ${trigger.windowHours} h later.`}`,
    `  Judges ${trigger.judges}. Healthy: up to ${percent(trigger.limit)}${limit}. On a breach ${trigger.shadow ? `(shadow: nothing happens; else ${does})` : does}.`,
    `  Compares with ${trigger.comparedWith}.`,
    trigger.weight === null
      ? `  Judged alone, wrong with a probability of at most ${percent(trigger.alpha)}.`
      : `  Has ${percent(trigger.weight)} of the alpha of ${percent(trigger.alpha)} that pauses share.`,
    ...(trigger.ceiling
      ? [
          `  Ceiling: above ${percent(trigger.ceiling.rate)} of the latest ${count(trigger.ceiling.minTrials)} trials is a breach as well. A healthy release crosses it with a probability of ${trigger.ceiling.falsePauses < 1e-4 ? 'less than 0.01 %' : `about ${percent(trigger.ceiling.falsePauses)}`} in its planned life, beyond alpha.`,
        ]
      : []),
    seen
      ? `  With ${Number(contactsPerHour!.toPrecision(3))} contacts an hour, ${Number(trialsPerHour.toPrecision(3))} of them trials; contacts and time ${until}:`
      : `  Contacts that are trials${trigger.windowHours === null ? '' : ', their window over,'} ${until}:`,
    '',
    indented(
      table(seen ? [...head, 'half', 'nine in ten', 'floor of any test'] : [...head, 'floor of any test'], rows),
    ),
    '',
  ]
}

const indented = (text: string): string => text.replace(/^/gm, '    ')
