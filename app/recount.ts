import { type Config, countedSignals } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { recount, renderRecount } from '../recount/recount.clickhouse.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { openExistingStore } from './existing-store.clickhouse.ts'
import type { Environment } from './secrets.ts'

const HOUR_MS = 3_600_000

/**
 * Recounts a stopped store and prints the comparison; true when every total is equal.
 * Throws AndonError `store_locked` while a monitor runs, `unreadable` without a store, `unfinished` when its last batch was not counted.
 */
export async function recountCommand({
  config,
  env,
  json,
}: {
  config: Config
  env: Environment
  json: boolean
}): Promise<boolean> {
  const store = await openExistingStore(config, env)
  try {
    const [stored] = await rowsOf<{ isCounted: number }>(
      store,
      'SELECT greatest((SELECT max(seq) FROM spans), (SELECT max(seq) FROM outcomes)) <= (SELECT max(seq) FROM batches) AS isCounted',
    )
    if (!stored?.isCounted)
      throw new AndonError(
        'unfinished',
        'the last batch was stored but not counted before the monitor stopped: start `andon serve` once, it goes on there, then recount',
      )
    const result = await recount({
      store,
      signals: countedSignals(config),
      judgedEnvironments: config.judge.environments,
      idleMs: config.contact.idleHours === null ? null : config.contact.idleHours * HOUR_MS,
    })
    process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : renderRecount(result))
    return result.equal
  } finally {
    await store.close()
  }
}
