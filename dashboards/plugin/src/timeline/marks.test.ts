import { expect, test } from 'vitest'
import { anIncident } from './fixtures.ts'
import { clustersOf, marksOf } from './marks.ts'
import { scaleOf } from './scale.ts'

const incident = anIncident({
  onset: 100,
  harm: 200,
  detected: 500,
  sent: 501,
  accepted: 502,
  stopped: 510,
  drained: 900,
})
const scale = (width: number, fromMs = 0, toMs = 1000) => scaleOf({ fromMs, toMs }, width)
const drawn = (...given: Parameters<typeof clustersOf>) =>
  clustersOf(...given).map(({ shown, marks }) => `${shown.moment} of ${marks.length}`)

test('marks stand in the order of the clock; sent and stopped have none', () => {
  expect(marksOf([incident]).map(({ moment }) => moment)).toEqual(['onset', 'harm', 'detected', 'accepted', 'drained'])
})

test('marks with room stand alone', () => {
  expect(drawn(marksOf([incident]), scale(100_000), 13)).toEqual([
    'onset of 1',
    'harm of 1',
    'detected of 1',
    'accepted of 1',
    'drained of 1',
  ])
})

test('where there is no room the mark that matters most stands for its neighbours', () => {
  expect(drawn(marksOf([incident]), scale(300), 13)).toEqual([
    'onset of 1',
    'harm of 1',
    'accepted of 2',
    'drained of 1',
  ])
  expect(drawn(marksOf([incident]), scale(10), 13)).toEqual(['accepted of 5'])
})

test('marks that are drawn never overlap, and each mark is in exactly one group', () => {
  const incidents = Array.from({ length: 30 }, (_, index) =>
    anIncident({ onset: index * 31, detected: index * 31 + 17, accepted: index * 31 + 19 }, { id: String(index) }),
  )
  const marks = marksOf(incidents)
  for (const width of [50, 200, 777, 3000]) {
    const clusters = clustersOf(marks, scale(width), 13)
    for (let index = 1; index < clusters.length; index++)
      expect(clusters[index]!.x - clusters[index - 1]!.x).toBeGreaterThanOrEqual(13)
    expect(clusters.flatMap((cluster) => cluster.marks)).toHaveLength(marks.length)
  }
})

test('marks outside the range are not drawn', () => {
  expect(drawn(marksOf([incident]), scale(1000, 450, 550), 13)).toEqual(['detected of 1', 'accepted of 1'])
})
