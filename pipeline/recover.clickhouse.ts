import { AndonError } from '../lib/errors.ts'
import { type Position, readBatch, readStamp, stampOf } from './accept.clickhouse.ts'
import { processBatch } from './batch.clickhouse.ts'
import { createPatience, type Patience } from './patience.ts'
import type { Stamp } from './rows.ts'
import type { SequencerOptions } from './sequencer.clickhouse.ts'
import type { BatchContext, StoredBatch } from './steps.clickhouse.ts'
import { heldTraces, lastWhole, openBatches } from './stored.clickhouse.ts'
import { endTakingBack, proveCounting, type TakenBack, takeBack, takingBackFrom } from './take-back.clickhouse.ts'

export type RecoverOptions = BatchContext &
  Pick<SequencerOptions, 'clock' | 'clockMode' | 'holdMs' | 'onBatch' | 'onTakenBack' | 'log'> &
  Readonly<{
    /** The batches from this number on that are to be driven to their end, in order. Default: all that are open. */
    openFrom?: typeof openBatches
  }>

const RETRY_MS = 1_000

/**
 * Where to go on: after the last whole batch. Batches that are stored but not whole are driven to their end first, or taken back when that fails
 * again and again, and facts whose agent span had not come are waited for again. Rejects while the store is away, and with AndonError
 * `unavailable` when it is told to stop.
 */
export async function recover(
  options: RecoverOptions,
  holds: Map<string, number>,
  signal: AbortSignal,
): Promise<Position> {
  const { store, clock, log, openFrom = openBatches } = options
  const last = await lastWhole(store)
  const patience = createPatience()
  let position: Position = { nextSeq: last.seq + 1, clockMs: last.clockMs }
  let isProven = false
  const tell = (taken: TakenBack) => {
    log.error(taken, taken.setAside > 0 ? SET_ASIDE : 'a batch cannot be counted; its facts go on in two halves')
    options.onTakenBack?.(taken)
  }
  const goOnAfter = ({ seq, acceptedAtMs }: Stamp) => {
    position = { nextSeq: seq + 1, clockMs: Math.max(position.clockMs, acceptedAtMs) }
  }
  // Before anything else: its facts may stand nowhere by now, and the numbers of its halves are given away.
  const begun = await takingBackFrom(store, position.nextSeq)
  if (begun) {
    tell(await endTakingBack(options, begun))
    goOnAfter(begun.stamp)
  }
  for (;;) {
    if (signal.aborted) throw new AndonError('unavailable', 'the monitor is stopping', { retryable: true })
    const open = await openFrom(store, position.nextSeq)
    const [seq, ...later] = open
    if (seq === undefined) break
    const batch = await readBatch(store, seq)
    const driven = await drive(options, batch, patience)
    if (driven.kind === 'again') {
      log.error({ seq, err: driven.why }, `a batch cannot be counted; it is tried again in ${RETRY_MS} ms`)
      await clock.sleep(RETRY_MS, signal)
      continue
    }
    if (driven.kind === 'hopeless') {
      const latest = await readStamp(store, open.at(-1)!)
      const clockMs = Math.max(position.clockMs, latest.acceptedAtMs)
      const stamp = stampOf(options, { nextSeq: latest.seq + 1, clockMs }, [])
      if (!isProven) {
        await proveCounting(options, later, stamp)
        isProven = true
        continue
      }
      tell(await takeBack(options, batch, driven.why, stamp))
    }
    goOnAfter(batch.share.stamp)
  }
  const held = new Set(await heldTraces({ store, seq: position.nextSeq }))
  for (const traceId of holds.keys()) if (!held.has(traceId)) holds.delete(traceId)
  for (const traceId of held) if (!holds.has(traceId)) holds.set(traceId, clock.nowMs() + options.holdMs)
  return position
}

const SET_ASIDE =
  'these facts cannot be counted: they are set aside, and everything else is counted; `andon dead-letters` lists and replays them'

type Driven = Readonly<{ kind: 'counted' }> | Readonly<{ kind: 'again' | 'hopeless'; why: string }>

/** Drives a stored batch to its end. Rejects while the store is away. */
async function drive(options: RecoverOptions, batch: StoredBatch, patience: Patience): Promise<Driven> {
  const { seq } = batch.share.stamp
  try {
    const result = await processBatch(options, batch)
    const { spans, outcomes, points } = batch
    options.onBatch({
      ...result,
      spans: spans.length,
      outcomes: outcomes.length,
      points: points.length,
      acceptMs: 0,
      processMs: 0,
    })
    return { kind: 'counted' }
  } catch (error) {
    const verdict = patience.verdictOn(seq, error)
    if (verdict === 'away') throw error
    return { kind: verdict, why: (error as Error).message }
  }
}
