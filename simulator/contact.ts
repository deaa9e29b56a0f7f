import type { Random } from '../lib/random.ts'
import { type Customer, customerOf } from './customers.ts'
import type { Intent, Line, Step } from './lines.ts'
import type { DelayProfile, Rates } from './scenario.ts'

/** How a tool call went: thrown = the tool raised `errorType`; stated = the answer says so; items = accepted, with refused items inside. */
export type CallEnd =
  | Readonly<{ how: 'returned' }>
  | Readonly<{ how: 'stated'; result: 'ok' | 'failed' }>
  | Readonly<{ how: 'items'; items: number; failedItems: number }>
  | Readonly<{ how: 'thrown'; errorType: string }>

/** One tool call as it will happen. */
export type Call = Readonly<{
  tool: string
  action: Step['action']
  system: string
  recordType: string
  recordKey: string
  startedAtMs: number
  endedAtMs: number
  end: CallEnd
}>

/** One contact as it will happen, and the harm that chance put into it. */
export type SimulatedContact = Readonly<{
  /** Names the contact over all runs with the same seed. */
  id: string
  conversation: string
  agent: string
  release: string
  startedAtMs: number
  endedAtMs: number
  /** null: the caller could not be identified. */
  customer: Customer | null
  intent: string
  channel: string
  queue: string
  region: string
  initiator: 'customer' | 'agent'
  end: 'resolved' | 'transferred' | 'abandoned'
  calls: readonly Call[]
  harm: Readonly<{ hasWrite: boolean; failedUpdate: boolean; hasCreate: boolean; duplicateCreation: boolean }>
  /** When the customer comes back with the same intent, or complains; null: does not. */
  returnsAtMs: number | null
  complainsAtMs: number | null
}>

/** Who calls about what; the same over all contacts of one case. */
export type Case = Readonly<{ lineNumber: number; customerIndex: number; intent: Intent; region: string }>

type Plan = Readonly<{
  id: string
  line: Line
  kase: Case
  isReturn: boolean
  release: string
  startedAtMs: number
  rates: Rates
  random: Random
  repeatDelay: DelayProfile
  complaintDelay: DelayProfile
  /** Record keys that were created before, by anyone on this line: what a careless agent creates again. */
  createdKeys: readonly string[]
}>

const MINUTE_MS = 60_000
const ERROR_TYPES = ['timeout', 'ServiceUnavailable', 'VersionConflict']
/** A read fails now and then in every release: it is no write, so no signal may count it. */
const FAILED_READ_RATE = 0.01

/** Decides everything that happens in one contact, by the rates of the release that serves it. */
export function planContact(plan: Plan): SimulatedContact {
  const { id, line, kase, isReturn, release, startedAtMs, rates, random } = plan
  const customer = customerOf(kase.lineNumber, kase.customerIndex)
  const channel = random.pickWeighted(line.channels)
  const durationMs = Math.max(20_000, line.medianMinutes * MINUTE_MS * Math.exp(random.normal(0, 0.6)))
  const endedAtMs = Math.round(startedAtMs + durationMs)
  const { sequence, createKey, harm } = planCalls(plan, customer)
  const isTransferred = sequence.some(({ step }) => step.action === 'transfer')
  const abandons = random.chance(0.06)
  return {
    id,
    conversation: `${channel.prefix}-${id}`,
    agent: line.agent,
    release,
    startedAtMs,
    endedAtMs,
    customer: random.chance(line.identified) ? customer : null,
    intent: kase.intent.name,
    channel: channel.name,
    queue: kase.intent.queue,
    region: kase.region,
    initiator: !isReturn && random.chance(line.agentInitiated) ? 'agent' : 'customer',
    end: isTransferred ? 'transferred' : abandons ? 'abandoned' : 'resolved',
    calls: spread(sequence, startedAtMs, endedAtMs, (step) => (step.action === 'create' ? createKey : customer.email)),
    harm,
    returnsAtMs: random.chance(rates.repeat_contacts)
      ? Math.max(delayedMs(plan.repeatDelay, random, startedAtMs), endedAtMs + 1)
      : null,
    complainsAtMs: random.chance(rates.complaints)
      ? Math.max(delayedMs(plan.complaintDelay, random, startedAtMs), endedAtMs + 1)
      : null,
  }
}

