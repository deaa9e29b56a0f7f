import { PAGERDUTY_URL } from '../alerts/formats/pagerduty.ts'
import type { SecretRef } from '../alerts/targets.ts'
import { type Config, isActing, signalsOf, triggersOf } from '../config.ts'
import { testsOf } from '../detectors/evidence.ts'
import { logThreshold } from '../detectors/sequential/combine.ts'
import { detectionAtLaunch } from '../detectors/sequential/power.ts'
import { windowMsOf } from '../detectors/signals/definition.ts'
import type { JudgedTrigger } from '../detectors/triggers.ts'
import { table } from './table.ts'

/** Rises that the power is told for, as multiples of the limit. */
const RATIOS = [1.5, 2, 3, 5]
/** A doubling that takes more trials than this is warned about. */
const MOST_TRIALS = 100_000
const HIGH_ALPHA = 0.05

/** Trials from launch until a release whose rate is `ratio` × the limit is paused (or told); null where it never is. */
export type Power = Readonly<{
  ratio: number
  rate: number
  medianTrials: number | null
  p90Trials: number | null
  floorTrials: number
}>

export type TriggerExplanation = Readonly<{
  trigger: string
  signal: string
  title: string
  counts: string
  judges: string
  baseline: number
  limit: number
  windowHours: number | null
  action: string
  shadow: boolean
  trafficGoesTo: string
  alpha: number
  /** Share of alpha, null for a trigger that stops nobody: it spends none. */
  weight: number | null
  power: readonly Power[]
}>

export type Explanation = Readonly<{
  listens: Readonly<{ receive: string; page: string }>
  store: Readonly<{ path: string; retentionDays: number; memoryMiB: number }>
  identity: string
  environments: readonly string[]
  alpha: number
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
  warnings: readonly string[]
}>

/** What a configuration does: plain words, or with `json` the same as data. */
export function explainConfig(config: Config, { json }: { json: boolean }): string {
  const explanation = explanationOf(config)
  return json ? JSON.stringify(explanation, null, 2) : textOf(explanation, config)
}

export function explanationOf(config: Config): Explanation {
  const triggers = triggersOf(config).map((trigger) => triggerExplanation(trigger, config))
  return {
    listens: { receive: urlOf(config.receive), page: urlOf(config.page) },
    store: { path: config.store.path, retentionDays: config.store.retentionDays, memoryMiB: config.store.memoryMiB },
    identity: config.identity.secret ? placeOf(config.identity.secret) : 'made once and kept beside the store',
    environments: config.judge.environments,
    alpha: config.judge.alpha,
    triggers,
    targets: config.targets.map((target) => ({
      name: target.name,
      kind: target.kind,
      address: target.urlFrom ? placeOf(target.urlFrom) : new URL(target.url ?? PAGERDUTY_URL).origin,
      secret: [target.secret ?? [], target.token ?? []].flat().map(placeOf).join(' and ') || 'its address',
      enforces: target.enforces,
      escalation: target.escalation,
      takes: target.on ?? (target.enforces ? ['pause', 'rollback'] : ['pause', 'rollback', 'notify']),
    })),
    warnings: warningsOf(config, triggers),
  }
}

