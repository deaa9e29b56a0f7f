import type { ClickHouseClient } from '@clickhouse/client'
import type { Alerter } from '../alerts/alerter.ts'
import { applyEvent } from '../alerts/incident.ts'
import type { Journal } from '../alerts/journal.ts'
import type { IncidentCommand, Ruling } from '../alerts/operate.ts'
import { type Config, isActing, triggersOf } from '../config.ts'
import { type Incident, type IncidentEventBody, partLabel, without } from '../facts/incident.ts'
import type { Operate, Operated, Operation, ReleaseName } from '../facts/operation.ts'
import type { ReleaseView } from '../facts/overview.ts'
import { releaseKeyOf } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { redeployGate } from '../recovery/ledger.ts'
import type { Recovery } from '../recovery/recovery.clickhouse.ts'
import { type AuditRow, auditRows } from '../releases/audit.ts'
import { type GateStage, type GateVerdict, gate } from '../releases/gate.ts'
import type { Told } from '../releases/life.ts'
import { measuresOf } from '../releases/measures.clickhouse.ts'
import { loadReleaseEvents } from '../releases/registry.clickhouse.ts'
import { createRegistry, previousOf, type Registry } from '../releases/registry.ts'

const DAY_MS = 86_400_000

/** What people do with releases and incidents, for API, command line and tests. */
export type Operations = Readonly<{
  operate: Operate
  registry: Registry
  gate: (name: ReleaseName, stage: GateStage) => Promise<GateVerdict>
  audit: () => Promise<AuditRow[]>
}>

export function createOperations(edges: {
  store: ClickHouseClient
  config: Config
  clock: Pick<Clock, 'nowMs'>
  alerter: Alerter
  journal: Journal
  recovery: Recovery
  /** Every release with its evidence, as of the last batch. */
  views: () => Promise<readonly ReleaseView[]>
}): Operations {
  const { store, config, clock, alerter, journal, recovery, views } = edges
  const told = async () => toldOf(await journal.load())
  const registry = createRegistry({ store, clock, told })
  const incidentsOf = () => alerter.incidents()

  async function operate(operation: Operation): Promise<Operated> {
    const ruling = 'release' in operation ? await order(operation) : await decide(operation)
    if (ruling.does === 'refuse') throw refusal(ruling)
    const incident = incidentsOf().find(({ incidentId }) => incidentId === ruling.incidentId)!
    const changed = ruling.does === 'record'
    return { incident, changed, detail: changed ? wordsOf(ruling.event, incident) : ruling.detail }
  }

  async function order(operation: Extract<Operation, { release: ReleaseName }>): Promise<Ruling> {
    const { does, scope, by, reason, via } = operation
    const known = await registry.find(operation.release)
    const isPart = scope.channel !== '' || scope.queue !== ''
    const trafficGoesTo =
      operation.trafficGoesTo || known.record?.trafficGoesTo || trafficOf(config) || known.record?.previousRelease || ''
    const person = { by, reason, ...(via && { via }) }
    return alerter.order({ does, release: known.release, scope: isPart ? [scope] : [], trafficGoesTo, ...person })
  }

  async function decide(operation: Exclude<Operation, { release: ReleaseName }>): Promise<Ruling> {
    const { incidentId } = operation
    const incident = incidentsOf().find((one) => one.incidentId === incidentId)
    if (!incident) throw new AndonError('not_found', 'there is no incident of this id; `andon status` lists them')
    return (await alerter.decideOn(incidentId, await commandOf(operation, incident)))!
  }

  async function commandOf(
    operation: Exclude<Operation, { release: ReleaseName }>,
    incident: Incident,
  ): Promise<IncidentCommand> {
    const { by, reason, via } = operation
    const person = { by, reason, ...(via && { via }) }
    switch (operation.does) {
      case 'snooze':
        return { does: 'snooze', forMs: operation.minutes * 60_000, ...person }
      case 'close': {
        const events = await loadReleaseEvents(store)
        const key = releaseKeyOf(incident.release)
        const isRetired = events.some(({ type, release }) => type === 'retired' && releaseKeyOf(release) === key)
        return { does: 'close', verdict: operation.verdict, isRetired, ...person }
      }
      case 'resume': {
        const { channel, queue } = operation
        const part = channel === '' && queue === '' ? undefined : { channel, queue }
        // Who resumes the last part that is stopped resumes all, and all of it must be recovered.
        const isAll = !part || without(incident.scope, [part]).length === 0
        const state = await recovery.state(incident.incidentId, isAll ? undefined : part)
        return { does: 'resume', recovery: redeployGate(state, incident.orderedMs), ...(part && { part }), ...person }
      }
      case 'rollback_incident':
        return { does: 'rollback', ...person }
      default:
        return { does: operation.does, ...person }
    }
  }

  async function gateOf(name: ReleaseName, stage: GateStage): Promise<GateVerdict> {
    const all = await registry.list()
    const known = await registry.find(name)
    const previous = previousOf(all, known)
    const limits = config.releases.gate
    const keys = new Set([known, ...(previous ? [previous] : [])].map(({ release }) => releaseKeyOf(release)))
    const stopped = incidentsOf().filter(
      ({ release, ordered, closed }) =>
        ordered !== 'nothing' && closed?.verdict !== 'false_alarm' && keys.has(releaseKeyOf(release)),
    )
    const recoveries = await Promise.all(
      stopped.map(async ({ incidentId, orderedMs }) => ({
        incidentId,
        ...redeployGate(await recovery.state(incidentId), orderedMs),
      })),
    )
    const view = (await views()).find(({ release }) => releaseKeyOf(release) === releaseKeyOf(known.release))
    const findings = (view?.triggers ?? []).filter(({ shadow }) => !shadow)
    const measures = await measuresOf(store, known.release, clock.nowMs() - limits.lookBackDays * DAY_MS)
    return gate({ stage, known, previous, measures, findings, recoveries, limits })
  }

  async function audit(): Promise<AuditRow[]> {
    const lines = await told()
    const ids = [...new Set(lines.map(({ line }) => line.incidentId))]
    const entries = await Promise.all(ids.map((incidentId) => recovery.entries(incidentId)))
    return auditRows(lines, await loadReleaseEvents(store), entries.flat())
  }

  return { operate, registry, gate: gateOf, audit }
}

