import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type CompiledSignals, compileSignals } from '../../detectors/signals/compile.ts'
import { FOUR_SIGNALS, SIGNAL_LIBRARY } from '../../detectors/signals/library.ts'
import { type Recount, recount } from '../../recount/recount.clickhouse.ts'
import { type Counting, startCounting } from './counting.ts'
import { PATIENCE_MS } from './data.ts'
import { oddWorld, shuffled } from './world.ts'

const TRACES = 80
const BATCHES = 5
const HOUR_MS = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'andon-recount-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the pipeline over an odd world in odd order, then hands it over, settled. */
async function withCounted(
  seed: number,
  signals: typeof SIGNAL_LIBRARY,
  statements: CompiledSignals,
  idleMs: number | null,
  check: (counting: Counting) => Promise<void>,
) {
  const counting = await startCounting({ folder: mkdtempSync(join(folder, 'run-')), signals, statements, idleMs })
  try {
    const facts = shuffled(oddWorld(seed, TRACES), seed, 0.1)
    const size = Math.ceil(facts.length / BATCHES)
    for (let i = 0; i < facts.length; i += size) {
      const batch = facts.slice(i, i + size)
      await counting.accept({
        spans: batch.flatMap((fact) => ('span' in fact ? [fact.span] : [])),
        outcomes: batch.flatMap((fact) => ('outcome' in fact ? [fact.outcome] : [])),
        points: [],
      })
    }
    await counting.settle()
    await check(counting)
  } finally {
    await counting.close()
  }
}

const totalsIn = ({ differences }: Recount): Set<string> =>
  new Set(differences.map(({ signal, measure }) => `${signal} ${measure}`))

/** A statement with something changed; the change must be there to make. */
const changed = (sql: string, from: string | RegExp, to: string): string => {
  const result = sql.replace(from, to)
  if (result === sql) throw new Error(`nothing to change: ${from}`)
  return result
}

const LOST = `ALTER TABLE deltas DELETE WHERE signal = 'complaints' AND measure = 'events' AND n > 0 AND seq = (
  SELECT max(seq) FROM deltas WHERE signal = 'complaints' AND measure = 'events' AND n > 0) SETTINGS mutations_sync = 2`

describe('pipeline and recount', { timeout: PATIENCE_MS }, () => {
  test.each([
    [1, null],
    [2, 5 * HOUR_MS],
  ])('agree on every total of odd traffic in odd order, until a change is lost (seed %i, idle %s)', (seed, idleMs) =>
    withCounted(seed, SIGNAL_LIBRARY, compileSignals(SIGNAL_LIBRARY), idleMs, async ({ store }) => {
      const whole = await recount({ store, signals: SIGNAL_LIBRARY, idleMs })
      expect(whole.differences).toEqual([])
      expect(whole.checked).toBeGreaterThan(1_000)
      await store.command({ query: LOST })
      const lacking = await recount({ store, signals: SIGNAL_LIBRARY, idleMs })
      expect(lacking.equal).toBe(false)
      expect(totalsIn(lacking)).toEqual(new Set(['complaints events']))
    }),
  )

  test('disagree about exactly what a changed pipeline counts wrongly', () => {
    const compiled = compileSignals(FOUR_SIGNALS)
    const early = (sql: string, from: string) =>
      changed(sql, `date_diff('millisecond', ${from}) <= window_ms`, `date_diff('millisecond', ${from}) < window_ms`)
    const statements: CompiledSignals = {
      ...compiled,
      // both windows end a millisecond early
      marks: (touches) => {
        const marks = compiled.marks(touches)
        if (touches.contacts) return early(marks!, 'at, next.1')
        return touches.creates ? early(marks!, 'previous_at, at') : marks
      },
      // a contact needs two failed writes to count among those with one
      deltas: changed(compiled.deltas, 'failed_writes > 0', 'failed_writes > 1'),
      // five hits of one customer and day count
      capped: changed(compiled.capped, /\b3\b/g, '5'),
    }
    return withCounted(1, FOUR_SIGNALS, statements, null, async ({ store }) => {
      const totals = totalsIn(await recount({ store, signals: FOUR_SIGNALS }))
      for (const wrong of [
        'repeat_contacts hits',
        'repeat_contacts arrivals',
        'duplicate_creations hits',
        ' contacts_with_failed_write',
        'repeat_contacts release_capped_hits',
      ])
        expect(totals).toContain(wrong)
      for (const right of [
        ' contacts',
        ' calls',
        ' failed_writes',
        'repeat_contacts trials',
        'complaints hits',
        'failed_updates hits',
      ])
        expect(totals).not.toContain(right)
    })
  })
})
