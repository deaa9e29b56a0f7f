import { z } from 'zod'
import type { Order } from './orders.ts'
import { type Links, pageOf, rateOf, readOnOf } from './page.ts'
import { purposes } from './targets.ts'

/** A new optional key keeps the version; a removed, renamed or redefined key raises it. */
export const SCHEMA_VERSION = 1

const time = z.iso.datetime().describe('RFC 3339, UTC, milliseconds.')
const share = z.number().min(0).max(1)

/** Body of every webhook, described for receivers in docs/webhooks.md. Receivers must ignore keys they do not know. */
export const payloadSchema = z.object({
  type: z.enum(purposes.map((purpose) => `andon.release.${purpose}` as const)).describe('What is asked for.'),
  timestamp: time.describe('When it was decided. The time of sending is the header webhook-timestamp.'),
  schemaVersion: z.literal(SCHEMA_VERSION),
  data: z.object({
    incidentId: z.string().describe('Same for every webhook of one incident.'),
    reason: z
      .string()
      .describe('Why it pauses (first_breach) or why it only tells people (notify_only, observe_only, …).'),
    summary: z.string().describe('One message for the page: who, what, since when, how many, what to do next.'),
    release: z
      .object({ environment: z.string(), agent: z.string(), release: z.string() })
      .describe('What to stop: exactly this release of this agent.'),
    slice: z
      .object({ channel: z.string().nullable(), queue: z.string().nullable() })
      .describe('Where the evidence was strongest; null = over all. For information: what to stop is in scope.'),
    action: z
      .enum(purposes)
      .describe('What the trigger orders. In a notify webhook it was held back, or is notify itself.'),
    trafficGoesTo: z
      .string()
      .describe("Where traffic goes instead, as written in the trigger; '' if it orders nothing."),
    scope: z
      .array(z.object({ channel: z.string().nullable(), queue: z.string().nullable() }))
      .nullable()
      .describe(
        'What to stop, or to resume: null = the whole release; else only contacts of these parts, null in a part = every channel or queue.',
      ),
    person: z
      .object({ by: z.string(), reason: z.string() })
      .nullable()
      .describe('Who ordered it and why; null = a trigger did.'),
    trigger: z
      .object({ name: z.string(), hash: z.string(), signal: z.string() })
      .describe('The limit that was written before launch.'),
    measured: z.object({
      hits: z.number(),
      trials: z.number(),
      rate: share.nullable().describe('hits / trials; null without trials.'),
      baseline: share.describe('Share of hits in a healthy release.'),
    }),
    evidence: z.object({
      logE: z.number().describe('Natural logarithm of the e-value.'),
      logThreshold: z.number().describe('What logE had to reach.'),
      falsePauseProbability: share
        .nullable()
        .describe(
          'exp(−logThreshold): the chance that a healthy release ever reaches the threshold is at most this. null: nothing was tested, a person ordered it or contacts stayed away.',
        ),
    }),
    onset: z
      .object({ at: time, earliest: time.nullable(), latest: time.nullable() })
      .nullable()
      .describe('Estimated start of the harm, with its 90 % range.'),
    clock: z.object({ firstHarm: time.nullable(), detected: time }),
    contactsExposed: z.number().describe('Contacts of the release begun between onset and detection.'),
    explanation: z.string().describe("The detector's own sentence."),
    escalation: z
      .object({ number: z.number().int(), because: z.string() })
      .nullable()
      .describe('Not null: an earlier webhook of this incident was not accepted or not obeyed.'),
    links: z.object({ incident: z.string().optional(), runbook: z.string() }),
  }),
})
export type Payload = z.output<typeof payloadSchema>

/**
 * The body of one webhook as JSON text. Rests only on what is journaled, so every retry, also after a restart, is the same to the byte.
 * Requires an order that tells somebody.
 */
export function bodyOf(order: Order, escalationNumber: number, links: Links): string {
  const { finding, purpose, incidentId, reason, scope, person } = order
  const escalation = escalationNumber === 0 ? null : order.escalations[escalationNumber - 1]
  const { onsetMs, onsetLowMs, onsetHighMs } = finding
  const { incident, runbook } = readOnOf(incidentId, links)
  const payload: Payload = {
    type: `andon.release.${purpose ?? 'notify'}`,
    timestamp: rfc3339(escalation?.atMs ?? order.startedAtMs),
    schemaVersion: SCHEMA_VERSION,
    data: {
      incidentId,
      reason,
      summary: pageOf(order, escalationNumber, links).summary,
      release: finding.release,
      slice: { channel: finding.channel || null, queue: finding.queue || null },
      action: finding.action,
      trafficGoesTo: finding.trafficGoesTo,
      scope:
        scope.length === 0
          ? null
          : scope.map(({ channel, queue }) => ({ channel: channel || null, queue: queue || null })),
      person: person && { by: person.by, reason: person.reason },
      trigger: { name: finding.trigger, hash: finding.triggerHash, signal: finding.signal },
      measured: { hits: finding.hits, trials: finding.trials, rate: rateOf(finding), baseline: finding.baseline },
      evidence: {
        logE: finding.logE,
        logThreshold: finding.logThreshold,
        falsePauseProbability:
          finding.by === 'person' || finding.by === 'silence'
            ? null
            : Math.min(1, Number(Math.exp(-finding.logThreshold).toPrecision(6))),
      },
      onset:
        onsetMs === null
          ? null
          : { at: rfc3339(onsetMs), earliest: rfc3339OrNull(onsetLowMs), latest: rfc3339OrNull(onsetHighMs) },
      clock: { firstHarm: rfc3339OrNull(finding.firstHarmMs), detected: rfc3339(finding.decidedAtMs) },
      contactsExposed: finding.contactsExposed,
      explanation: finding.reason,
      escalation: escalation ? { number: escalationNumber, because: escalation.because } : null,
      links: incident ? { incident, runbook } : { runbook },
    },
  }
  return JSON.stringify(payload)
}

const rfc3339 = (atMs: number): string => new Date(atMs).toISOString()
const rfc3339OrNull = (atMs: number | null): string | null => (atMs === null ? null : rfc3339(atMs))
