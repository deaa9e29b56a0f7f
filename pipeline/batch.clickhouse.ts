import type { ClickHouseClient } from '@clickhouse/client'
import type { SpanFact } from '../facts/span.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { type Contact, type ContactPart, contactIdOf, contactsOf, partOf } from './contact.ts'
import { batchRow, contactRow, dateTime, dateTime64, SPAN_SELECT, type Stamp } from './rows.ts'
import { resolveTrace } from './trace.ts'

/** SQL of the signals for one batch: see detectors/signals/compile.ts, which makes it from data. */
export type SignalStatements = Readonly<{
  marks: (touches: { contacts: boolean; creates: boolean; outcomes: boolean }) => string | null
  deltas: string
  capped: string
}>

export type BatchContext = Readonly<{ store: ClickHouseClient; statements: SignalStatements; idleMs: number | null }>

/** What stands in the store under this batch number: its spans and how many outcomes and points came with them. */
export type StoredBatch = Readonly<{ stamp: Stamp; spans: readonly SpanFact[]; outcomes: number; points: number }>

export type BatchResult = Readonly<{ seq: number; clockMs: number; newSpans: number; contactsChanged: number; heldTraces: readonly string[]; resolvedTraces: readonly string[] }>

/** A pseudo-span that the pipeline puts into a trace when waiting for its agent is over; it is stored like any span. */
export const expiryOf = (traceId: string, atMs: number): SpanFact => ({ ...EMPTY_SPAN, traceId, startedAtMs: atMs, endedAtMs: atMs })
const isExpiry = (span: SpanFact): boolean => span.spanId === ''

/**
 * Drives one stored batch to its end: spans → parts of contacts → contacts → marks → deltas → done. Every step is one
 * insert with a token named after the batch, and what counted before is read from rows of earlier batches only, so a batch
 * can be driven again after a crash at any point without counting anything twice (docs/decisions/0003).
 */
export async function processBatch(context: BatchContext, batch: StoredBatch): Promise<BatchResult> {
  const { stamp } = batch
  const traces = await changedTraces(context, batch)
  const parts = await changedParts(context, traces, stamp)
  const touched = { contacts: parts.contacts.length > 0, creates: parts.created.length > 0, outcomes: batch.outcomes > 0 }

  await insert(context, 'contact_parts', parts.rows, `p${stamp.seq}`)
  await insert(context, 'created_record_changes', parts.created, `c${stamp.seq}`)
  await insert(context, 'contact_changes', parts.contacts, `k${stamp.seq}`)
  const marks = context.statements.marks(touched)
  if (marks) await run(context, marks, stamp.seq, `m${stamp.seq}`)
  if (touched.contacts || touched.outcomes) {
    await run(context, context.statements.deltas, stamp.seq, `d${stamp.seq}`)
    await run(context, context.statements.capped, stamp.seq, `h${stamp.seq}`)
  }
  const newSpans = traces.reduce((sum, trace) => sum + trace.newSpans, 0)
  await insert(context, 'batches', [batchRow(stamp, { spans: batch.spans.length, newSpans, outcomes: batch.outcomes, points: batch.points })], `b${stamp.seq}`)
  return {
    seq: stamp.seq,
    clockMs: stamp.acceptedAtMs,
    newSpans,
    contactsChanged: parts.contacts.length,
    heldTraces: traces.filter((trace) => trace.held).map((trace) => trace.traceId),
    resolvedTraces: traces.filter((trace) => !trace.held).map((trace) => trace.traceId),
  }
}

type ChangedTrace = { traceId: string; newSpans: number; held: boolean; before: Map<string, ContactPart>; after: Map<string, ContactPart> }

/** Traces to which the batch brought something new, resolved without and with it. */
async function changedTraces({ store }: BatchContext, batch: StoredBatch): Promise<ChangedTrace[]> {
  if (batch.spans.length === 0) return []
  const stored = await rowsOf<SpanFact>(
    store,
    `SELECT ${SPAN_SELECT} FROM spans WHERE seq < {seq:UInt64} AND trace_id IN (SELECT trace_id FROM spans WHERE seq = {seq:UInt64}) ORDER BY seq`,
    { seq: batch.stamp.seq },
  )
  const known = Map.groupBy(stored, (span) => span.traceId)
  const changed: ChangedTrace[] = []
  for (const [traceId, arrived] of Map.groupBy(batch.spans, (span) => span.traceId)) {
    const before = distinct(known.get(traceId) ?? [])
    const after = distinct([...before, ...arrived])
    if (after.length === before.length) continue
    const now = resolve(after)
    changed.push({ traceId, newSpans: after.filter((span) => !isExpiry(span)).length - before.filter((span) => !isExpiry(span)).length, held: now.held, before: resolve(before).parts, after: now.parts })
  }
  return changed
}

/** First accepted copy of every span; order is the order of acceptance. */
const distinct = (spans: readonly SpanFact[]): SpanFact[] => [...new Map([...spans].reverse().map((span) => [span.spanId, span])).values()]

function resolve(spans: readonly SpanFact[]): { parts: Map<string, ContactPart>; held: boolean } {
  const expired = spans.some(isExpiry)
  const resolved = resolveTrace(
    spans.filter((span) => !isExpiry(span)),
    expired,
  )
  const parts = new Map<string, ContactPart>()
  for (const contact of resolved.contacts) {
    const part = partOf(contact)
    const id = contactIdOf(part)
    const other = parts.get(id)
    parts.set(id, other ? joinParts(other, part) : part)
  }
  return { parts, held: resolved.held && !expired }
}

