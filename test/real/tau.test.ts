import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { replayFiles } from '../../app/replay.ts'
import type { Report } from '../../app/report.clickhouse.ts'
import { readConfig, signalsOf } from '../../config.ts'
import { silentLog } from '../../lib/log.ts'
import { recount } from '../../recount/recount.clickhouse.ts'
import { openStore } from '../../store/store.clickhouse.ts'
import { type TauConversation, tauRequest } from './convert.ts'
import { tauFigures } from './counting.ts'
import { hasData, namesIn, PATIENCE_MS, readJson, readJsonLines } from './data.ts'

type Truth = Readonly<{
  run: string
  release: string
  queue: string
  conversations: number
  tool_calls: number
  tool_error?: number
  write_calls: number
  write_error?: number
  convs_with_failed_write: number
  dup_writes?: number
  dup_creates?: number
  convs_with_dup_write: number
  transfer_calls: number
  convs_transferred: number
  customer_identified: number
}>

describe.skipIf(!hasData('tau'))('conversations of real agents, nine runs', { timeout: PATIENCE_MS }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'andon-tau-'))
  const storePath = join(folder, 'store')
  const config = readConfig(fileURLToPath(new URL('../fixtures/tau.yaml', import.meta.url)))
  const truths = hasData('tau') ? readJson<Truth[]>('tau/dev/truth.json') : []
  let report: Report

  beforeAll(async () => {
    const files = namesIn('tau/dev/').filter((name) => name.endsWith('.jsonl.gz'))
    const requests = files.flatMap((name) => readJsonLines<TauConversation>(`tau/dev/${name}`).map(tauRequest))
    const file = join(folder, 'tau.jsonl')
    writeFileSync(file, requests.map((request) => JSON.stringify(request)).join('\n'))
    report = await replayFiles({
      files: [file],
      config,
      env: {},
      log: silentLog,
      slices: true,
      skipBad: false,
      storePath,
    })
  }, PATIENCE_MS)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(truths)('$run: calls, writes, failures, duplicates, transfers and customers equal the truth', (truth) => {
    const rows = report.releases.filter((row) => row.release === truth.release && row.queue === truth.queue)
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({
      environment: 'benchmark',
      channel: 'chat',
      ...tauFigures(truth),
      contactsTransferred: truth.convs_transferred,
    })
  })

  test('every span is taken once', () => {
    const spans = truths.reduce((sum, truth) => sum + truth.conversations + truth.tool_calls, 0)
    expect(report.accepted).toEqual({ spans, distinct: spans, rejected: 0 })
  })

  test('a recount from the raw facts finds the same totals', async () => {
    const store = await openStore({ kind: 'embedded', path: storePath })
    try {
      const result = await recount({ store, signals: signalsOf(config) })
      expect(result.differences).toEqual([])
      expect(result.checked).toBeGreaterThan(150)
    } finally {
      await store.close()
    }
  })
})
