import { z } from 'zod'
import type { Operate, ReleaseName } from '../facts/operation.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import { GATE_STAGES, type GateStage, type GateVerdict } from '../releases/gate.ts'
import { recordSchema } from '../releases/record.ts'
import type { KnownRelease, Registry } from '../releases/registry.ts'
import { operatedSchema, reason, signedBy } from './incidents.ts'
import { type Route, route } from './route.ts'
import { releaseSchema } from './schemas.ts'

const name = z.string().min(1).max(200)
const nameOf = {
  environment: z.string().max(200).optional().describe('May be left out where only one release fits.'),
  agent: name.describe('The agent.'),
  release: name.describe('Its release.'),
}
const scope = {
  channel: z.string().max(200).default('').describe('Only this channel; empty: every one.'),
  queue: z.string().max(200).default('').describe('Only this queue; empty: every one.'),
}
const time = z.number().describe('Milliseconds since 1970 UTC.')
const decided = z.object({ by: z.string(), reason: z.string(), atMs: time }).nullable()
const state = z.enum(['live', 'pausing', 'paused', 'recovering', 'resumed', 'rolled_back', 'retired'])
const part = z.object({ channel: z.string(), queue: z.string() })

const knownSchema: z.ZodType<KnownRelease> = z
  .object({
    release: releaseSchema,
    state,
    parts: z.array(part.extend({ state })).readonly().describe('Parts that are stopped alone.'),
    transitions: z
      .array(
        z.object({
          atMs: time,
          from: state,
          to: state,
          move: z.enum(['ordered', 'accepted', 'drained', 'reopened', 'resumed', 'rolled_back', 'retired']),
          by: z.string().describe('A person; empty: a trigger or telemetry.'),
          reason: z.string(),
          incidentId: z.string(),
          scope: z.array(part).readonly(),
        }),
      )
      .readonly(),
    record: recordSchema.nullable().describe('What people said of it; null: nobody registered it.'),
    registered: decided,
    retired: decided,
    seen: z
      .object({
        firstContactMs: time.nullable(),
        lastContactMs: time.nullable(),
        contacts: z.number(),
        slices: z.array(part.extend({ contacts: z.number() })).readonly(),
      })
      .nullable()
      .describe('What telemetry says of it; null: nothing yet.'),
  })
  .meta({ id: 'KnownRelease', description: 'One release: its record, its state, and how it came there.' }) as never

const verdictSchema: z.ZodType<GateVerdict> = z
  .object({
    passed: z.boolean(),
    stage: z.enum(GATE_STAGES),
    stepUp: z
      .boolean()
      .nullable()
      .describe('Whether it may do more on its own than the release before; null: not known.'),
    checks: z
      .array(
        z.object({
          name: z.string(),
          result: z.enum(['passed', 'failed', 'unknown', 'not_asked']),
          value: z.number().nullable(),
          limit: z.number().nullable(),
          detail: z.string(),
        }),
      )
      .readonly(),
  })
  .meta({ id: 'GateVerdict', description: 'Whether a release may go on; unknown never passes.' }) as never

export type ReleaseEdges = Readonly<{
  operate: Operate
  registry: Registry
  gate: (name: ReleaseName, stage: GateStage) => Promise<GateVerdict>
}>

/** The registry of releases, the gate, and orders to a release. */
export const releaseRoutes = ({ operate, registry, gate }: ReleaseEdges): Route[] => [
  route({
    id: 'listKnownReleases',
    method: 'GET',
    path: '/api/v1/release-records',
    role: 'read',
    tag: 'Releases',
    summary: 'Every release that was seen or registered, with its record and state',
    answer: z.object({ releases: z.array(knownSchema) }),
    handle: async () => ({ releases: await registry.list() }),
  }),
  route({
    id: 'findRelease',
    method: 'GET',
    path: '/api/v1/release-records/find',
    role: 'read',
    tag: 'Releases',
    summary: 'One release by name',
    query: z.strictObject(nameOf),
    answer: knownSchema,
    problems: ['not_found', 'conflict'],
    handle: ({ query }) => registry.find(query),
  }),
  route({
    id: 'registerRelease',
    method: 'PUT',
    path: '/api/v1/release-records',
    role: 'operate',
    tag: 'Releases',
    summary: 'Say what a release is; the whole record replaces the one before',
    body: z.strictObject({ ...nameOf, environment: z.string().max(200).default(''), record: recordSchema, reason }),
    answer: knownSchema,
    problems: ['invalid'],
    handle: async ({ body: { environment, agent, release, record, reason: why }, actor }) => {
      await registry.register({ environment, agent, release }, record, { by: actor.person, reason: why })
      return registry.find({ environment, agent, release })
    },
  }),
  route({
    id: 'retireRelease',
    method: 'POST',
    path: '/api/v1/releases/retire',
    role: 'operate',
    tag: 'Releases',
    summary: 'The release takes no contact any more',
    description: 'Refused while it takes contacts, or while a pause is not accepted.',
    body: z.strictObject({ ...nameOf, reason }),
    answer: knownSchema,
    problems: ['not_found', 'conflict'],
    handle: async ({ body, actor }) => {
      const known = await registry.find(body)
      await registry.retire(known.release, { by: actor.person, reason: body.reason })
      const all = await registry.list()
      return all.find(({ release }) => releaseKeyOf(release) === releaseKeyOf(known.release))!
    },
  }),
  ...(['pause', 'rollback'] as const).map((does) =>
    route({
      id: `${does}Release`,
      method: 'POST',
      path: `/api/v1/releases/${does}`,
      role: 'operate',
      tag: 'Releases',
      summary: does === 'pause' ? 'Pull the cord' : 'Go back to the previous release',
      description:
        'Opens an incident, or widens what an open one stops. The pause budget, silences and the observe-only switch are for triggers, not for people.',
      body: z.strictObject({
        ...nameOf,
        ...scope,
        trafficGoesTo: z
          .string()
          .max(2000)
          .optional()
          .describe('Where traffic goes. Default: as the record or the triggers say.'),
        reason,
      }),
      answer: operatedSchema,
      problems: ['not_found', 'conflict', 'invalid'],
      handle: ({ body: { environment, agent, release, channel, queue, trafficGoesTo, reason: why }, actor }) =>
        operate({
          does,
          release: { environment, agent, release },
          scope: { channel, queue },
          trafficGoesTo,
          reason: why,
          ...signedBy(actor),
        }),
    }),
  ),
  route({
    id: 'askGate',
    method: 'GET',
    path: '/api/v1/gate',
    role: 'read',
    tag: 'Releases',
    summary: 'May this release go on? For CI/CD',
    query: z.strictObject({
      ...nameOf,
      stage: z
        .enum(GATE_STAGES)
        .default('promote')
        .describe('deploy: before its first contact. promote: before more traffic, or more autonomy. Default promote.'),
    }),
    answer: verdictSchema,
    problems: ['not_found', 'conflict'],
    handle: ({ query: { stage, ...wanted } }) => gate(wanted, stage),
  }),
]
