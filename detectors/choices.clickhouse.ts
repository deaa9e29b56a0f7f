import type { ClickHouseClient } from '@clickhouse/client'
import { rowsOf } from '../store/store.clickhouse.ts'
import type { Baseline } from './baseline.ts'
import type { JudgedTrigger } from './triggers.ts'

/**
 * What was decided about a test and cannot be computed again once history moves on. chosen: the baseline with which it began, in force from
 * batch `seq` on. switched: another baseline after batch `seq`. restarted: anew after batch `seq`, a person overrode the pause.
 */
export type Choice = Readonly<{ releaseKey: string; triggerHash: string; seq: number }> &
  (
    | Readonly<{
        kind: 'chosen' | 'switched'
        trigger: JudgedTrigger
        baseline: Baseline
        /** Hashes of all triggers in force for the release: what shared the alpha. */
        inForce: readonly string[]
      }>
    | Readonly<{ kind: 'restarted'; trigger: string; overrides: number; clockMs: number }>
  )

export type Restarted = Extract<Choice, { kind: 'restarted' }>

export type Choices = Readonly<{
  /** All choices of a release, oldest first. */
  of: (releaseKey: string) => readonly Choice[]
  /** Restarts after this batch. */
  restartsAt: (seq: number) => readonly Restarted[]
  add: (choices: readonly Choice[]) => Promise<void>
}>

type Row = { release_key: string; trigger_hash: string; seq: number; kind: string; body: string }

/**
 * The journal of choices from batch `fromSeq` on (older ones live in the stored evidence), of one release or of all. With `write: false`
 * new ones are kept in memory only: for commands that look at a store without changing it.
 */
export async function openChoices(
  store: ClickHouseClient,
  { write, fromSeq = 0, releaseKey }: { write: boolean; fromSeq?: number; releaseKey?: string },
): Promise<Choices> {
  const byRelease = new Map<string, Choice[]>()
  const restarts = new Map<number, Restarted[]>()
  const keep = (choice: Choice) => {
    const list = byRelease.get(choice.releaseKey) ?? []
    // a tick that failed after it wrote a choice made the same one again
    const isKnown = list.some(
      (one) => one.kind === choice.kind && one.seq === choice.seq && one.triggerHash === choice.triggerHash,
    )
    if (isKnown) return
    list.push(choice)
    if (choice.kind === 'restarted') restarts.set(choice.seq, [...(restarts.get(choice.seq) ?? []), choice])
    byRelease.set(choice.releaseKey, list)
  }
  const rows = await rowsOf<Row>(
    store,
    `SELECT release_key, trigger_hash, seq, kind, body FROM baselines
     WHERE seq >= {fromSeq:UInt64} AND ({all:UInt8} OR release_key = {releaseKey:String}) ORDER BY release_key, seq, stored_at`,
    { fromSeq, all: releaseKey === undefined ? 1 : 0, releaseKey: releaseKey ?? '' },
  )
  for (const { release_key, trigger_hash, seq, kind, body } of rows)
    keep({ ...JSON.parse(body), releaseKey: release_key, triggerHash: trigger_hash, seq, kind } as Choice)
  return {
    of: (releaseKey) => byRelease.get(releaseKey) ?? [],
    restartsAt: (seq) => restarts.get(seq) ?? [],
    add: async (choices) => {
      if (write && choices.length > 0)
        await store.insert({
          table: 'baselines',
          values: choices.map(({ releaseKey, triggerHash, seq, kind, ...body }) => ({
            release_key: releaseKey,
            trigger_hash: triggerHash,
            seq,
            kind,
            body: JSON.stringify(body),
          })),
          format: 'JSONEachRow',
        })
      for (const choice of choices) keep(choice)
    },
  }
}
