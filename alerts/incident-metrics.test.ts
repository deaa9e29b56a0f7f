import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { DRILL } from '../facts/drill.ts'
import type { Incident } from '../facts/incident.ts'
import { aFinding, START_MS } from './fixtures.ts'
import { foldEvents } from './incident.ts'
import { createIncidentMetrics } from './incident-metrics.ts'

const opened = (
  release: string,
  atMs: number,
  change: { reason?: Incident['reason']; pause?: boolean } = {},
): Incident => {
  const finding = aFinding({ release: { environment: 'production', agent: 'order-status', release } })
  const { reason = 'first_breach', pause = true } = change
  return foldEvents([{ incidentId: release, version: 1, atMs, event: { type: 'opened', finding, reason, pause } }]).get(
    release,
  )!
}

async function samplesOf(incidents: readonly Incident[], name = 'andon_incident'): Promise<string[]> {
  const registry = new Registry()
  createIncidentMetrics({ registry, incidents: () => incidents })
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith(`${name}{`))
}

test('an open incident is one series with its release and state', async () => {
  expect(await samplesOf([opened('r43', START_MS)])).toEqual([
    'andon_incident{environment="production",agent="order-status",release="r43",signal="failed_updates",state="pausing"} 1',
  ])
})

test('drained, resumed, closed, replayed, shadow and drilled incidents have no series', async () => {
  const drained: Incident = { ...opened('r1', START_MS), state: 'drained' }
  const replayed = opened('r2', START_MS, { reason: 'replay', pause: false })
  const shadow = opened('r3', START_MS, { reason: 'shadow', pause: false })
  const resumed: Incident = { ...opened('r4', START_MS), state: 'resumed' }
  const closed: Incident = { ...opened('r5', START_MS), state: 'closed' }
  const drill: Incident = { ...opened('r6', START_MS), release: { ...DRILL, release: 'r6' } }
  expect(await samplesOf([drained, resumed, closed, replayed, shadow, drill])).toEqual([])
})

test('no more than the hundred latest incidents have one, whatever telemetry names', async () => {
  const many = Array.from({ length: 150 }, (_, index) => opened(`r${index}`, START_MS + index))
  const samples = await samplesOf(many)
  expect(samples).toHaveLength(100)
  expect(samples.join('\n')).toContain('release="r149"')
  expect(samples.join('\n')).not.toContain('release="r49"')
})

test('contacts after a pause are a series once they are counted, and not before', async () => {
  const counted: Incident = { ...opened('r43', START_MS), state: 'paused', contactsAfterPause: 7 }
  const name = 'andon_incident_contacts_after_pause'
  expect(await samplesOf([counted, { ...opened('r44', START_MS), state: 'paused' }], name)).toEqual([
    `${name}{environment="production",agent="order-status",release="r43",signal="failed_updates"} 7`,
  ])
})
