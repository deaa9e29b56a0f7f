import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Config } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { connectStore, openStore } from '../store/store.clickhouse.ts'
import { finishForgetting } from './forget.clickhouse.ts'
import { storeOptionsOf } from './open.ts'
import type { Environment } from './secrets.ts'

/** Somebody waits at a terminal, and a monitor that runs does not go away. */
const LOCK_WAIT_MS = 2_000

/** Throws AndonError `unreadable` where there is no store: a command that reads one must not make one. */
export function requireStore(config: Config): void {
  if (!config.store.server && !existsSync(join(config.store.path, 'metadata')))
    throw new AndonError(
      'unreadable',
      `there is no store in ${config.store.path}; name its directory with --store or store.path`,
    )
}

/**
 * Opens a store that is there already; an embedded one for this process alone, and finishes an erasure that was interrupted.
 * Throws AndonError `unreadable`, or `store_locked` while a monitor runs.
 */
export async function openExistingStore(config: Config, env: Environment): Promise<ClickHouseClient> {
  requireStore(config)
  const { path } = config.store
  const options = storeOptionsOf(config, env)
  // A server serves many at once, and its active pipeline alone changes tables.
  if (options.kind === 'server') return connectStore({ ...options, session: randomUUID() })
  const store = await openStore({ ...options, lockWaitMs: LOCK_WAIT_MS }).catch((error: unknown) => {
    if (!(error instanceof AndonError) || error.code !== 'store_locked') throw error
    throw new AndonError(
      'store_locked',
      `the store in ${path} is in use: stop \`andon serve\`, run this again, and start it again. Exporters send again what they could not deliver meanwhile.`,
      { cause: error },
    )
  })
  try {
    await finishForgetting(store)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}
