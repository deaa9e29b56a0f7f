import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { replayFiles } from '../../app/replay.ts'
import { DEFAULT_CONFIG } from '../../config.ts'
import { silentLog } from '../../lib/log.ts'
import { type PersonRow, personRequest } from './convert.ts'
import { writeLines } from './counting.ts'
import { hasData, PATIENCE_MS, readCsv, readJson } from './data.ts'

type Truth = Readonly<{
  rows: number
  duplicate_rows: number
  true_pairs: number
  soc_sec_id: Readonly<{ pairs: number; recall: number }>
}>

describe.skipIf(!hasData('dedup'))(
  'person records with known duplicates, created one by one',
  { timeout: PATIENCE_MS },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'andon-dedup-'))
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    test.each([
      ['dataset1', 450],
      ['dataset2', 911],
    ] as const)('%s: %i creations repeat an exact key', async (name, repeats) => {
      const truth = readJson<Record<string, Truth>>('dedup/dev/truth.json')[name]!
      const people: readonly PersonRow[] = readCsv<keyof PersonRow>(`dedup/dev/${name}.csv.gz`)
      const file = writeLines(folder, `${name}.jsonl`, people.map(personRequest))
      const report = await replayFiles({
        files: [file],
        config: DEFAULT_CONFIG,
        env: {},
        log: silentLog,
        slices: false,
        skipBad: false,
        storePath: null,
      })
      expect(report.releases).toHaveLength(1)
      const [row] = report.releases
      expect(row).toMatchObject({ contacts: truth.rows, creates: truth.rows, duplicateCreations: repeats })
      expect(row?.signals.duplicate_creations).toMatchObject({ trials: truth.rows, hits: repeats })

      // A create repeats at most once, however many earlier copies it has; pairs count every one of them.
      const pairs = pairsWithin(people.map((person) => person.soc_sec_id))
      expect(pairs).toBe(truth.soc_sec_id.pairs)
      const found = repeats / truth.duplicate_rows
      console.info(
        `${name}: an exact key finds ${repeats} of ${truth.duplicate_rows} duplicate records (${percent(found)}) and ${pairs} of ${truth.true_pairs} true pairs (recall ${percent(pairs / truth.true_pairs)}): real duplication is that much higher`,
      )
      expect(pairs / truth.true_pairs).toBeCloseTo(truth.soc_sec_id.recall, 4)
      expect(found).toBeLessThan(1)
    })
  },
)

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** Pairs of equal keys; an empty key equals nothing. */
const pairsWithin = (keys: readonly string[]): number =>
  [
    ...Map.groupBy(
      keys.filter((key) => key !== ''),
      (key) => key,
    ).values(),
  ].reduce((sum, { length }) => sum + (length * (length - 1)) / 2, 0)
