import * as api from '@opentelemetry/api'
import type { Counters } from './counters.ts'
import { recordFailure } from './failure.ts'
import { attribute } from './names.ts'
import { attributesOf, type Moment, timeOf } from './values.ts'

export const ACTION_KINDS = ['create', 'update', 'merge', 'delete', 'read', 'transfer'] as const
export const ACTION_RESULTS = ['ok', 'failed', 'partial', 'unverified'] as const
export type ActionResult = (typeof ACTION_RESULTS)[number]

/** One tool call of the agent. */
export type ActionFields = Readonly<{
  tool: string
  /** What it does to the system; absent for a tool that touches no record. */
  action?: (typeof ACTION_KINDS)[number]
  /** crm, erp, finance, … */
  system?: string
  recordType?: string
  /** The system's own id of the record, once known. */
  recordId?: string
  /** What makes the record the same thing in the real world (order and customer, e-mail address, …): two creates with one key are a duplicate. */
  recordKey?: string
  /** What the model passed. Only sent when given: it may hold personal data. */
  arguments?: Readonly<Record<string, unknown>>
  callId?: string
  policy?: string
  reviewer?: string
  amount?: number
  currency?: string
  /** When it began, for backfill and simulation; now when absent. */
  startTime?: Moment
  attributes?: api.Attributes
}>

/** What is known about how a tool call went. Without any of it, a call that returned counts as done. */
export type ActionReport = Readonly<{
  /** Say it where the system confirmed or refused the write; it outranks every other sign. */
  result?: ActionResult
  /** Records in a bulk call, and how many of them were refused: an answer of 200 with a refused record is a failed write. */
  items?: number
  failedItems?: number
  recordId?: string
  /** Marks the call as failed: an Error, or a short name such as `timeout`. */
  error?: unknown
  endTime?: Moment
}>

export type Action = Readonly<{
  span: api.Span
  context: api.Context
  /** Ends the call; later calls change nothing. */
  end: (report?: ActionReport) => void
}>

type Surroundings = Readonly<{
  tracer: api.Tracer
  context: api.Context
  identity: api.Attributes
  place: api.Attributes
  count: Counters
}>

const WRITES: ReadonlySet<string> = new Set(['create', 'update', 'merge', 'delete'])

/** Begins the `execute_tool` span of one call, which repeats the identity of its contact. */
export function openAction(
  { tracer, context: parent, identity, place, count }: Surroundings,
  fields: ActionFields,
): Action {
  const attributes = {
    ...fields.attributes,
    ...identity,
    ...attributesOf({
      [attribute.operation]: 'execute_tool',
      [attribute.tool]: fields.tool,
      [attribute.callId]: fields.callId,
      [attribute.arguments]: fields.arguments && JSON.stringify(fields.arguments),
      [attribute.action]: fields.action,
      [attribute.system]: fields.system,
      [attribute.recordType]: fields.recordType,
      [attribute.recordId]: fields.recordId,
      [attribute.recordKey]: fields.recordKey,
      [attribute.policy]: fields.policy,
      [attribute.reviewer]: fields.reviewer,
      [attribute.amount]: fields.amount,
      [attribute.currency]: fields.currency,
    }),
  }
  const startTime = timeOf(fields.startTime)
  const span = tracer.startSpan(
    `execute_tool ${fields.tool}`,
    startTime ? { attributes, startTime } : { attributes },
    parent,
  )
  const isWrite = WRITES.has(fields.action ?? '')
  let open = true
  return {
    span,
    context: api.trace.setSpan(parent, span),
    end: (report = {}) => {
      if (!open) return
      open = false
      if (report.error !== undefined) recordFailure(span, report.error, report.endTime)
      span.setAttributes(
        attributesOf({
          [attribute.result]: report.result ?? (isWrite && report.error !== undefined ? 'failed' : undefined),
          [attribute.items]: report.items,
          [attribute.failedItems]: report.failedItems,
          [attribute.recordId]: report.recordId,
        }),
      )
      span.end(timeOf(report.endTime))
      const kind = attributesOf({ [attribute.tool]: fields.tool, [attribute.action]: fields.action })
      count.action({ ...place, ...kind, [attribute.result]: countedResultOf(report) })
    },
  }
}

/** The result as the counter has it: the same order of truth as the monitor's, so that both agree. */
function countedResultOf(report: ActionReport): ActionResult {
  const { result, items, failedItems, error } = report
  if (result) return result
  if (failedItems) return items !== undefined && failedItems < items ? 'partial' : 'failed'
  return error === undefined ? 'ok' : 'failed'
}

/** Runs the call inside its span. What it returns may say how it went, in the words of {@link ActionReport}. */
export async function runAction<T>(action: Action, run: (action: Action) => T | Promise<T>): Promise<T> {
  try {
    const value = await api.context.with(action.context, () => run(action))
    action.end(reportIn(value))
    return value
  } catch (error) {
    action.end({ error: error ?? 'unknown' })
    throw error
  }
}

/** Picks `result`, `failedItems` (then also `items`) and `recordId` out of a returned object; anything of another type is not ours. */
function reportIn(value: unknown): ActionReport {
  if (typeof value !== 'object' || value === null) return {}
  const { result, items, failedItems, recordId } = value as Record<string, unknown>
  return {
    ...(ACTION_RESULTS.includes(result as ActionResult) && { result: result as ActionResult }),
    ...(typeof failedItems === 'number' && { failedItems, ...(typeof items === 'number' && { items }) }),
    ...(typeof recordId === 'string' && { recordId }),
  }
}