type PlannedCall = Readonly<{ step: Omit<Step, 'share'>; end: CallEnd }>

/** The calls of one contact in order, with the harm in them; at most one write fails and at most one record is created again. */
function planCalls({ id, kase, isReturn, rates, random, createdKeys }: Plan, customer: Customer) {
  const steps = kase.intent.steps
    .filter((step) => random.chance(step.share))
    .map((step) => (isReturn && step.instead !== undefined ? step.instead : step))
  const writes = steps.filter((step) => step.action !== 'read' && step.action !== 'transfer')
  const create = steps.find((step) => step.action === 'create')
  const failing = random.chance(rates.failed_updates) && writes.length > 0 ? random.pick(writes) : null
  const duplicating =
    create !== undefined && create !== failing && random.chance(rates.duplicate_creations) ? create : null
  const createsAgain = duplicating !== null && createdKeys.length > 0 && random.chance(0.5)
  const createKey = createsAgain ? random.pick(createdKeys) : `${customer.phone}|${id}`
  const sequence: PlannedCall[] = []
  for (const step of steps) {
    if (step === failing) {
      sequence.push({ step, end: failedEnd(random) })
      if (random.chance(0.5)) sequence.push({ step, end: { how: 'returned' } }) // tried again, and it worked
    } else {
      const failsToRead = step.action === 'read' && random.chance(FAILED_READ_RATE)
      sequence.push({ step, end: failsToRead ? { how: 'thrown', errorType: 'timeout' } : goodEnd(step, random) })
      if (step === duplicating && !createsAgain) sequence.push({ step, end: { how: 'returned' } }) // created twice in one contact
    }
  }
  const hasCreate = sequence.some((call) => call.step === create && succeeded(call.end))
  const harm = {
    hasWrite: writes.length > 0,
    failedUpdate: failing !== null,
    hasCreate,
    duplicateCreation: duplicating !== null,
  }
  return { sequence, createKey, harm }
}

/** Whether the record was written, all of it. */
export const succeeded = (end: CallEnd): boolean =>
  end.how === 'returned' || (end.how === 'stated' && end.result === 'ok')

/** A moment after `fromMs`, by the profile. */
function delayedMs({ edgesMs, shares }: DelayProfile, random: Random, fromMs: number): number {
  const bin = random.pickWeighted(shares.map((weight, index) => ({ weight, index }))).index
  const [from, to] = [edgesMs[bin]!, edgesMs[bin + 1]!]
  return Math.round(fromMs + from + (to - from) * random.uniform())
}

/** The ways in which a write fails, all of which a monitor must see. */
function failedEnd(random: Random): CallEnd {
  const roll = random.uniform()
  if (roll < 0.5) return { how: 'thrown', errorType: random.pick(ERROR_TYPES) }
  if (roll < 0.8) return { how: 'stated', result: 'failed' }
  const items = 2 + random.integer(4)
  return { how: 'items', items, failedItems: 1 + random.integer(items) }
}

/** Most systems just answer; some confirm. */
const goodEnd = (step: Omit<Step, 'share'>, random: Random): CallEnd =>
  step.action !== 'read' && random.chance(0.3) ? { how: 'stated', result: 'ok' } : { how: 'returned' }

/** Puts the calls one after another into the contact, each taking at most a tenth of it. */
function spread(
  sequence: readonly PlannedCall[],
  startedAtMs: number,
  endedAtMs: number,
  keyOf: (step: Omit<Step, 'share'>) => string,
): Call[] {
  const slotMs = (endedAtMs - startedAtMs) / (sequence.length + 1)
  return sequence.map(({ step, end }, i) => {
    const callStartMs = Math.round(startedAtMs + slotMs * (i + 0.5))
    const { tool, action, system, recordType } = step
    const callEndMs = callStartMs + Math.round(Math.min(slotMs / 2, 800))
    return {
      tool,
      action,
      system,
      recordType,
      recordKey: keyOf(step),
      startedAtMs: callStartMs,
      endedAtMs: callEndMs,
      end,
    }
  })
}
