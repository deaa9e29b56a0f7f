import { z } from 'zod'
import type { BaselineMode, Trigger } from '../facts/trigger.ts'
import { AndonError } from '../lib/errors.ts'
import { idOf } from '../lib/hash.ts'
import { type AgeProfile, COMPLAINT_7D, REPEAT_CONTACT_72H } from './sequential/age-profile.ts'
import type { HitsAre } from './sequential/design.ts'
import { isAgainstUsual, type Measure, type Signal, windowMsOf } from './signals/definition.ts'
import { USUAL_POINTS } from './usual.ts'

const HOUR_MS = 3_600_000

const ageProfileSchema = z
  .strictObject({
    edgesHours: z
      .array(z.number().min(0))
      .min(2)
      .describe('Ages in hours, from 0, rising; the last is the window of the signal.'),
    shares: z.array(z.number().min(0)).min(1).describe('Share of all hits between two edges; they sum to 1.'),
  })
  .refine(
    (profile) =>
      profile.edgesHours[0] === 0 && profile.edgesHours.every((edge, i, edges) => i === 0 || edge > edges[i - 1]!),
    { path: ['edgesHours'], message: 'must start at 0 and rise' },
  )
  .refine((profile) => profile.shares.length === profile.edgesHours.length - 1, {
    path: ['shares'],
    message: 'must have one entry less than edgesHours',
  })
  .refine((profile) => Math.abs(profile.shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-6, {
    path: ['shares'],
    message: 'must sum to 1',
  })

const rateSchema = z.number().gt(0).lt(1)
const modeSchema = z.enum(['auto', 'concurrent', 'previous', 'written', 'pooled'])

/** Shares that are usual where nothing else is known. A written rate of your own is worth more than any of them. */
const TYPICAL_RATES: Readonly<Record<string, number>> = {
  failed_updates: 0.02,
  duplicate_creations: 0.01,
  repeat_contacts: 0.12,
  complaints: 0.015,
}

export const triggerSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_-]{0,63}$/, 'lower-case letters, digits, - and _, at most 64')
      .describe('Unique name of the trigger.'),
    signal: z
      .string()
      .min(1)
      .describe('Name of the signal it judges: one of the four, one of the library, or your own under `signals`.'),
    match: z
      .strictObject({ agent: z.string().optional(), channel: z.string().optional(), queue: z.string().optional() })
      .default({})
      .describe('Which traffic it judges, by exact agent, channel and queue; absent judges all.'),
    baseline: z
      .union([rateSchema, modeSchema, z.strictObject({ mode: modeSchema.default('auto'), rate: rateSchema })])
      .default('auto')
      .describe(
        'What is healthy. A rate (0.02 is 2 % of trials) is a written limit and is kept to. `auto` takes the best that history allows: a stable release running at the same time, the previous release, the written rate, other queues; `concurrent`, `previous`, `written`, `pooled` insist on one. { mode, rate } gives a mode its written rate. Default auto.',
      ),
    tolerance: z
      .number()
      .min(0)
      .max(10)
      .default(0)
      .describe('Smallest relative rise that matters: 0.2 leaves baseline × 1.2 healthy. Default 0.'),
    weight: z
      .number()
      .gt(0)
      .max(1)
      .optional()
      .describe('Share of alpha spent on this trigger. Default: what the others leave, in equal parts.'),
    action: z.enum(['notify', 'pause', 'rollback']).default('notify').describe('What a breach does. Default notify.'),
    trafficGoesTo: z
      .string()
      .default('')
      .describe(
        'Where traffic goes when the release is paused: a human queue, the previous release. Required for pause and rollback.',
      ),
    ceiling: z
      .strictObject({
        rate: rateSchema.describe('Share of trials above which it is a breach, whatever the evidence says.'),
        minTrials: z.int().min(1).max(1_000_000).describe('Trials that must have been seen: of the latest ones.'),
      })
      .optional()
      .describe('A plain limit beside the test, for policies that demand one. Default: none.'),
    shadow: z.boolean().default(false).describe('Observe and report, never act. Default false.'),
    ageProfile: ageProfileSchema
      .optional()
      .describe('Delayed signals: when hits happen by age of the contact. Default: the written profile of the signal.'),
  })
  .superRefine((trigger, context) => {
    if (trigger.action !== 'notify' && trigger.trafficGoesTo.trim() === '')
      context.addIssue({
        code: 'custom',
        path: ['trafficGoesTo'],
        message: `a trigger that can ${trigger.action} must say where traffic goes, e.g. "human queue" or "previous release"`,
      })
  })

