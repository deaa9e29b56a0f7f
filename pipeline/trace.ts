import type { SpanFact } from '../facts/span.ts'

/** How far the identity of a span is known: `settled` cannot change any more unless a span was lost; `open` may. */
type Standing = Readonly<{
  nearestAgent: SpanFact | null
  topAgent: SpanFact | null
  /** Nearest tool span at or above it with no agent between. */
  nearestTool: SpanFact | null
  /** The tool span above that is the other side of this very call (then this one is not counted). */
  outerTool: SpanFact | null
  /** outerTool of nearestTool. */
  sameCall: SpanFact | null
  settled: boolean
}>

/** The spans of one trace that belong to one contact, before they are folded. */
export type TraceContact = Readonly<{
  conversation: string
  environment: string
  agent: string
  release: string
  /** The outermost agent span, null when none is known. */
  top: SpanFact | null
  /** Agent and tool spans that count, outermost agent first, then by start and span id. */
  facts: readonly SpanFact[]
  /** Every span whose attributes may describe the contact, best source first. */
  sources: readonly SpanFact[]
}>

/** What one trace says at present. `held`: some of its facts wait for a span that says whose they are. */
export type ResolvedTrace = Readonly<{ contacts: readonly TraceContact[]; held: boolean }>

const byStart = (a: SpanFact, b: SpanFact): number =>
  a.startedAtMs - b.startedAtMs || (a.spanId < b.spanId ? -1 : a.spanId > b.spanId ? 1 : 0)

/** Agent of an agent span: its own name, else the service that exports it. */
const agentOf = (span: SpanFact): string => span.agentName || span.serviceName

/**
 * Finds whose work every span of a trace is (product.md, Inheritance). Pure; the order of `spans` does not matter,
 * (trace id, span id) must be unique.
 *
 * - A contact belongs to the outermost agent span; nested agents and handoffs inside one conversation join it.
 * - A tool span takes conversation and release from its nearest agent span. Its own resource counts only when its
 *   `service.name` is the agent's: then it carries its own identity and counts before the agent span arrives.
 * - A parent that was never seen may still come: until `expired`, an agent span with a missing local parent and a tool span
 *   without any agent wait. A parent in another process is not waited for.
 * - One call seen from both sides (a tool span under a tool span of the same tool) is one action.
 */
export function resolveTrace(spans: readonly SpanFact[], expired: boolean): ResolvedTrace {
  const standings = standingsOf(spans)
  const settledTops = spans
    .filter(
      (span) =>
        span.role === 'agent' &&
        standings.get(span.spanId)!.topAgent === span &&
        (expired || standings.get(span.spanId)!.settled),
    )
    .sort(byStart)
  const conversations = conversationsOf(spans, standings)
  const first = settledTops[0] ?? null
  const firstTops = new Map<string, SpanFact>()
  for (const top of settledTops.toReversed()) firstTops.set(conversations.get(top.spanId)!, top)

  const innerSides = Map.groupBy(
    spans.filter((span) => standings.get(span.spanId)!.outerTool),
    (span) => standings.get(span.spanId)!.outerTool!,
  )
  const groups = new Map<string, { top: SpanFact | null; conversation: string; facts: SpanFact[] }>()
  let held = false
  for (const span of [...spans].sort(byStart)) {
    if (span.role === 'link') continue
    const standing = standings.get(span.spanId)!
    if (standing.outerTool) continue
    const owner = ownerOf(span, standing, first, expired, firstTops, conversations)
    if (owner === 'wait') {
      held = true
      continue
    }
    const { environment, agent, release } = owner
    const key = owner.top ? owner.top.spanId : [owner.conversation, environment, agent, release].join('\u001f')
    const group = groups.get(key) ?? { top: owner.top, conversation: owner.conversation, facts: [] }
    group.facts.push(mergeInner(span, innerSides.get(span) ?? []))
    groups.set(key, group)
    if (owner.top === null && !expired) held = true
  }
  const underTop = Map.groupBy(spans, (span) => standings.get(span.spanId)!.topAgent)
  const list = [...groups.values()].map((group) =>
    contactOf(group, groups.size === 1 ? spans : group.top ? underTop.get(group.top)! : []),
  )
  return { contacts: list, held }
}

type Owner = { top: SpanFact | null; conversation: string; environment: string; agent: string; release: string }

function ownerOf(
  span: SpanFact,
  standing: Standing,
  first: SpanFact | null,
  expired: boolean,
  firstTops: ReadonlyMap<string, SpanFact>,
  conversations: ReadonlyMap<string, string>,
): Owner | 'wait' {
  const conversation = conversations.get(span.spanId)!
  const under = (top: SpanFact): Owner => {
    // A handoff inside one conversation joins the first outermost agent of the trace.
    const joined = firstTops.get(conversations.get(top.spanId)!) ?? top
    return {
      top: joined,
      conversation: conversations.get(joined.spanId)!,
      environment: joined.environment,
      agent: agentOf(joined),
      release: joined.release,
    }
  }
  if (standing.topAgent && (standing.settled || expired)) return under(standing.topAgent)
  if (span.role === 'tool' && carriesIdentity(span))
    return { top: null, conversation, environment: span.environment, agent: span.agentName, release: span.release }
  if (!standing.topAgent && (standing.settled || expired) && first) return under(first)
  if (expired) return { top: null, conversation, environment: '', agent: '', release: '' }
  return 'wait'
}

