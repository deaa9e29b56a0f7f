import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Followed } from '../alerts/activity.ts'
import { manualClock, wallClock } from '../lib/clock.ts'
import { seededRandom } from '../lib/random.ts'
import { openStore } from '../store/store.clickhouse.ts'
import { followActivity, lastContactIn, wholeActivity } from './activity.clickhouse.ts'

const START_MS = Date.UTC(2027, 0, 4, 10)
const MINUTE = 60_000
const release = { environment: 'production', agent: 'order-status', release: 'r43' }

let folder: string
let store: ClickHouseClient
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-activity-'))
  store = await openStore({ kind: 'embedded', path: folder })
})
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

type Version = Readonly<{ id: string; release: string; channel: string; startedAtMs: number; endedAtMs: number }>
type Write = Readonly<{ span: string; release: string; channel: string; startedAtMs: number }>

const insert = (table: string, values: object[]) =>
  values.length === 0 ? null : store.insert({ table, values, format: 'JSONEachRow' })

/** One batch as the pipeline leaves it: versions replaced and made, spans, and the line that makes it whole. */
async function batch(
  seq: number,
  changes: readonly [before: Version | null, after: Version | null][],
  writes: readonly Write[],
) {
  const row = (sign: number, gone: number, { id, channel, startedAtMs, endedAtMs, ...version }: Version) => ({
    seq,
    sign,
    gone,
    contact_id: id,
    ...release,
    release: version.release,
    channel,
    started_at: startedAtMs,
    ended_at: endedAtMs,
    received_at: Math.floor(wallClock.nowMs() / 1000),
  })
  await insert(
    'spans',
    writes.map(({ span, channel, startedAtMs, ...write }, position) => ({
      seq,
      position,
      trace_id: `t-${span}`,
      span_id: span,
      environment: release.environment,
      agent_name: release.agent,
      service_name: 'tools',
      release: write.release,
      channel,
      action: 'update',
      started_at: startedAtMs,
      received_at: Math.floor(wallClock.nowMs() / 1000),
    })),
  )
  await insert(
    'contact_changes',
    changes.flatMap(([before, after]) => [
      ...(before ? [row(-1, after ? 0 : 1, before)] : []),
      ...(after ? [row(1, 0, after)] : []),
    ]),
  )
  await insert('batches', [{ seq, clock_at: START_MS, accepted_at: START_MS }])
}

test('what is followed batch by batch is what reading everything tells, whatever contacts do: begin, go on, move, vanish, arrive late', async () => {
  const random = seededRandom('activity', 7)
  const clock = manualClock(0)
  const activityOf = followActivity(store, clock)
  const contacts = new Map<string, Version>()
  const followed: Followed[] = [
    { release, scope: [], sinceMs: START_MS + 20 * MINUTE },
    { release, scope: [{ channel: 'voice', queue: '' }], sinceMs: START_MS },
  ]
  const writes: Write[] = []
  for (let seq = 1; seq <= 25; seq += 1) {
    const changes: [Version | null, Version | null][] = []
    const touched = new Set<string>()
    for (let n = random.integer(14); n > 0; n -= 1) {
      const id = `c${random.integer(40)}`
      if (touched.has(id)) continue
      touched.add(id)
      const before = contacts.get(id) ?? null
      const startedAtMs = START_MS + (random.integer(90) - 30) * MINUTE + random.integer(1000)
      const made = {
        id,
        release: id.endsWith('1') ? 'r42' : 'r43', // the id of a contact names its release
        channel: random.pick(['voice', 'chat']),
        startedAtMs: before && random.chance(0.8) ? before.startedAtMs : startedAtMs,
        endedAtMs: startedAtMs + random.integer(20) * MINUTE,
      }
      const after = before && random.chance(0.15) ? null : made
      changes.push([before, after])
      if (after) contacts.set(id, after)
      else contacts.delete(id)
    }
    const again = writes.filter(() => random.chance(0.05)) // sent again: the same spans, in a later batch
    const fresh = Array.from({ length: random.integer(4) }, (_, n) => ({
      span: `s${seq}-${n}`,
      release: random.pick(['r43', 'r42']),
      channel: random.pick(['voice', 'chat']),
      startedAtMs: START_MS + (random.integer(90) - 30) * MINUTE,
    }))
    writes.push(...fresh)
    await batch(seq, changes, [...again, ...fresh])
    await clock.advance(1_000)
    if (random.chance(0.4)) continue // several batches between two looks
    for (const one of followed) {
      const { gapP99Ms: _, ...told } = await activityOf(one.release, one.sinceMs, one.scope)
      const { gapP99Ms, ...whole } = await wholeActivity(store, one, seq)
      expect({ seq, ...told }).toEqual({ seq, ...whole })
    }
  }
  expect(contacts.size).toBeGreaterThan(10)
})

test('a read that fails changes nothing, and the next look makes up for it', async () => {
  const clock = manualClock(0)
  let isAway = false
  const patchy = new Proxy(store, {
    get: (target, name) =>
      name === 'query' && isAway
        ? async () => {
            throw new Error('the store is away')
          }
        : Reflect.get(target, name),
  })
  const activityOf = followActivity(patchy, clock)
  const before = await activityOf(release, START_MS)
  await batch(
    100,
    [
      [
        null,
        {
          id: 'late',
          release: 'r43',
          channel: 'voice',
          startedAtMs: START_MS + 90 * MINUTE,
          endedAtMs: START_MS + 91 * MINUTE,
        },
      ],
    ],
    [],
  )
  await clock.advance(1_000)
  isAway = true
  await expect(activityOf(release, START_MS)).rejects.toThrow('away')
  isAway = false
  const after = await activityOf(release, START_MS)
  expect(after.contactsAfterPause).toBe(before.contactsAfterPause + 1)
  expect(after.lastContactStartedAtMs).toBe(START_MS + 90 * MINUTE)
})

test('the last contact of a release is known to the minute from the totals; a contact that moved away leaves none', async () => {
  const delta = (n: number, minute: string, name: string) => ({
    seq: 1,
    signal: '',
    measure: 'contacts',
    ...release,
    release: name,
    minute,
    n,
  })
  await insert('deltas', [
    delta(1, '2027-01-04 10:03:00', 'r60'),
    delta(1, '2027-01-04 10:07:00', 'r60'),
    delta(-1, '2027-01-04 10:07:00', 'r60'),
  ])
  expect(await lastContactIn(store, { ...release, release: 'r60' })).toBe(START_MS + 3 * MINUTE)
  expect(await lastContactIn(store, { ...release, release: 'never' })).toBeNull()
})
