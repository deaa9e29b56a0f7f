import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manualClock, wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { createRegistry, type Registry } from '../releases/registry.ts'
import { openStore } from '../store/store.clickhouse.ts'
import { followReleaseFile, readReleaseFile } from './release-file.ts'

let folder: string
let store: ClickHouseClient
let registry: Registry
const clock = manualClock(Date.UTC(2027, 0, 4, 10))

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'andon-releases-'))
  store = await openStore({ kind: 'embedded', path: join(folder, 'store') })
  registry = createRegistry({ store, clock, told: async () => [] })
}, 60_000)
afterAll(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

const written = (text: string): string => {
  const path = join(folder, 'releases.yaml')
  writeFileSync(path, text)
  return path
}
const release = { environment: 'production', agent: 'order-status', release: 'r43' }
const ENTRY = `- agent: order-status
  release: r43
  environment: production
  by: Ada
  reason: release notes 43
  record: { owner: Team Orders, autonomy: limited automatic, previousRelease: r42, allowedActions: [update] }
`

test('what stands in the file is registered once, and again only when it changes', async () => {
  const path = written(ENTRY)
  const stopping = new AbortController()
  const following = followReleaseFile({ path, registry, log: silentLog, signal: stopping.signal })
  const deadlineMs = wallClock.nowMs() + 10_000
  while ((await registry.list()).length === 0 && wallClock.nowMs() < deadlineMs) await wallClock.sleep(20)
  stopping.abort()
  await following
  expect(await registry.find({ agent: 'order-status', release: 'r43' })).toMatchObject({
    release,
    state: 'live',
    record: { owner: 'Team Orders', previousRelease: 'r42' },
    registered: { by: 'Ada', reason: 'release notes 43' },
    seen: null,
  })
  await clock.advance(1000)
  const first = await registry.register(
    release,
    { owner: 'Team Orders', autonomy: 'limited automatic', previousRelease: 'r42', allowedActions: ['update'] },
    { by: 'Bo', reason: 'again' },
  )
  expect(first.actor).toBe('Ada')
})

test('a record that cannot be is refused by field, and nobody registers or retires without a name and a reason', async () => {
  const ada = { by: 'Ada', reason: 'x' }
  await expect(registry.register(release, { owner: 7 }, ada)).rejects.toThrow(/owner/)
  await expect(registry.register(release, { previousRelease: 'r43' }, ada)).rejects.toThrow('does not follow itself')
  await expect(registry.register(release, {}, { by: '', reason: 'x' })).rejects.toThrow('a name')
  await expect(registry.retire(release, { by: 'Ada', reason: ' ' })).rejects.toThrow('a reason')
  await expect(registry.find({ agent: 'order-status', release: 'r44' })).rejects.toThrow(
    'did you mean order-status r43?',
  )
})

test('a release that takes no contact is retired, once', async () => {
  const ada = { by: 'Ada', reason: 'replaced by r44' }
  await clock.advance(1000)
  expect(await registry.retire(release, ada)).toMatchObject({ type: 'retired' })
  expect(await registry.retire(release, ada)).toBeNull()
  const known = await registry.find(release)
  expect(known).toMatchObject({ state: 'retired', retired: ada })
  expect(known.transitions).toMatchObject([{ from: 'live', to: 'retired', by: 'Ada' }])
})

test.each([
  ['no YAML', '{', 'cannot be read'],
  ['no list', 'agent: a', 'the file'],
  ['no reason', ENTRY.replace('  reason: release notes 43\n', ''), '0.reason'],
  ['an unknown level', ENTRY.replace('limited automatic', 'godlike'), '0.record.autonomy'],
  ['an unknown key', ENTRY.replace('owner:', 'ovner:'), '0.record'],
])('%s is refused by name', (_, text, message) => {
  expect(() => readReleaseFile(written(text))).toThrow(message)
})
