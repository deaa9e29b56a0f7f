import { z } from 'zod'
import type { Finding } from '../facts/finding.ts'
import { type Incident, type IncidentClock, type IncidentState, type Scope, VERDICTS } from '../facts/incident.ts'
import type { Overview, ReleaseView, SliceStanding, TriggerView } from '../facts/overview.ts'
import type { Release } from '../facts/slice.ts'

/** The words of facts/ as answers show them; the compiler holds each schema to its type. Times are milliseconds since 1970 UTC. */

const time = z.number().describe('Milliseconds since 1970 UTC.')
const maybeTime = time.nullable()

export const releaseSchema: z.ZodType<Release> = z
  .object({ environment: z.string(), agent: z.string(), release: z.string() })
  .meta({ id: 'Release', description: 'One version of one agent in one environment; "" is "none given".' })

const baselineMode = z.enum(['concurrent', 'previous', 'written', 'pooled', 'none'])
const action = z.enum(['notify', 'pause', 'rollback'])
const findingKind = z.enum(['breach', 'watching', 'clear', 'insufficient', 'no_data', 'sampled'])

export const findingSchema: z.ZodType<Finding> = z
  .object({
    kind: findingKind,
    reason: z.string().describe('One sentence for people, with the figures that led here.'),
    release: releaseSchema,
    trigger: z.string(),
    triggerHash: z.string(),
    signal: z.string(),
    action,
    shadow: z.boolean(),
    trafficGoesTo: z.string(),
    channel: z.string(),
    queue: z.string(),
    strongest: z
      .object({ channel: z.string(), queue: z.string() })
      .nullable()
      .exactOptional()
      .describe('Where the evidence is pooled over all: the channel and queue that carry most of it.'),
    trials: z.number(),
    hits: z.number(),
    baseline: z.number(),
    baselineMode: baselineMode.exactOptional(),
    baselineReason: z.string().exactOptional(),
    ratio: z.number().nullable().exactOptional(),
    ratioLow: z.number().nullable().exactOptional(),
    ratioHigh: z.number().nullable().exactOptional(),
    by: z.enum(['evidence', 'ceiling']).exactOptional(),
    overrides: z.number().exactOptional(),
    logE: z.number().describe('Natural logarithm of the e-value.'),
    logThreshold: z.number(),
    onsetMs: maybeTime,
    onsetLowMs: maybeTime,
    onsetHighMs: maybeTime,
    firstHarmMs: maybeTime,
    contactsExposed: z.number(),
    floorMs: z
      .number()
      .nullable()
      .exactOptional()
      .describe('Any test with the same promise needs so long on average, at the traffic of that time.'),
    floorContacts: z.number().nullable().exactOptional().describe('The same in contacts of the release.'),
    decidedAtMs: time,
    acceptedAtMs: time,
    seq: z.number(),
  })
  .meta({ id: 'Finding', description: 'What the detector said of one trigger on one release.' })

const clockSchema: z.ZodType<IncidentClock> = z
  .object({
    onsetMs: maybeTime,
    firstHarmMs: maybeTime,
    detectedMs: time,
    sentMs: maybeTime,
    acceptedMs: maybeTime,
    stoppedMs: maybeTime,
    drainedMs: maybeTime,
  })
  .meta({ id: 'IncidentClock', description: 'The clock of one incident; null has not happened (yet).' })

export const incidentStates = [
  'observed',
  'pausing',
  'paused',
  'stopped',
  'drained',
  'resumed',
  'closed',
] as const satisfies readonly IncidentState[]

const byPerson = z.object({
  by: z.string(),
  reason: z.string(),
  via: z.string().exactOptional().describe('Token that was shown.'),
})
const decided = byPerson.extend({ atMs: time })

export const scopeSchema: z.ZodType<Scope> = z
  .object({ channel: z.string(), queue: z.string() })
  .meta({ id: 'Scope', description: 'A part of a release that is stopped alone; "" is every channel, or every queue.' })

