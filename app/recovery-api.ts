import type { ClickHouseClient } from '@clickhouse/client'
import type { RecoveryApi } from '../api/recovery.ts'
import type { Config } from '../config.ts'
import type { DrillResult } from '../facts/drill.ts'
import type { Incident } from '../facts/incident.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { csvOf } from '../recovery/export.ts'
import { type RecoveryState, redeployGate } from '../recovery/ledger.ts'
import type { Recovery } from '../recovery/recovery.clickhouse.ts'
import { drillsIn } from './drill.clickhouse.ts'
import { recoveryOf } from './recovery.ts'
import { storedIncidents } from './stored-overview.clickhouse.ts'

/** Recovery and drills behind the API. An incident that is not there is told apart from one that needs nothing. */
export function recoveryApiOf(edges: {
  store: ClickHouseClient
  recovery: Recovery
  incidents: () => readonly Incident[] | Promise<readonly Incident[]>
  /** null where this process has no alerter to drill. `run` ends with the drill, which tells by its row and, if it fails, by a page. */
  drill: Readonly<{ run: () => Promise<DrillResult>; isRunning: () => boolean }> | null
  log: Log
}): RecoveryApi {
  const { store, recovery, drill } = edges
  const incidentOf = async (incidentId: string): Promise<Incident> => {
    const found = (await edges.incidents()).find((incident) => incident.incidentId === incidentId)
    if (!found) throw new AndonError('not_found', 'there is no incident of this id; /api/v1/incidents lists them')
    return found
  }
  const gated = (state: RecoveryState, { orderedMs }: Incident) => ({ ...state, gate: redeployGate(state, orderedMs) })
  return {
    state: async (incidentId) => {
      const incident = await incidentOf(incidentId)
      return gated(await recovery.state(incidentId), incident)
    },
    rows: async (incidentId) => {
      const rows = await recovery.rows((await incidentOf(incidentId)).incidentId)
      return { rows, csv: () => csvOf(rows) }
    },
    entries: async (incidentId) => recovery.entries((await incidentOf(incidentId)).incidentId),
    refresh: async (incidentId) => {
      const incident = await incidentOf(incidentId)
      return gated(await recovery.take(incident, 'asked for'), incident)
    },
    record: async (incidentId, entry) => recovery.record((await incidentOf(incidentId)).incidentId, entry),
    drills: () => drillsIn(store),
    startDrill:
      drill &&
      (async () => {
        if (drill.isRunning()) throw new AndonError('drill_running', 'a drill is running already; wait for its end')
        drill.run().catch((error: Error) => edges.log.error({ err: error.message }, 'the drill could not be run'))
      }),
  }
}

/** Recovery from tables alone, for processes that share them with the alerter. */
export const storedRecoveryApi = (
  store: ClickHouseClient,
  config: Config,
  log: Log,
  drill: Readonly<{ run: () => Promise<DrillResult>; isRunning: () => boolean }> | null,
): RecoveryApi =>
  recoveryApiOf({
    store,
    recovery: recoveryOf(store, config, wallClock),
    incidents: () => storedIncidents(store),
    drill,
    log,
  })