export const triggersSchema = z.array(triggerSchema).superRefine((triggers, context) => {
  triggers.forEach(({ name }, index) => {
    if (triggers.findIndex((other) => other.name === name) < index)
      context.addIssue({ code: 'custom', path: [index, 'name'], message: `the name '${name}' is used twice` })
  })
  const acting = triggers.filter((trigger) => !trigger.shadow && trigger.action !== 'notify')
  const sum = acting.reduce((total, trigger) => total + (trigger.weight ?? 0), 0)
  if (sum > 1 + 1e-9)
    context.addIssue({
      code: 'custom',
      message: `the weights of the triggers that can pause sum to ${sum.toFixed(3)}; they share one alpha, so at most 1`,
    })
})
export type TriggerConfig = z.output<typeof triggerSchema>

/** A trigger with everything that names it. */
export type JudgedTrigger = Trigger &
  Readonly<{
    hash: string
    title: string
    /** Somebody wrote the rate down; otherwise it is only a typical share. */
    rateGiven: boolean
    /** When hits of a delayed signal come, as written; null for an immediate one. */
    ageProfile: AgeProfile | null
    /** That profile was given for this trigger, so no learned one replaces it. */
    ageProfileGiven: boolean
    /** Of a quantity that is judged against what was usual: which number of the contact, beyond which point of history. */
    usual: Readonly<{ value: Measure['value']; point: number }> | null
    /** Counters may rise several times in one trial. */
    hitsAre: HitsAre
  }>

/**
 * The triggers that are used when none are configured: the four signals against typical healthy shares, telling people only.
 * A written baseline of your own is worth more than any default.
 */
export const DEFAULT_TRIGGERS: readonly TriggerConfig[] = triggersSchema.parse(
  Object.keys(TYPICAL_RATES).map((signal) => ({ name: signal, signal })),
)

/** Mode and written rate of a trigger; rate null where a mode is named for a signal that has no typical share. */
export function writtenBaseline(config: Pick<TriggerConfig, 'baseline' | 'signal'>): {
  mode: BaselineMode
  rate: number | null
} {
  const { baseline } = config
  if (typeof baseline === 'number') return { mode: 'written', rate: baseline }
  if (typeof baseline === 'object') return baseline
  return { mode: baseline, rate: TYPICAL_RATES[config.signal] ?? null }
}

/** What is wrong with the baseline of a trigger for its signal; null when nothing is. */
export function baselineMistake(config: TriggerConfig, signal: Signal): { key: string; problem: string } | null {
  const { mode, rate } = writtenBaseline(config)
  const name = `'${signal.name}'`
  if (!isAgainstUsual(signal))
    return rate === null
      ? {
          key: 'baseline',
          problem: `names a mode, but ${name} has no typical share: write { mode: ${mode}, rate: 0.02 } with the share of your healthy releases`,
        }
      : null
  const cure = `${name} has no limit and is compared with what was usual; leave it out, or give the signal a limit (above)`
  if (mode === 'written' || typeof config.baseline === 'object')
    return { key: 'baseline', problem: `gives a rate, but ${cure}` }
  return config.ceiling ? { key: 'ceiling', problem: `gives a rate, but ${cure}` } : null
}

