import { expect, test } from 'vitest'
import { anIncident, aRelease } from './fixtures.ts'
import { lanesOf, type Order } from './lanes.ts'
import type { Timeline } from './model.ts'

const NOW = { nowMs: 1000, silentAfterMs: 50 }
const timeline = (parts: Partial<Timeline>): Timeline => ({
  releases: [],
  incidents: [],
  evidence: new Map(),
  problems: [],
  found: null,
  ...parts,
})
const shown = (parts: Partial<Timeline>, fromMs: number, toMs: number, order: Order = 'newest') => {
  const { lanes, total } = lanesOf(timeline(parts), { fromMs, toMs }, NOW, order)
  return { names: lanes.map(({ release }) => release), total, lanes }
}

test('only releases that were active in the range have a lane, and all are counted', () => {
  const releases = [
    aRelease(100, 200, { release: 'before' }),
    aRelease(300, 600, { release: 'in' }),
    aRelease(900, 950, { release: 'after' }),
  ]
  expect(shown({ releases }, 250, 700)).toMatchObject({ names: ['in'], total: 3 })
  expect(shown({ releases }, 150, 400).names).toEqual(['in', 'before'])
})

test('a pause that lasts is active; a release that was rolled back is so only when it happened', () => {
  const paused = anIncident({ detected: 200, accepted: 210 })
  expect(shown({ releases: [aRelease(100, 210)], incidents: [paused] }, 800, 1000).names).toHaveLength(1)
  const rolledBack = anIncident({ detected: 200, accepted: 210 }, { rolledBackMs: 300 })
  expect(shown({ releases: [aRelease(100, 210)], incidents: [rolledBack] }, 800, 1000).names).toEqual([])
  expect(shown({ releases: [aRelease(100, 210)], incidents: [rolledBack] }, 250, 350).names).toHaveLength(1)
})

test('an incident whose release is not in the data still has a lane', () => {
  const { lanes } = shown({ incidents: [anIncident({ onset: 150, detected: 200, accepted: 210 })] }, 0, 1000)
  expect(lanes[0]).toMatchObject({
    agent: 'order-status',
    standing: 'paused',
    launch: { firstMs: 150, contacts: null, row: null },
  })
})

test('orders: by agent with what is urgent on top, newest first, and most urgent first', () => {
  const releases = [
    aRelease(100, 990, { agent: 'b', release: 'b1' }),
    aRelease(300, 990, { agent: 'b', release: 'b2' }),
    aRelease(200, 990, { agent: 'a', release: 'a1' }),
  ]
  const incidents = [anIncident({ detected: 950 }, { agent: 'b', release: 'b1', key: releases[0]!.key })]
  expect(shown({ releases }, 0, 1000, 'agent').names).toEqual(['a1', 'b2', 'b1'])
  expect(shown({ releases, incidents }, 0, 1000, 'agent').names).toEqual(['b1', 'b2', 'a1'])
  expect(shown({ releases, incidents }, 0, 1000, 'newest').names).toEqual(['b2', 'a1', 'b1'])
  expect(shown({ releases, incidents }, 0, 1000, 'urgent').names).toEqual(['b1', 'b2', 'a1'])
})

test.each([
  ['live', aRelease(100, 990), []],
  ['ended', aRelease(100, 500), []],
  ['breached', aRelease(100, 990), [anIncident({ detected: 400 }, { state: 'observed' })]],
  ['pausing', aRelease(100, 990), [anIncident({ detected: 900 })]],
  ['paused', aRelease(100, 420), [anIncident({ detected: 400, accepted: 410, drained: 420 })]],
  [
    'recovering',
    aRelease(100, 420),
    [anIncident({ detected: 400, accepted: 410, drained: 420 }, { tellsRecovery: true })],
  ],
  [
    'held',
    aRelease(100, 420),
    [anIncident({ detected: 400, accepted: 410, drained: 420, recovered: 430 }, { tellsRecovery: true })],
  ],
  ['rolled_back', aRelease(100, 420), [anIncident({ detected: 400, accepted: 410 }, { rolledBackMs: 500 })]],
  ['live', aRelease(100, 990), [anIncident({ detected: 400, accepted: 410 }, { resumedMs: 500 })]],
] as const)('a release stands as %s', (standing, release, incidents) => {
  expect(shown({ releases: [release], incidents }, 0, 1000).lanes[0]!.standing).toBe(standing)
})
