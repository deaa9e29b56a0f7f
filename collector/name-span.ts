import { type ActionKind, type ActionResult, EMPTY_SPAN, type SpanFact } from '../facts/span.ts'
import { AMOUNT, type Bounds, boundsText, ITEMS, isWithin, numberOf } from './bounded-number.ts'
import { boundedText } from './bounded-text.ts'
import { canonicalJson, parseJson, pathOf, plainText, valueAt } from './canonical.ts'
import type { NamedField } from './field-names.ts'
import { FIELD, keysOf, MCP_FIELD, METADATA_NAMES, RESOURCE_FIELDS, ROLE_FIELD, ROLE_NAMES } from './field-names.ts'
import type { Names, ToolRule } from './names.ts'
import type { Keys, Picked, RawSpan, Value } from './otlp/raw.ts'
import { ABSENT } from './otlp/raw.ts'
import { createLookup, matches } from './patterns.ts'
import type { Pseudonymizer } from './pseudonym.ts'
import { normalizeLabel } from './pseudonym.ts'

/** Turns raw spans into facts by the names of one configuration. */
export type Namer = Readonly<{
  names: Names
  pseudonymizer: Pseudonymizer
  /** What the decoders must keep. */
  keys: Keys
  /** The fact of one span. `startedAtMs` is 0 when the span tells no time at all: the caller puts the receive time there. */
  spanOf: (span: RawSpan, onIgnored?: OnIgnored) => SpanFact
}>

/** Told of an attribute without which a fact is taken, because nobody can mean what it says; `fix` names it. */
export type OnIgnored = (fix: string) => void

export function createNamer(names: Names, pseudonymizer: Pseudonymizer): Namer {
  const looksAtResults = names.failure.resultMatches.length > 0 || Object.keys(names.failure.resultFields).length > 0
  const keys = keysOf(
    names.aliases as Partial<Record<NamedField, readonly string[]>>,
    looksAtResults ? [] : ['resultText'],
  )
  const rules = createLookup(
    Object.fromEntries(Object.entries(names.tools).map(([tool, rule]) => [tool, compileRule(rule)])),
  )
  const sampledServices = createLookup(Object.fromEntries(names.sampledServices.map((service) => [service, true])))
  const isFailure = createFailureRule(names)
  const toolOf = createToolReader(rules, isFailure, pseudonymizer)
  return {
    names,
    pseudonymizer,
    keys,
    spanOf: (span, onIgnored) => {
      const { attributes, resource } = span
      if (attributes.ranks[FIELD.metadata] !== ABSENT) readMetadata(attributes)
      const role = roleOf(span, names.mcp)
      const serviceName = textAt(resource, FIELD.serviceName)
      const startedAtMs = span.startMs || span.endMs
      const tool = role === 'tool' ? toolOf(span, onIgnored) : NO_TOOL
      return {
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        parentIsRemote: span.flags & 0x100 ? (span.flags & 0x200 ? 1 : 0) : -1,
        role,
        startedAtMs,
        endedAtMs: Math.max(startedAtMs, span.endMs),
        agentName: textAt(attributes, FIELD.agentName),
        serviceName,
        release: textByRank(span, FIELD.release),
        environment: textByRank(span, FIELD.environment),
        conversation: pseudonymizer.conversation(textAt(attributes, FIELD.conversation)),
        customer: pseudonymizer.customer(textAt(attributes, FIELD.customer)),
        intent: labelOf(span, FIELD.intent),
        channel: labelOf(span, FIELD.channel),
        queue: labelOf(span, FIELD.queue),
        region: labelOf(span, FIELD.region),
        autonomy: labelOf(span, FIELD.autonomy).toLowerCase(),
        initiator: labelOf(span, FIELD.initiator).toLowerCase(),
        contactEnd: labelOf(span, FIELD.contactEnd).toLowerCase(),
        tool: tool.tool,
        action: tool.action,
        system: tool.system,
        recordType: tool.recordType,
        recordId: tool.recordId,
        recordKey: tool.recordKey,
        argumentsHash: tool.argumentsHash,
        result: tool.result,
        items: tool.items,
        failedItems: tool.failedItems,
        errorType: tool.errorType,
        amount: tool.amount,
        currency: tool.currency,
        policy: tool.policy,
        reviewer: tool.reviewer,
        sampled: isSampled(span.traceState) || sampledServices(serviceName) === true ? 1 : 0,
      }
    },
  }
}

/** The text of a field, as {@link boundedText} keeps it; '' when absent. */
export function textAt(picked: Picked, field: number): string {
  if (picked.ranks[field] === ABSENT) return ''
  const value = picked.values[field]!
  return boundedText(typeof value === 'string' ? value : plainText(value))
}

/** The number of a field, from a number or numeric text; 0 when it is absent, or not what `bounds` allow. `name`: of the attribute, for its sender. */
export function numberAt(picked: Picked, field: number, name: string, bounds: Bounds, onIgnored?: OnIgnored): number {
  if (picked.ranks[field] === ABSENT) return 0
  const number = numberOf(picked.values[field]!)
  if (isWithin(number, bounds)) return number
  onIgnored?.(`${name} must be ${boundsText(bounds)}; it was taken without it`)
  return 0
}