export const incidentSchema: z.ZodType<Incident> = z
  .object({
    incidentId: z.string(),
    release: releaseSchema,
    state: z.enum(incidentStates),
    reason: z
      .enum([
        'first_breach',
        'joined_open_incident',
        'notify_only',
        'shadow',
        'observe_only',
        'silenced',
        'stale',
        'replay',
        'pause_budget_exhausted',
        'unknown_release',
        'drill_failed',
        'by_person',
      ])
      .describe('Why the breach did or did not lead to a pause.'),
    version: z.number(),
    openedAtMs: time,
    finding: findingSchema,
    joined: z.array(findingSchema).readonly(),
    clock: clockSchema,
    contactsAfterPause: z
      .number()
      .nullable()
      .describe(
        'Contacts begun after acceptance, in what is stopped; before the stop is proven, as telemetry has told so far. null: not counted yet.',
      ),
    writesAfterPause: z.number().nullable().describe('Writes begun after acceptance, as contactsAfterPause.'),
    acceptedBy: z.array(z.string()).readonly(),
    undeliverable: z.array(z.string()).readonly(),
    deliveries: z
      .array(
        z.object({ target: z.string(), attempts: z.number(), outcome: z.string(), status: z.number(), atMs: time }),
      )
      .readonly()
      .describe('How the present order, or notice, fares with each target that was tried.'),
    scope: z.array(scopeSchema).readonly().describe('What is stopped; empty is the whole release.'),
    resumedParts: z
      .array(decided.extend({ scope: z.array(scopeSchema).readonly() }))
      .readonly()
      .describe('Parts that were stopped and go on again, in order.'),
    ordered: z.enum(['nothing', 'pause', 'rollback']),
    orderedMs: maybeTime,
    orderedBy: byPerson.nullable().describe('Who ordered it; null: a trigger, or nothing is ordered.'),
    acknowledged: decided.nullable(),
    snoozed: decided.extend({ untilMs: time }).nullable(),
    rolledBackMs: maybeTime,
    resumed: decided.extend({ how: z.enum(['resumed', 'overridden']), acceptedMs: maybeTime }).nullable(),
    closed: decided.extend({ verdict: z.enum(VERDICTS) }).nullable(),
    restarts: z
      .array(z.object({ trigger: z.string(), overrides: z.number(), alphaSpent: z.number(), alphaNext: z.number() }))
      .readonly()
      .nullable()
      .describe('Evidence that started again after an override; null: it goes on as it was.'),
  })
  .meta({ id: 'Incident', description: 'What a breach opened: its state, its clock, and who accepted the pause.' })

const triggerViewSchema: z.ZodType<TriggerView> = z
  .object({
    trigger: z.string(),
    signal: z.string(),
    title: z.string(),
    action,
    shadow: z.boolean(),
    finding: findingKind,
    reason: z.string(),
    trials: z.number(),
    hits: z.number(),
    rate: z.number().nullable(),
    low: z.number().nullable(),
    high: z.number().nullable(),
    baseline: z.number(),
    limit: z.number().describe('The highest share that still counts as healthy: baseline × (1 + tolerance).'),
    ceiling: z
      .number()
      .exactOptional()
      .describe('The share of the latest trials above which the trigger breaches at once.'),
    baselineMode: baselineMode.exactOptional(),
    baselineAgainst: z.string().exactOptional(),
    baselineReason: z.string().exactOptional(),
    warnings: z.array(z.string()).readonly().exactOptional(),
    logE: z.number(),
    logThreshold: z.number(),
  })
  .meta({
    id: 'TriggerView',
    description: 'One trigger on one release as the detector sees it now. Shares are in [0, 1].',
  })

const sliceStandingSchema: z.ZodType<SliceStanding> = z
  .object({
    channel: z.string(),
    queue: z.string(),
    signal: z.string().describe('The signal that contributes most.'),
    logE: z.number().describe('Its term in the joint evidence: at logThreshold of the release it alone pauses it.'),
  })
  .meta({
    id: 'SliceStanding',
    description: 'How far one channel and queue carries its release towards a pause, over all triggers that can pause.',
  })

export const releaseViewSchema: z.ZodType<ReleaseView> = z
  .object({
    release: releaseSchema,
    state: z.enum(['live', ...incidentStates]).exclude(['resumed', 'closed']),
    judged: z.boolean(),
    contacts: z.number(),
    identified: z.number(),
    firstContactMs: maybeTime,
    lastContactMs: maybeTime,
    logE: z.number(),
    logThreshold: z.number(),
    triggers: z.array(triggerViewSchema).readonly(),
    slices: z.array(sliceStandingSchema).readonly().describe('Where its evidence comes from, the strongest first.'),
    contactsPerHour: z.array(z.number()).readonly(),
  })
  .meta({ id: 'ReleaseView', description: 'One release as people see it.' })

export const overviewSchema: z.ZodType<Overview> = z
  .object({
    clock: z.enum(['wall', 'event']).describe('What nowMs is: event in a replay or demo.'),
    nowMs: time,
    seq: z.number().describe('Last batch counted.'),
    waitingRows: z.number(),
    ingestLagSeconds: z.number(),
    setAside: z.number().describe('Facts that no batch can count: they count nowhere until they are replayed.'),
    releases: z.array(releaseViewSchema).readonly(),
    incidents: z.array(incidentSchema).readonly().describe('Newest first.'),
  })
  .meta({ id: 'Overview', description: 'One consistent look at the monitor.' })
