import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type CompiledSignals, compileSignals } from '../../detectors/signals/compile.ts'
import { SIGNAL_LIBRARY } from '../../detectors/signals/library.ts'
import { type Recount, recount } from '../../recount/recount.clickhouse.ts'
import { startCounting } from './counting.ts'
import { oddWorld, shuffled } from './world.ts'

const TRACES = 120
const BATCHES = 6
const folder = mkdtempSync(join(tmpdir(), 'andon-recount-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the pipeline over an odd world in odd order, then recounts. `meddle` may spoil what the pipeline holds. */
async function pipelineAndRecount(
  name: string,
  seed: number,
  statements: CompiledSignals,
  meddle?: string,
): Promise<Recount> {
  const counting = await startCounting({ folder: join(folder, name), signals: SIGNAL_LIBRARY, statements })
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
    if (meddle) await counting.store.command({ query: meddle })
    return await recount({ store: counting.store, signals: SIGNAL_LIBRARY })
  } finally {
    await counting.close()
  }
}

const compiled = compileSignals(SIGNAL_LIBRARY)

/** A statement with something changed; the change must be there to make. */
const changed = (sql: string, from: string | RegExp, to: string): string => {
  const result = sql.replace(from, to)
  if (result === sql) throw new Error(`nothing to change: ${from}`)
  return result
}
const marksWith = (from: string | RegExp, to: string): CompiledSignals => ({
  ...compiled,
  marks: () => changed(compiled.marks({ contacts: true, creates: true, outcomes: true })!, from, to),
})

describe('pipeline and recount', () => {
  test.each([1, 2])('agree on every total of odd traffic in odd order (seed %i)', async (seed) => {
    const result = await pipelineAndRecount(`same-${seed}`, seed, compiled)
    expect(result.differences).toEqual([])
    expect(result.checked).toBeGreaterThan(1_000)
  })

  test.each<[string, CompiledSignals, string]>([
    [
      'a window that ends before its last millisecond',
      marksWith(
        "date_diff('millisecond', at, next.1) <= window_ms",
        "date_diff('millisecond', at, next.1) < window_ms",
      ),
      'repeat_contacts',
    ],
    [
      'calls that are counted as they are not',
      { ...compiled, deltas: changed(compiled.deltas, 'failed_writes > 0', 'failed_writes > 1') },
      '',
    ],
    [
      'a cap of four',
      { ...compiled, capped: changed(compiled.capped, /least\(sum\(n\), 3\)/, 'least(sum(n), 4)') },
      'complaints',
    ],
  ])('disagree when the pipeline has %s', async (name, statements, signal) => {
    const result = await pipelineAndRecount(name, 1, statements)
    expect(result.equal).toBe(false)
    expect(result.differences.map((difference) => difference.signal)).toContain(signal)
  })

  test('disagree when one change of one total is lost', async () => {
    const lost =
      "ALTER TABLE deltas DELETE WHERE signal = 'complaints' AND measure = 'events' AND n > 0 AND seq = (SELECT max(seq) FROM deltas WHERE signal = 'complaints' AND measure = 'events' AND n > 0) SETTINGS mutations_sync = 2"
    const result = await pipelineAndRecount('lost', 1, compiled, lost)
    expect(result.equal).toBe(false)
    expect(new Set(result.differences.map(({ signal, measure }) => `${signal} ${measure}`))).toEqual(
      new Set(['complaints events']),
    )
  })
})
