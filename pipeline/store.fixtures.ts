import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { beforeAll } from 'vitest'
import { openStore } from '../store/store.clickhouse.ts'

/** Hands the tests of a file an embedded store of their own before the first of them, and removes it after the last. */
export const withStore = (take: (store: ClickHouseClient) => void): void =>
  beforeAll(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'andon-pipeline-'))
    const store = await openStore({ kind: 'embedded', path: directory })
    take(store)
    return async () => {
      await store.close()
      rmSync(directory, { recursive: true, force: true })
    }
  })
