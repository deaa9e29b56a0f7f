import { existsSync } from 'node:fs'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Config } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { openStore } from '../store/store.clickhouse.ts'

/** Throws AndonError `unreadable` where there is no store: a command that reads one must not make one. */
export function requireStore(config: Config): void {
  if (!existsSync(config.store.path)) throw new AndonError('unreadable', `there is no store in ${config.store.path}; name its directory with --store or store.path`)
}

/** Opens a store that is there already, for this process alone. Throws AndonError `unreadable`, or `store_locked` while a monitor runs. */
export async function openExistingStore(config: Config): Promise<ClickHouseClient> {
  requireStore(config)
  try {
    return await openStore({ kind: 'embedded', path: config.store.path, memoryBytes: config.store.memoryMiB * 2 ** 20 })
  } catch (error) {
    if (!(error instanceof AndonError) || !isLocked(error)) throw error
    throw new AndonError('store_locked', `the store in ${config.store.path} is in use: stop \`andon serve\`, run this again, and start it again. Exporters send again what they could not deliver meanwhile.`, { cause: error })
  }
}

/** The embedded engine does not always say why it cannot open a directory; that another process has it is why it does not. */
const isLocked = ({ code, message }: AndonError): boolean => code === 'store_locked' || /Failed to create connection/.test(message)
