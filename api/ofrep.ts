import { z } from 'zod'
import type { Incident } from '../facts/incident.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Problem } from './problems.ts'
import { type Actor, type Route, route } from './route.ts'
import { holderOf, type Question } from './stop-switch.ts'

/**
 * The stop switch as feature flags: OFREP 0.3, the protocol that every OpenFeature SDK speaks. `andon.serving` takes the agent from the
 * context, `andon.serving.AGENT` from its own key; true: it may serve. Any other key is not found, so that an SDK with several providers
 * asks the next one.
 */
export const FLAG = 'andon.serving'

/** How long the list of standing orders is read from, before it is looked up again: a pause takes effect within this time. */
const FRESH_MS = 50

const text = z.string().max(4096)
const context = z
  .looseObject({
    targetingKey: z.string().optional().describe('Whatever the SDK sends; it decides nothing here and is not kept.'),
    agent: text
      .optional()
      .describe('The agent: `gen_ai.agent.name`, else `service.name`. Not needed where the key names it.'),
    release: text.optional().describe('Its release: `service.version`.'),
    environment: text.optional().describe('`deployment.environment.name`. Absent: every environment.'),
    channel: text.optional().describe('Absent: every channel.'),
    queue: text.optional().describe('Absent: every queue.'),
  })
  .describe('Who asks. If any part of what is asked for is stopped, the answer is false.')
const request = z.looseObject({ context: context.prefault({}) }).prefault({})
type Context = z.output<typeof context>

const evaluation = z
  .object({
    key: z.string(),
    value: z.boolean().describe('true: the release may serve. false: it is stopped, send the contact elsewhere.'),
    variant: z.enum(['serving', 'stopped']),
    reason: z
      .enum(['STATIC', 'TARGETING_MATCH'])
      .describe(
        'STATIC: no order stands against this release, or Andon has never seen it. TARGETING_MATCH: an order stands.',
      ),
    metadata: z
      .object({
        incidentId: z.string(),
        state: z.string(),
        ordered: z.string().describe('pause, or rollback: back to the previous release.'),
        sinceMs: z.number().describe('When the stop was ordered; milliseconds since 1970 UTC.'),
        trafficGoesTo: z.string().describe('Where contacts should go instead; "" is not said.'),
      })
      .partial()
      .describe('Empty while it may serve.'),
  })
  .meta({ id: 'Evaluation', description: 'The stop switch of one release.' })

/** What was answered to whom, and from which incidents: the stop switch proves that an order reached who asked. */
export type Answered = Readonly<{
  token: string
  asked: Question
  holder: Incident | null
  incidents: readonly Incident[]
}>

export type StopSwitch = Readonly<{
  /** All incidents, or those with a standing order. */
  incidents: () => readonly Incident[] | Promise<readonly Incident[]>
  /** After each answer; must return at once. */
  onAnswer?: ((answered: Answered) => void) | undefined
  clock: Pick<Clock, 'nowMs'>
}>

export function ofrepRoutes({ incidents, onAnswer, clock }: StopSwitch): Route[] {
  let seen: { atMs: number; incidents: readonly Incident[] } | null = null
  const fresh = async (): Promise<readonly Incident[]> => {
    const nowMs = clock.nowMs()
    if (seen === null || Math.abs(nowMs - seen.atMs) >= FRESH_MS) seen = { atMs: nowMs, incidents: await incidents() }
    return seen.incidents
  }
  const ask = async (question: Question, { token }: Actor): Promise<Incident | null> => {
    const all = await fresh()
    const holder = holderOf(all, question)
    onAnswer?.({ token, asked: question, holder, incidents: all })
    return holder
  }
  const shared = { method: 'POST', role: 'read', tag: 'Stop switch', rate: 'evaluations', isQuestion: true } as const
  return [
    route({
      ...shared,
      id: 'evaluateFlag',
      path: '/ofrep/v1/evaluate/flags/{key}',
      summary: 'May this release serve?',
      description: `OFREP 0.3, for any OpenFeature SDK. The key is \`${FLAG}\` or \`${FLAG}.AGENT\`.`,
      params: z.strictObject({
        key: z.string().max(4200).describe(`\`${FLAG}\`, or \`${FLAG}.\` and the name of the agent.`),
      }),
      body: request,
      answer: evaluation,
      problems: ['not_found'],
      asProblem: asFailure,
      handle: async ({ params: { key }, body, actor }) =>
        evaluationOf(key, await ask(questionOf(key, body.context), actor)),
    }),
    route({
      ...shared,
      id: 'evaluateFlags',
      path: '/ofrep/v1/evaluate/flags',
      summary: 'May this release serve? (all flags of one agent)',
      description: 'OFREP 0.3, for SDKs that fetch all flags at once and keep asking with If-None-Match.',
      body: request,
      answer: z.object({ flags: z.array(evaluation) }),
      asProblem: asFailure,
      handle: async ({ body, actor }) => {
        const question = questionOf(FLAG, body.context)
        const holder = await ask(question, actor)
        return { flags: [FLAG, `${FLAG}.${question.agent}`].map((key) => evaluationOf(key, holder)) }
      },
    }),
  ]
}

function questionOf(key: string, { agent, release, environment, channel, queue }: Context): Question {
  const named = key.startsWith(`${FLAG}.`) ? key.slice(FLAG.length + 1) : undefined
  if (key !== FLAG && !named)
    throw new AndonError('not_found', `Andon has the flags ${FLAG} and ${FLAG}.AGENT, and no other`)
  const asked = named ?? agent
  if (!asked) throw new AndonError('bad_request', `the context must name the agent, or the key must: ${FLAG}.AGENT`)
  if (!release)
    throw new AndonError('bad_request', 'the context must name the release: the service.version of the agent')
  return { agent: asked, release, environment, channel, queue }
}

function evaluationOf(key: string, incident: Incident | null): z.output<typeof evaluation> {
  if (incident === null) return { key, value: true, variant: 'serving', reason: 'STATIC', metadata: {} }
  const { incidentId, state, ordered, orderedMs, openedAtMs, finding } = incident
  const sinceMs = orderedMs ?? openedAtMs
  const metadata = { incidentId, state, ordered, sinceMs, trafficGoesTo: finding.trafficGoesTo }
  return { key, value: false, variant: 'stopped', reason: 'TARGETING_MATCH', metadata }
}

/** What an SDK wants to hear beside the problem; it knows 400 and 404 only, and then takes the default in the code. */
function asFailure(problem: Problem, path: string): Problem & Record<string, unknown> {
  const key = path.split('/')[5] ?? ''
  const isTheirs = problem.status < 500 && ![401, 403, 404, 413, 429].includes(problem.status)
  const errorCode =
    problem.code === 'not_found'
      ? 'FLAG_NOT_FOUND'
      : problem.code === 'undecodable'
        ? 'PARSE_ERROR'
        : isTheirs
          ? 'INVALID_CONTEXT'
          : 'GENERAL'
  const status = isTheirs ? 400 : problem.status
  return { ...problem, status, key: key.slice(0, 4200), errorCode, errorDetails: problem.detail }
}