const urlOf = ({ host, port }: Config['receive']): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port === 0 ? '(any free port)' : port}`
const placeOf = (ref: SecretRef): string => ('env' in ref ? `environment variable ${ref.env}` : `file ${ref.file}`)

function triggerExplanation(trigger: JudgedTrigger, config: Config): TriggerExplanation {
  const signal = signalsOf(config).find((candidate) => candidate.name === trigger.signal)!
  const windowMs = windowMsOf(signal)
  const { agent, channel, queue } = trigger.match
  const matched = [agent && `agent ${agent}`, channel && `channel ${channel}`, queue && `queue ${queue}`].filter(
    Boolean,
  )
  return {
    trigger: trigger.name,
    signal: signal.name,
    title: signal.title,
    counts: signal.description || `${signal.title}.`,
    judges: matched.length > 0 ? matched.join(', ') : 'every release',
    baseline: trigger.baseline,
    limit: trigger.baseline * (1 + trigger.tolerance),
    windowHours: windowMs === null ? null : windowMs / 3_600_000,
    action: trigger.action,
    shadow: trigger.shadow,
    trafficGoesTo: trigger.trafficGoesTo,
    alpha: trigger.alpha,
    weight: isActing(trigger) ? trigger.weight : null,
    power: powerOf(trigger),
  }
}

/**
 * For evidence pooled over all traffic of a release: half of a trigger's share of alpha (the other half is for single channels and
 * queues), when the other triggers see nothing. The floor is what no test with this alpha can undercut on average.
 */
function powerOf(trigger: JudgedTrigger): Power[] {
  const [test] = testsOf([trigger])
  const threshold = logThreshold(trigger.alpha) - Math.log(trigger.weight / 2)
  const finite = (trials: number) => (Number.isFinite(trials) ? trials : null)
  return RATIOS.filter((ratio) => ratio * test!.design.share < 1).map((ratio) => {
    const { medianTrials, p90Trials, floorTrials } = detectionAtLaunch(test!.design, ratio, threshold)
    const floor = (floorTrials * logThreshold(trigger.alpha)) / threshold
    return {
      ratio,
      rate: ratio * test!.design.share,
      medianTrials: finite(medianTrials),
      p90Trials: finite(p90Trials),
      floorTrials: Math.ceil(floor),
    }
  })
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
      acting.length > 0 &&
      `There is no target, so a pause by ${acting.map((trigger) => `'${trigger.trigger}'`).join(', ')} reaches nobody and nothing stops. Add one with enforces: true.`,
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
    ...triggers.map(
      (trigger) =>
        (trigger.power.find((power) => power.ratio === 2)?.medianTrials ?? 0) > MOST_TRIALS &&
        `'${trigger.trigger}' finds a doubling of ${percent(trigger.limit)} only after about ${count(trigger.power.find((power) => power.ratio === 2)!.medianTrials)} trials. With less traffic it never fires: choose a signal that is more frequent.`,
    ),
  ].filter((warning): warning is string => typeof warning === 'string')
}

const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`
const count = (n: number | null): string => (n === null ? 'never' : n.toLocaleString('en-US'))

function textOf(explanation: Explanation, config: Config): string {
  const { listens, store, triggers, targets, warnings } = explanation
  const environments = explanation.environments.map((environment) => environment || '(none named)').join(', ')
  return [
    'The configuration is valid.',
    '',
    `Telemetry    ${listens.receive} (OTLP/HTTP)${config.receive.token ? `, token in ${placeOf(config.receive.token)}` : ''}`,
    `Page         ${listens.page}${config.page.token ? `, token in ${placeOf(config.page.token)}` : ''}`,
    `Store        ${store.path}, facts kept for ${store.retentionDays} days, at most ${store.memoryMiB} MiB of memory`,
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
  const rows = trigger.power.map((power) => [
    `${power.ratio} ×`,
    percent(power.rate),
    count(power.medianTrials),
    count(power.p90Trials),
    count(power.floorTrials),
  ])
  return [
    `Trigger ${trigger.trigger}: ${trigger.title}`,
    `  ${trigger.counts}${trigger.windowHours === null ? '' : ` Known up to ${trigger.windowHours} h later.`}`,
    `  Judges ${trigger.judges}. Healthy: up to ${percent(trigger.limit)}${limit}. On a breach ${trigger.shadow ? `(shadow: nothing happens; else ${does})` : does}.`,
    trigger.weight === null
      ? `  Judged alone, wrong with a probability of at most ${percent(trigger.alpha)}.`
      : `  Has ${percent(trigger.weight)} of the alpha of ${percent(trigger.alpha)} that pauses share.`,
    `  Contacts that are trials${trigger.windowHours === null ? '' : ', their window over,'} until a release that is bad from launch is ${trigger.weight === null ? 'told' : 'stopped'}:`,
    '',
    indented(table(['bad from launch', 'its rate', 'half are found by', 'nine in ten by', 'floor of any test'], rows)),
    '',
  ]
}

const indented = (text: string): string => text.replace(/^/gm, '    ')