/** What was decided, as the person who decided reads it. */
function wordsOf(event: IncidentEventBody, { ordered }: Incident): string {
  switch (event.type) {
    case 'opened':
      return ordered === 'rollback' ? 'rollback ordered' : 'pause ordered'
    case 'rolled_back':
      return 'rollback ordered'
    case 'acknowledged':
      return `acknowledged by ${event.by}`
    case 'snoozed':
      return `quiet until ${new Date(event.untilMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
    case 'accepted':
      return 'accepted by hand'
    case 'part_resumed':
      return `${event.scope.map(partLabel).join(', ')} may go on`
    case 'resumed':
    case 'overridden':
      return `${event.type} by ${event.by}`
    case 'closed':
      return `closed as ${event.verdict.replace('_', ' ')}`
    default:
      return event.type
  }
}

function refusal({ reason, detail }: Extract<Ruling, { does: 'refuse' }>): AndonError {
  const isInput = reason === 'no_name' || reason === 'no_reason' || reason === 'bad_value'
  return new AndonError(isInput ? 'invalid' : 'conflict', detail)
}

/** Where the triggers that can pause send traffic, when they agree. */
function trafficOf(config: Config): string {
  const places = new Set(
    triggersOf(config)
      .filter(isActing)
      .map(({ trafficGoesTo }) => trafficGoesTo),
  )
  return places.size === 1 ? [...places][0]! : ''
}

/** The journal, each line with its incident before and after it, in order of time. */
export function toldOf(lines: Awaited<ReturnType<Journal['load']>>): Told[] {
  const incidents = new Map<string, Incident>()
  const told = lines.flatMap((line) => {
    const before = incidents.get(line.incidentId) ?? null
    const incident = applyEvent(before, line)
    incidents.set(line.incidentId, incident)
    return [{ incident, line, before }]
  })
  return told.sort((a, b) => a.line.atMs - b.line.atMs)
}
