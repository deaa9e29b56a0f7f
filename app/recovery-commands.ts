import type { RecoveryApi, RecoveryStateAnswer } from '../api/recovery.ts'
import type { Config } from '../config.ts'
import type { Incident } from '../facts/incident.ts'
import { releaseLabelOf } from '../facts/slice.ts'
import { AndonError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { ITEM_KINDS } from '../recovery/affected.ts'
import type { AffectedRow } from '../recovery/export.ts'
import { STEPS } from '../recovery/ledger.ts'
import { affectedText } from './affected-text.ts'
import { openExistingStore } from './existing-store.clickhouse.ts'
import { storedRecoveryApi } from './recovery-api.ts'
import { runningRecovery } from './running-recovery.http.ts'
import type { Environment } from './secrets.ts'
import { storedIncidents } from './stored-overview.clickhouse.ts'

type Where = Readonly<{ config: Config; env: Environment }>

/** `andon affected INCIDENT`: prints what an incident touched. `refresh` lists it anew, late facts included. */
export async function affectedCommand(options: {
  config: Config
  env: Environment
  incident: string
  /** Absent: a table on a terminal, else CSV. */
  format: string | undefined
  refresh: boolean
}): Promise<void> {
  const { refresh } = options
  const format = oneOf(['table', 'csv', 'json'], options.format ?? (process.stdout.isTTY ? 'table' : 'csv'), '--format')
  await withIncident(options, options.incident, async (recovery, incident) => {
    const state = await recovery.state(incident.incidentId)
    if (refresh || state.snapshot === null) await recovery.refresh(incident.incidentId)
    const { rows, csv } = await recovery.rows(incident.incidentId)
    if (format === 'csv') return void process.stdout.write(csv())
    const now = await recovery.state(incident.incidentId)
    if (format === 'table') return void process.stdout.write(affectedText(rows as AffectedRow[], now))
    const document = { ...now, items: rows, entries: await recovery.entries(incident.incidentId) }
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
  })
}

/** `andon recover INCIDENT [STEP] [ITEM]`: enters what was done; without a step it says how far the recovery is. */
export async function recoverCommand(options: {
  config: Config
  env: Environment
  incident: string
  step: string | undefined
  item: string | undefined
  kind: string | undefined
  by: string | undefined
  reason: string | undefined
  json: boolean
}): Promise<boolean> {
  const { step, item, kind } = options
  const entry = step === undefined ? null : { step: oneOf(STEPS, step, 'step'), by: options.by ?? '' }
  const named = kind === undefined ? undefined : oneOf(ITEM_KINDS, kind, '--kind')
  return withIncident(options, options.incident, async (recovery, incident) => {
    if (entry)
      await recovery.record(incident.incidentId, {
        step: entry.step,
        actor: entry.by,
        reason: options.reason ?? '',
        ...(named && { kind: named }),
        ...(item !== undefined && { item }),
      })
    const state = await recovery.state(incident.incidentId)
    process.stdout.write(options.json ? `${JSON.stringify(state, null, 2)}\n` : stateText(incident, state))
    return state.gate.allowed
  })
}

function oneOf<T extends string>(known: readonly T[], given: string, what: string): T {
  const found = known.find((one) => one === given)
  if (found === undefined) throw new AndonError('config', `${what}: there is ${known.join(', ')}; found ${given}`)
  return found
}

/** What `andon recover` prints: how far, what is open, and whether the release may be deployed again. */
export function stateText({ incidentId, release }: Incident, state: RecoveryStateAnswer): string {
  const { completeness, done, needed, unrecoverable, snapshot, gate } = state
  const far =
    completeness === null ? 'nothing needs anything' : `${done} of ${needed} done (${Math.floor(completeness * 100)} %)`
  return [
    `Incident ${incidentId}: ${releaseLabelOf(release)}`,
    `Listed    ${snapshot ? `${new Date(snapshot.takenAtMs).toISOString()} (${snapshot.because})` : 'not yet: `andon affected` lists it'}`,
    `Recovery  ${far}${unrecoverable > 0 ? `, ${unrecoverable} of them unrecoverable` : ''}`,
    `Redeploy  ${gate.allowed ? 'allowed' : 'not yet'}: ${gate.detail}`,
    '',
  ].join('\n')
}

/** Asks the running monitor; where none runs, the store. Throws AndonError `unreadable` for an incident that is not there, or a prefix that several have. */
async function withIncident<T>(
  { config, env }: Where,
  name: string,
  work: (recovery: RecoveryApi, incident: Incident) => Promise<T>,
): Promise<T> {
  const running = await runningRecovery(config, env)
  if (running) return work(running.api, incidentNamed(running.incidents, name))
  const store = await openExistingStore(config, env)
  try {
    const api = storedRecoveryApi(store, config, silentLog, null)
    return await work(api, incidentNamed(await storedIncidents(store), name))
  } finally {
    await store.close()
  }
}

/** An incident by its id, or by the first characters of it that no other has. */
export function incidentNamed(incidents: readonly Incident[], name: string): Incident {
  const found = incidents.filter((incident) => name !== '' && incident.incidentId.startsWith(name))
  if (found.length === 1) return found[0]!
  throw new AndonError(
    'unreadable',
    found.length === 0
      ? `there is no incident ${name}; there are ${incidents.map((incident) => incident.incidentId).join(', ') || 'none'}`
      : `${found.length} incidents begin with ${name}: give more of the id`,
  )
}
