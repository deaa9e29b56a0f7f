import { type Bus, partitionKey, type Term } from '../bus/bus.ts'
import type { Clock } from '../lib/clock.ts'
import { createDesk, type Work } from './desk.ts'
import { fenced } from './fence.ts'
import { DO, doWhole, type Memory } from './lane-steps.clickhouse.ts'
import { createLetterbox, recordsOf, STEPS, type Step } from './letters.ts'
import { JUDGED_ENVIRONMENTS, scopesOf } from './places.ts'
import type { BatchMeasures } from './sequencer.clickhouse.ts'
import type { Share } from './share.ts'
import type { BatchContext } from './steps.clickhouse.ts'
import { lastWhole } from './stored.clickhouse.ts'

export type LaneOptions = Omit<BatchContext, 'scopeOf'> &
  Readonly<{
    judgedEnvironments?: readonly string[]
    clock: Clock
    /** Carries the letters; the topic has a partition for every lane. */
    bus: Pick<Bus, 'send'>
    topic: string
    /** Lane 0 says when a batch is whole. */
    onBatch: (batch: BatchMeasures) => void
  }>

type Lane = LaneOptions & Readonly<{ lane: number; context: BatchContext; memories: WeakMap<Work, Memory> }>

const POLL_BYTES = 8 << 20
const IDLE_MS = 1_000
/** How often a lane asks which batches are whole: what it needs no more, it forgets. */
const FORGET_MS = 1_000

/**
 * One lane: the one ordered writer of everything whose key falls to it, for as long as its term lasts. Batches have their order already
 * (pipeline/order.clickhouse.ts). A lane does its share of a step when all lanes have done the step before, reads what earlier batches
 * left in the store, and hands on what falls to others. Nothing that it writes depends on when or how often it is done, so whoever has the
 * lane next reads the letters of unfinished batches again and does what they say once more (docs/decisions/0015). Rejects when anything
 * fails; call it again.
 */
export async function driveLane(options: LaneOptions, term: Term, lane: number): Promise<void> {
  const { clock, topic } = options
  const store = fenced(options.store, term)
  const scopeOf = scopesOf(options.judgedEnvironments ?? JUDGED_ENVIRONMENTS)
  const me: Lane = { ...options, lane, context: { ...options, store, scopeOf }, memories: new WeakMap() }
  await term.seek(await term.committed())
  const desk = createDesk(lane, (await lastWhole(store)).seq)
  const letterbox = createLetterbox()
  let forgottenMs = clock.nowMs()
  while (!term.signal.aborted) {
    const task = desk.next()
    for (const record of await term.poll({ maxBytes: POLL_BYTES, waitMs: task ? 0 : IDLE_MS })) {
      const letter = letterbox.take(record)
      if (letter) desk.put(letter)
    }
    if (task) {
      await doStep(me, task.work, task.step)
      desk.finish(task.work, task.step)
    }
    if (clock.nowMs() - forgottenMs < FORGET_MS) continue
    forgottenMs = clock.nowMs()
    const { seq } = await lastWhole(store)
    desk.forget(seq)
    const needed = letterbox.forget(seq)
    // Said again a moment later: until then a successor reads letters that it does not need.
    if (needed !== null) await term.commit({ [partitionKey(topic, lane)]: needed }).catch(() => {})
  }
}

/** Does one step of one batch, and hands on what it found. */
async function doStep(me: Lane, work: Work, step: Step): Promise<void> {
  const letters = [...work.letters.get(step)!.values()].sort((a, b) => a.from - b.from)
  const { share } = letters[0]!
  const memory = me.memories.get(work) ?? ({} as Memory)
  me.memories.set(work, memory)
  const given = { context: me.context, share, memory, bodies: letters.map(({ body }) => body) as never[] }
  if (step === 'whole') return isWhole(me, share, await doWhole(given))
  const bodies = await DO[step](given)
  await handOn(me, work, share, STEPS[STEPS.indexOf(step) + 1]!, bodies)
}

async function handOn(me: Lane, work: Work, share: Share, step: Step, bodies: readonly unknown[]): Promise<void> {
  const letters = bodies.map((body, lane) => ({
    share: { ...share, lane },
    step,
    from: me.lane,
    attempt: work.attempt,
    body,
  }))
  for (const records of recordsOf(letters)) await me.bus.send(me.topic, records)
}

function isWhole({ clock, onBatch }: Lane, { stamp }: Share, counts: Awaited<ReturnType<typeof doWhole>>): void {
  onBatch({
    seq: stamp.seq,
    clockMs: stamp.acceptedAtMs,
    ...counts,
    heldTraces: [],
    resolvedTraces: [],
    acceptMs: 0,
    processMs: Math.max(0, clock.nowMs() - stamp.receivedAtMs),
  })
}
