import { expect, test } from 'vitest'
import { DEFAULT_EFFECTS } from './effects.ts'
import { laterOnsetLogs, laterOnsets, type OnsetCells, type RatedCell } from './onset-cells.ts'

const cellsOf = (count: number): OnsetCells<RatedCell> => ({
  live: Array.from({ length: count }, (_, index) => ({
    index,
    startMs: index,
    lastMs: index,
    hits: index % 4,
    exposure: 1,
  })),
  closed: [],
  groups: [],
})
const score = ({ hits, exposure }: RatedCell, k: number) => hits * Math.log(1 + k / 100) - (exposure * k) / 100

function expectBoth(cells: OnsetCells<RatedCell>, components: number): void {
  const fast = [...laterOnsets(cells, DEFAULT_EFFECTS, components, score)]
  const logs = laterOnsetLogs(cells, DEFAULT_EFFECTS, components, score)
  expect(fast).toHaveLength(components)
  for (const [k, log] of logs.entries()) expect(Math.log(fast[k]!)).toBeCloseTo(log, 9)
}

test('the fast pass equals the log domain, however cells grow and whoever is looked at in between', () => {
  const few = cellsOf(1)
  const many = cellsOf(1)
  expectBoth(few, 6)
  expectBoth(many, 100)
  expectBoth(cellsOf(60), 400) // the common place grows while `many` was looked at once
  for (let count = 2; count <= 70; count++) {
    for (const [cells, components] of [
      [few, 6],
      [many, 100],
    ] as const) {
      cells.live.push(cellsOf(count).live.at(-1)!)
      cells.live.at(-2)!.hits++
      expectBoth(cells, components)
    }
  }
  many.closed = Array.from({ length: 100 }, (_, k) => -k)
  expectBoth(many, 100)
})