/** A tool span names its agent, and its own resource is the agent's: nothing has to be inherited to count it. */
const carriesIdentity = (span: SpanFact): boolean =>
  span.agentName !== '' && span.release !== '' && span.conversation !== '' && span.serviceName === span.agentName

/** Walks every span up to its root once, remembering the way; of a ring of parents the earliest span is the root. */
function standingsOf(spans: readonly SpanFact[]): Map<string, Standing> {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const standings = new Map<string, Standing>()
  for (const start of spans) {
    const path: SpanFact[] = []
    const onPath = new Set<string>()
    let span: SpanFact | undefined = start
    while (span && !standings.has(span.spanId) && !onPath.has(span.spanId)) {
      path.push(span)
      onPath.add(span.spanId)
      span = byId.get(span.parentSpanId)
    }
    if (span && onPath.has(span.spanId)) turnRing(path, span)
    for (const current of path.reverse()) {
      const parent = byId.get(current.parentSpanId)
      const above = parent ? standings.get(parent.spanId) : undefined
      const settledHere =
        current.parentSpanId === '' || current.parentIsRemote === 1 || (parent !== undefined && above === undefined)
      const outerTool = outerToolOf(current, above)
      standings.set(current.spanId, {
        nearestAgent: current.role === 'agent' ? current : (above?.nearestAgent ?? null),
        topAgent: above?.topAgent ?? (current.role === 'agent' ? current : null),
        nearestTool: current.role === 'tool' ? current : current.role === 'link' ? (above?.nearestTool ?? null) : null,
        outerTool,
        sameCall: current.role === 'tool' ? outerTool : current.role === 'link' ? (above?.sameCall ?? null) : null,
        settled: above ? above.settled : settledHere,
      })
    }
  }
  return standings
}

/** `path` leads from child to parent and ends in a ring that begins at `entry`: turns the ring so that its earliest span comes last. */
function turnRing(path: SpanFact[], entry: SpanFact): void {
  const ring = path.splice(path.indexOf(entry))
  const root = ring.indexOf(ring.reduce((a, b) => (byStart(b, a) < 0 ? b : a)))
  path.push(...ring.slice(root + 1), ...ring.slice(0, root + 1))
}

/** The outermost tool span above of the same tool, reached without passing an agent: the other side of the same call. */
function outerToolOf(span: SpanFact, above: Standing | undefined): SpanFact | null {
  if (span.role !== 'tool' || !above?.nearestTool || above.nearestTool.tool !== span.tool) return null
  return above.sameCall ?? above.nearestTool
}

/** Conversation of every span: its own, else the nearest one above it, else the only one of the trace, else the trace itself. */
function conversationsOf(spans: readonly SpanFact[], standings: ReadonlyMap<string, Standing>): Map<string, string> {
  const named = new Set(spans.map((span) => span.conversation).filter((name) => name !== ''))
  const fallback = named.size === 1 ? [...named][0]! : (spans[0]?.traceId ?? '')
  return new Map(
    spans.map((span) => {
      const { nearestAgent, topAgent } = standings.get(span.spanId)!
      return [span.spanId, span.conversation || nearestAgent?.conversation || topAgent?.conversation || fallback]
    }),
  )
}

/** The other side of the call may know what this side does not: that it failed, or which record it touched. */
function mergeInner(span: SpanFact, inner: readonly SpanFact[]): SpanFact {
  if (inner.length === 0) return span
  const sides = [span, ...[...inner].sort(byStart)]
  const bad = sides.find((side) => side.result === 'failed' || side.result === 'partial')
  return {
    ...span,
    action: sides.find((side) => side.action !== '')?.action ?? '',
    result: bad?.result ?? span.result,
    errorType: span.errorType || (bad?.errorType ?? ''),
    recordKey: sides.find((side) => side.recordKey !== '')?.recordKey ?? '',
    argumentsHash: sides.find((side) => side.argumentsHash !== '')?.argumentsHash ?? '',
  }
}

/** @param around spans that may describe the contact, its own among them */
function contactOf(
  group: { top: SpanFact | null; conversation: string; facts: SpanFact[] },
  around: readonly SpanFact[],
): TraceContact {
  const { top, facts } = group
  const lead = top ?? facts[0]!
  const mine = new Set(facts.map((fact) => fact.spanId))
  const links = around.filter((span) => !mine.has(span.spanId))
  const agents = facts.filter((fact) => fact.role === 'agent' && fact !== top)
  const tools = facts.filter((fact) => fact.role === 'tool')
  const identified = top !== null || carriesIdentity(lead)
  return {
    conversation: group.conversation,
    environment: identified ? lead.environment : '',
    agent: identified ? agentOf(lead) : '',
    release: identified ? lead.release : '',
    top,
    facts: [...(top ? [top] : []), ...agents, ...tools],
    sources: [...(top ? [top] : []), ...agents, ...tools, ...links.sort(byStart)],
  }
}