const READ_FROM_RESOURCE = new Set<number>(RESOURCE_FIELDS.map((field) => FIELD[field]))

/** A field compared by equality and shown to people: from the span, else (for some fields) from its resource. */
export function labelOf(span: Readonly<{ attributes: Picked; resource: Picked }>, field: number): string {
  if (span.attributes.ranks[field] !== ABSENT) return normalizeLabel(textAt(span.attributes, field))
  return READ_FROM_RESOURCE.has(field) ? normalizeLabel(textAt(span.resource, field)) : ''
}

/** Release and environment: the better name wins wherever it stands (service.version of the resource first), then the span. */
export function textByRank(span: Readonly<{ attributes: Picked; resource: Picked }>, field: number): string {
  const { attributes, resource } = span
  return textAt(resource.ranks[field]! < attributes.ranks[field]! ? resource : attributes, field)
}

const METADATA_FIELDS = Object.entries(METADATA_NAMES).map(([field, names]) => ({
  field: FIELD[field as NamedField],
  names,
}))

/** Best effort: fields that nothing else names are looked up in the JSON object of OpenInference's `metadata`. */
function readMetadata(attributes: Picked): void {
  const given = attributes.values[FIELD.metadata]!
  const metadata = typeof given === 'string' ? parseJson(given) : given
  for (const { field, names } of METADATA_FIELDS) {
    if (attributes.ranks[field] !== ABSENT) continue
    for (const name of names) {
      const value = valueAt(metadata, [name])
      if (value === undefined || value === null || value === '' || typeof value === 'object') continue
      attributes.values[field] = value
      attributes.ranks[field] = ABSENT - 1
      break
    }
  }
}

const SERVER = 2
const CLIENT = 3

function roleOf(span: RawSpan, mcp: Names['mcp']): SpanFact['role'] {
  const { ranks, values } = span.attributes
  for (let i = 0; i < ROLE_NAMES.length; i++) {
    if (ranks[ROLE_FIELD + i] === ABSENT) continue
    const rule = ROLE_NAMES[i]!
    const kind = values[ROLE_FIELD + i] as string
    if (rule.tool.includes(kind)) return isSecondCopy(span, mcp) ? 'link' : 'tool'
    if (!rule.agent.includes(kind)) continue
    if (rule.agentNeeds === undefined || ranks[FIELD[rule.agentNeeds]] !== ABSENT) return 'agent'
  }
  return 'link'
}

/**
 * One MCP call can be seen from both ends, and within a framework's own execute_tool span. By default the calling end counts: it
 * knows the agent. A server span without a parent is all there is of its call, so it counts always.
 */
function isSecondCopy(span: RawSpan, mcp: Names['mcp']): boolean {
  if (span.parentSpanId === '') return false
  if (span.kind === SERVER) return mcp !== 'server'
  return span.kind === CLIENT && mcp !== 'client' && span.attributes.ranks[MCP_FIELD] !== ABSENT
}

/**
 * `ot=th:…` of the W3C trace state is the sampling threshold, hexadecimal with trailing zeros left out; 0 keeps everything.
 * Source: OpenTelemetry, TraceState handling and probability sampling.
 */
function isSampled(traceState: string): boolean {
  if (traceState === '') return false
  const threshold = /(?:^|,)\s*ot=(?:[^,]*;)?th:([0-9a-f]+)/i.exec(traceState)?.[1]
  return threshold !== undefined && !/^0+$/.test(threshold)
}

type ToolFact = Pick<
  SpanFact,
  | 'tool'
  | 'action'
  | 'system'
  | 'recordType'
  | 'recordId'
  | 'recordKey'
  | 'argumentsHash'
  | 'result'
  | 'items'
  | 'failedItems'
  | 'errorType'
  | 'amount'
  | 'currency'
  | 'policy'
  | 'reviewer'
>

const NO_TOOL: ToolFact = EMPTY_SPAN

type Rule = Omit<ToolRule, 'recordKey' | 'recordId'> &
  Readonly<{ recordKey: readonly (readonly string[])[]; recordId: readonly string[] | undefined }>

const compileRule = (rule: ToolRule): Rule => ({
  ...rule,
  recordKey: (rule.recordKey ?? []).map(pathOf),
  recordId: rule.recordId === undefined ? undefined : pathOf(rule.recordId),
})

const ACTIONS = new Set<string>(['create', 'update', 'merge', 'delete', 'read', 'transfer'])
const RESULTS = new Set<string>(['ok', 'failed', 'partial', 'unverified'])

