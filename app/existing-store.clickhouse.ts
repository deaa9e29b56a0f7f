import { existsSync } from 'node:fs'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Config } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { openStore } from '../store/store.clickhouse.ts'
import { finishForgetting } from './forget.clickhouse.ts'

/** Throws AndonError `unreadable` where there is no store: a command that reads one must not make one. */
export function requireStore(config: Config): void {
  if (!existsSync(config.store.path))
    throw new AndonError(
      'unreadable',
      `there is no store in ${config.store.path}; name its directory with --store or store.path`,
    )
}

/**
 * Opens a store that is there already, for this process alone, and finishes an erasure that was interrupted.
 * Throws AndonError `unreadable`, or `store_locked` while a monitor runs.
 */
export async function openExistingStore(config: Config): Promise<ClickHouseClient> {
  requireStore(config)
  const { path, memoryMiB } = config.store
  const store = await openStore({ kind: 'embedded', path, memoryBytes: memoryMiB * 2 ** 20 }).catch(
    (error: unknown) => {
      if (!(error instanceof AndonError) || !isLocked(error)) throw error
      throw new AndonError(
        'store_locked',
        `the store in ${path} is in use: stop \`andon serve\`, run this again, and start it again. Exporters send again what they could not deliver meanwhile.`,
        { cause: error },
      )
    },
  )
  try {
    await finishForgetting(store)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The embedded engine does not always say why it cannot open a directory; that another process has it is why it does not. */
const isLocked = ({ code, message }: AndonError): boolean =>
  code === 'store_locked' || /Failed to create connection/.test(message)
