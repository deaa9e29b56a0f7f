import {
  type BatchContext,
  capHits,
  chargeContacts,
  closeBatch,
  findMarks,
  foldContacts,
  resolveTraces,
  type StoredBatch,
} from './steps.clickhouse.ts'
import { together } from './together.ts'

export type BatchResult = Readonly<{
  seq: number
  clockMs: number
  newSpans: number
  contactsChanged: number
  heldTraces: readonly string[]
  resolvedTraces: readonly string[]
}>

/** Does all steps of one stored batch here, one after the other. What lanes do of it side by side: pipeline/lane.clickhouse.ts. */
export async function processBatch(context: BatchContext, batch: StoredBatch): Promise<BatchResult> {
  const result = await countBatch(context, batch)
  await closeBatch(context, batch.share.stamp, {
    spans: batch.spans.length,
    newSpans: result.newSpans,
    outcomes: batch.outcomes.length,
    points: batch.points.length,
  })
  return result
}

/** All steps but the last: nobody reads what they counted before the batch is whole. */
export async function countBatch(context: BatchContext, batch: StoredBatch): Promise<BatchResult> {
  const { share } = batch
  const { stamp } = share
  const traces = await resolveTraces(context, batch)
  const { contacts, places, touchedOutcomes, writes } = await foldContacts(context, share, traces.parts)
  const [touched] = await together([touchedOutcomes(), ...[...traces.writes, ...writes].map((write) => write())])
  const marks = await findMarks(context, share, places, [...traces.outcomes, ...touched])
  const customers = await chargeContacts(context, share, contacts, marks)
  await capHits(context, share, customers)
  return {
    seq: stamp.seq,
    clockMs: stamp.acceptedAtMs,
    newSpans: traces.newSpans,
    contactsChanged: contacts.length,
    heldTraces: traces.heldTraces,
    resolvedTraces: traces.resolvedTraces,
  }
}