function createToolReader(
  rules: (tool: string) => Rule | undefined,
  isFailure: (span: RawSpan, errorType: string) => boolean,
  pseudonymizer: Pseudonymizer,
): (span: RawSpan, onIgnored?: OnIgnored) => ToolFact {
  return (span, onIgnored) => {
    const { attributes, resource } = span
    const tool = textAt(attributes, FIELD.tool) || toolOfSpanName(span.name)
    const rule = rules(tool)
    const given = attributes.ranks[FIELD.arguments] === ABSENT ? undefined : attributes.values[FIELD.arguments]!
    const parsed = typeof given === 'string' ? parseJson(given) : given
    const action = textAt(attributes, FIELD.action).toLowerCase()
    const recordType = textAt(attributes, FIELD.recordType) || (rule?.recordType ?? '')
    const argumentsHash = pseudonymizer.arguments(parsed === undefined ? plainText(given) : canonicalJson(parsed))
    const items = numberAt(attributes, FIELD.items, 'andon.write.items', ITEMS, onIgnored)
    const failedItems = numberAt(attributes, FIELD.failedItems, 'andon.write.failed_items', ITEMS, onIgnored)
    const errorType = textAt(attributes, FIELD.errorType)
    return {
      tool,
      action: ACTIONS.has(action) ? (action as ActionKind) : (rule?.action ?? ''),
      system: textAt(attributes, FIELD.system) || rule?.system || textAt(resource, FIELD.system),
      recordType,
      recordId: recordIdOf(attributes, rule, parsed),
      recordKey:
        pseudonymizer.record(recordType, naturalKeyOf(attributes, rule, parsed)) ||
        (rule?.withoutKey === 'anyone' ? pseudonymizer.record(recordType, [tool, argumentsHash]) : ''),
      argumentsHash,
      result: resultOf(span, items, failedItems, () => isFailure(span, errorType)),
      items,
      failedItems,
      errorType,
      amount: numberAt(attributes, FIELD.amount, 'andon.amount', AMOUNT, onIgnored),
      currency: (textAt(attributes, FIELD.currency) || textAt(resource, FIELD.currency)).toUpperCase(),
      policy: textAt(attributes, FIELD.policy),
      reviewer: pseudonymizer.reviewer(textAt(attributes, FIELD.reviewer)),
    }
  }
}

/** Conventions that put the tool into the span's name: `execute_tool NAME`, `tools/call NAME`; else the name itself. */
const toolOfSpanName = (name: string): string => boundedText(name.replace(/^(?:execute_tool|tools\/call) /, ''))

function naturalKeyOf(attributes: Picked, rule: Rule | undefined, args: Value | undefined): readonly string[] {
  if (attributes.ranks[FIELD.recordKey] !== ABSENT) return [plainText(attributes.values[FIELD.recordKey])]
  return rule === undefined ? [] : rule.recordKey.map((path) => plainText(valueAt(args, path)))
}

/** Never a list or an object: those name no single record. */
function recordIdOf(attributes: Picked, rule: Rule | undefined, args: Value | undefined): string {
  if (attributes.ranks[FIELD.recordId] !== ABSENT) return textAt(attributes, FIELD.recordId)
  const found = rule?.recordId === undefined ? undefined : valueAt(args, rule.recordId)
  return typeof found === 'object' ? '' : boundedText(plainText(found))
}

/** Truth of a call, the most telling source first: explicit result, item-level results, then errors and results of the call. */
function resultOf(span: RawSpan, items: number, failedItems: number, isFailure: () => boolean): ActionResult {
  const explicit = textAt(span.attributes, FIELD.result).toLowerCase()
  if (RESULTS.has(explicit)) return explicit as ActionResult
  if (failedItems > 0) return items > 0 && failedItems >= items ? 'failed' : 'partial'
  return isFailure() ? 'failed' : 'ok'
}

const STATUS_ERROR = 2
/** How much of a result text the patterns see. */
const LONGEST_RESULT = 4096

function createFailureRule(names: Names): (span: RawSpan, errorType: string) => boolean {
  const { failure } = names
  const ignored = new Set(failure.ignoreErrorTypes)
  const fields = Object.entries(failure.resultFields).map(([path, values]) => ({ path: pathOf(path), values }))
  return ({ statusCode, attributes }, errorType) => {
    if (failure.errorType && errorType !== '' && !ignored.has(errorType)) return true
    // an ignored error type also explains the status that comes with it
    if (failure.status && !ignored.has(errorType)) {
      if (statusCode === STATUS_ERROR || attributes.values[FIELD.observationLevel] === 'ERROR') {
        if (statusCode === STATUS_ERROR || attributes.ranks[FIELD.observationLevel] !== ABSENT) return true
      }
    }
    if (attributes.ranks[FIELD.resultText] === ABSENT) return false
    const given = attributes.values[FIELD.resultText]!
    if (failure.resultMatches.length > 0) {
      const text = plainText(given).slice(0, LONGEST_RESULT)
      if (failure.resultMatches.some((pattern) => matches(pattern, text))) return true
    }
    if (fields.length === 0) return false
    const result = typeof given === 'string' ? parseJson(given) : given
    return fields.some(({ path, values }) => (values as readonly unknown[]).includes(valueAt(result, path)))
  }
}