/** Joins triggers with their signals; one on a quantity without a limit becomes three. Throws AndonError `config` that names the trigger. */
export function judgedTriggers(
  configs: readonly TriggerConfig[],
  signals: readonly Signal[],
  alpha: number,
): JudgedTrigger[] {
  const weights = weightsOf(configs)
  const judged = configs.flatMap((config, index) => {
    const signal = signals.find((candidate) => candidate.name === config.signal)
    if (!signal)
      throw new AndonError(
        'config',
        `triggers[${index}].signal: there is no signal '${config.signal}'; there are ${signals.map((candidate) => candidate.name).join(', ')}`,
      )
    const mistake = baselineMistake(config, signal)
    if (mistake) throw new AndonError('config', `triggers[${index}].${mistake.key}: ${mistake.problem}`)
    const ageProfile = ageProfileOf(config, signal, index)
    const weight = weights[index]!
    if (!isAgainstUsual(signal)) return [judgedTrigger(config, signal, { alpha, weight, ageProfile, usual: null })]
    return USUAL_POINTS.map((point) => {
      const usual = { value: signal.value, point }
      return judgedTrigger(config, signal, { alpha, weight: weight / USUAL_POINTS.length, ageProfile, usual })
    })
  })
  const twice = judged.find(({ name }, i) => judged.findIndex((other) => other.name === name) < i)
  if (twice)
    throw new AndonError('config', `triggers: '${twice.name}' is the name of a part of another trigger: choose another`)
  return judged
}

type Terms = Pick<JudgedTrigger, 'alpha' | 'weight' | 'ageProfile' | 'usual'>

function judgedTrigger(config: TriggerConfig, signal: Signal, terms: Terms): JudgedTrigger {
  const { alpha, weight, ageProfile, usual } = terms
  const { mode, rate } = writtenBaseline(config)
  const trigger: Trigger = {
    name: usual ? `${config.name}-p${usual.point * 100}` : config.name,
    signal: config.signal,
    match: {
      ...(config.match.agent !== undefined && { agent: config.match.agent }),
      ...(config.match.channel !== undefined && { channel: config.match.channel }),
      ...(config.match.queue !== undefined && { queue: config.match.queue }),
    },
    baseline: usual ? 1 - usual.point : rate!,
    baselineMode: mode,
    ceiling: config.ceiling ?? null,
    alpha,
    weight,
    tolerance: config.tolerance,
    action: config.action,
    trafficGoesTo: config.trafficGoesTo,
    shadow: config.shadow,
  }
  return {
    ...trigger,
    title: usual ? `${signal.title} beyond the usual ${pointWords(usual.point)}` : signal.title,
    rateGiven: typeof config.baseline !== 'string',
    ageProfile,
    ageProfileGiven: config.ageProfile !== undefined,
    usual,
    hitsAre: signal.evaluator === 'counters' ? 'events' : 'trials',
    hash: idOf(JSON.stringify([trigger, signal, ageProfile])).slice(0, 16),
  }
}

const pointWords = (point: number): string => (point === 0.5 ? 'median' : `${point * 100} % point`)

/** Triggers that can pause share alpha; every other one has an alpha of its own, as it stops nobody. */
function weightsOf(configs: readonly TriggerConfig[]): number[] {
  const acts = (config: TriggerConfig) => !config.shadow && config.action !== 'notify'
  const acting = configs.filter(acts)
  const given = acting.reduce((total, config) => total + (config.weight ?? 0), 0)
  const open = acting.filter((config) => config.weight === undefined).length
  return configs.map((config) => (acts(config) ? (config.weight ?? (1 - given) / open) : 1))
}

function ageProfileOf(config: TriggerConfig, signal: Signal, index: number): AgeProfile | null {
  const windowMs = windowMsOf(signal)
  if (windowMs === null) {
    if (config.ageProfile)
      throw new AndonError(
        'config',
        `triggers[${index}].ageProfile: the hits of '${signal.name}' are known within the contact; leave the profile out`,
      )
    return null
  }
  if (config.ageProfile) {
    const edgesMs = config.ageProfile.edgesHours.map((edge) => edge * HOUR_MS)
    if (edgesMs.at(-1) !== windowMs)
      throw new AndonError(
        'config',
        `triggers[${index}].ageProfile.edgesHours: ends at ${edgesMs.at(-1)! / HOUR_MS} h, the window of '${signal.name}' is ${windowMs / HOUR_MS} h`,
      )
    return { edgesMs, shares: config.ageProfile.shares }
  }
  return stretched(signal.evaluator === 'recurrence' ? REPEAT_CONTACT_72H : COMPLAINT_7D, windowMs)
}

/** The written profile, its ages scaled to another window. */
function stretched(profile: AgeProfile, windowMs: number): AgeProfile {
  const scale = windowMs / profile.edgesMs.at(-1)!
  return scale === 1 ? profile : { edgesMs: profile.edgesMs.map((edge) => edge * scale), shares: profile.shares }
}