/** Two groups of one trace that turn out to be the same contact. */
function joinParts(a: ContactPart, b: ContactPart): ContactPart {
  const [folded] = contactsOf(new Map([['a', a], ['b', b]]), null)
  const { contactId: _, duplicateWrites: __, ...rest } = folded!
  return { ...rest, okWrites: [...a.okWrites, ...b.okWrites] }
}

async function changedParts({ store, idleMs }: BatchContext, traces: readonly ChangedTrace[], stamp: Stamp) {
  const changes: { contactId: string; traceId: string; part: ContactPart | null }[] = []
  for (const { traceId, before, after } of traces) {
    for (const [contactId, part] of after) if (JSON.stringify(before.get(contactId)) !== JSON.stringify(part)) changes.push({ contactId, traceId, part })
    for (const contactId of before.keys()) if (!after.has(contactId)) changes.push({ contactId, traceId, part: null })
  }
  const received = { seq: stamp.seq, received_at: dateTime(stamp.receivedAtMs) }
  const rows = changes.map(({ contactId, traceId, part }) => ({ contact_id: contactId, trace_id: traceId, gone: part ? 0 : 1, body: part ? JSON.stringify(part) : '', ...received }))
  const contacts: object[] = []
  const created: object[] = []
  const stored = await storedParts(store, [...new Set(changes.map((change) => change.contactId))], stamp.seq)
  for (const [contactId, ofContact] of Map.groupBy(changes, (change) => change.contactId)) {
    const before = stored.get(contactId) ?? new Map<string, ContactPart>()
    const after = new Map(before)
    for (const { traceId, part } of ofContact) part ? after.set(traceId, part) : after.delete(traceId)
    const was = new Map(contactsOf(before, idleMs).map((contact) => [contact.contactId, contact]))
    const is = new Map(contactsOf(after, idleMs).map((contact) => [contact.contactId, contact]))
    for (const id of new Set([...was.keys(), ...is.keys()])) {
      const [old, now] = [was.get(id) ?? null, is.get(id) ?? null]
      if (JSON.stringify(old) === JSON.stringify(now)) continue
      contacts.push(contactRow(now, old, stamp))
      created.push(...createdChanges(id, old, now).map((row) => ({ ...row, ...received })))
    }
  }
  return { rows, contacts, created }
}

function createdChanges(contactId: string, before: Contact | null, after: Contact | null) {
  const keyed = (contact: Contact | null) => new Map((contact?.created ?? []).map((record) => [`${record.key}\u001f${record.atMs}\u001f${record.spanId}`, record]))
  const [was, is] = [keyed(before), keyed(after)]
  const row = (record: Contact['created'][number], gone: 0 | 1) => ({ record_key: record.key, at: dateTime64(record.atMs), contact_id: contactId, span_id: record.spanId, gone })
  return [...[...is].filter(([key]) => !was.has(key)).map(([, record]) => row(record, 0)), ...[...was].filter(([key]) => !is.has(key)).map(([, record]) => row(record, 1))]
}

/** Parts of these contacts as they stood before batch `seq`, by contact and trace. */
async function storedParts(store: ClickHouseClient, contactIds: readonly string[], seq: number): Promise<Map<string, Map<string, ContactPart>>> {
  const found = new Map<string, Map<string, ContactPart>>()
  for (let from = 0; from < contactIds.length; from += CONTACTS_PER_READ) {
    const rows = await rowsOf<{ contact_id: string; trace_id: string; body: string }>(
      store,
      `SELECT contact_id, trace_id, argMax(body, contact_parts.seq) AS body FROM contact_parts
       WHERE contact_id IN {contactIds:Array(String)} AND contact_parts.seq < {seq:UInt64} GROUP BY contact_id, trace_id HAVING argMax(gone, contact_parts.seq) = 0`,
      { contactIds: contactIds.slice(from, from + CONTACTS_PER_READ), seq },
    )
    for (const row of rows) {
      const parts = found.get(row.contact_id) ?? new Map<string, ContactPart>()
      parts.set(row.trace_id, JSON.parse(row.body) as ContactPart)
      found.set(row.contact_id, parts)
    }
  }
  return found
}

const CONTACTS_PER_READ = 2000

async function insert({ store }: BatchContext, table: string, values: readonly object[], token: string): Promise<void> {
  if (values.length === 0) return
  await store.insert({ table, values, format: 'JSONEachRow', clickhouse_settings: { insert_deduplication_token: token, ...DEDUPLICATE } })
}

/** Set explicitly: a replayed batch must be dropped by the views as well. */
const DEDUPLICATE = { deduplicate_blocks_in_dependent_materialized_views: 1, async_insert: 0 } as const

async function run({ store }: BatchContext, sql: string, seq: number, token: string): Promise<void> {
  await store.command({ query: `${sql.replaceAll('%token%', token)}, deduplicate_blocks_in_dependent_materialized_views = 1`, query_params: { seq } })
}

const EMPTY_SPAN: SpanFact = {
  traceId: '', spanId: '', parentSpanId: '', parentIsRemote: -1, role: 'link', startedAtMs: 0, endedAtMs: 0, agentName: '', serviceName: '', release: '', environment: '',
  conversation: '', customer: '', intent: '', channel: '', queue: '', region: '', autonomy: '', initiator: '', contactEnd: '', tool: '', action: '', system: '', recordType: '',
  recordKey: '', argumentsHash: '', result: '', items: 0, failedItems: 0, errorType: '', amount: 0, currency: '', sampled: 0,
}
