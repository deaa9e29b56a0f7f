import { type Config, triggersOf } from '../config.ts'
import { baselineFor } from '../detectors/past.clickhouse.ts'
import type { JudgedTrigger } from '../detectors/triggers.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { openExistingStore } from './existing-store.clickhouse.ts'
import type { Traffic } from './power.ts'
import type { Environment } from './secrets.ts'

const WEEK_HOURS = 168

type Counted = { agent: string; environment: string; contacts: number; trials: number; hours: number }

/**
 * The traffic that each trigger would have seen in the last week of the store, and the baseline that it would take for a release that began
 * now: of the agent with the most trials. Throws AndonError `unreadable` without a store, `store_locked` while a monitor runs.
 */
export async function measuredTraffic(config: Config, env: Environment): Promise<ReadonlyMap<string, Traffic>> {
  const store = await openExistingStore(config, env)
  try {
    const [last] = await rowsOf<{ seq: number; clockMs: number }>(
      store,
      'SELECT max(seq) AS seq, toUnixTimestamp64Milli(max(clock_at)) AS clockMs FROM batches',
    )
    const { seq, clockMs } = last ?? { seq: 0, clockMs: 0 }
    const measured = new Map<string, Traffic>()
    for (const trigger of triggersOf(config)) {
      const [most] = await rowsOf<Counted>(store, COUNTS, {
        signal: trigger.signal,
        environments: config.judge.environments,
        from: Math.max(0, Math.floor(clockMs / 1000) - WEEK_HOURS * 3600),
        ...matchOf(trigger),
      })
      if (!most || most.trials <= 0) continue
      const { agent, environment } = most
      const release = { agent, environment, release: 'the next one' }
      const baseline = await baselineFor(store, trigger, release, { seq: seq + 1, clockMs }, () => false)
      const hours = Math.max(1, most.hours)
      measured.set(trigger.name, {
        contactsPerHour: most.contacts / hours,
        trialsPerHour: most.trials / hours,
        baseline,
      })
    }
    return measured
  } finally {
    await store.close()
  }
}

const matchOf = ({ match }: JudgedTrigger) => ({
  agent: match.agent ?? '',
  channel: match.channel ?? '',
  queue: match.queue ?? '',
  anyAgent: match.agent === undefined ? 1 : 0,
  anyChannel: match.channel === undefined ? 1 : 0,
  anyQueue: match.queue === undefined ? 1 : 0,
})

const COUNTS = `
  SELECT rollup_minutes.agent AS agent, rollup_minutes.environment AS environment,
    sumIf(n, signal = '' AND measure = 'contacts') AS contacts, sumIf(n, signal = {signal:String} AND measure = 'trials') AS trials,
    (toUnixTimestamp(max(minute)) - toUnixTimestamp(min(minute)) + 60) / 3600 AS hours
  FROM rollup_minutes
  WHERE minute >= toDateTime({from:UInt32}) AND agent != '' AND environment IN {environments:Array(String)}
    AND ((signal = '' AND measure = 'contacts') OR (signal = {signal:String} AND measure = 'trials'))
    AND ({anyAgent:UInt8} OR agent = {agent:String}) AND ({anyChannel:UInt8} OR channel = {channel:String})
    AND ({anyQueue:UInt8} OR queue = {queue:String})
  GROUP BY agent, environment ORDER BY trials DESC, agent LIMIT 1`
