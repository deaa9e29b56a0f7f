import { type ByPerson, type IncidentEventBody, partLabel } from '../facts/incident.ts'
import type { Told } from './life.ts'
import type { ReleaseEvent } from './record.ts'

/** One decision, or what followed from one: who, when, why, and what it rests on. Empty text = does not apply. */
export type AuditRow = Readonly<{
  at: string
  what: string
  environment: string
  agent: string
  release: string
  incidentId: string
  version: number
  /** A person's name, `trigger NAME`, `target NAME`, or `telemetry`. */
  actor: string
  /** Token that was shown when a person decided. */
  via: string
  reason: string
  trigger: string
  triggerHash: string
  /** Where the evidence is found again: batch, log E and its line, hits and trials (`andon explain INCIDENT` replays it). */
  evidence: string
  detail: string
}>

/** Recovery entries, as the ledger has them. */
export type RecoveryLine = Readonly<{
  incidentId: string
  atMs: number
  step: string
  kind: string
  item: string
  actor: string
  reason: string
}>

/** Every decision, oldest first, from the append-only tables: incident_events, release_events, recovery_entries. Pure. */
export function auditRows(
  lines: readonly Told[],
  events: readonly ReleaseEvent[],
  recovery: readonly RecoveryLine[],
): AuditRow[] {
  const releases = new Map(lines.map(({ incident }) => [incident.incidentId, incident.release]))
  const rows = [
    ...lines.map((told) => ({ atMs: told.line.atMs, row: incidentRow(told) })),
    ...events.map((event) => ({
      atMs: event.atMs,
      row: {
        ...EMPTY,
        at: rfc3339(event.atMs),
        what: event.type,
        ...event.release,
        actor: event.actor,
        reason: event.reason,
        detail: event.record ? JSON.stringify(event.record) : '',
      },
    })),
    ...recovery.map((entry) => ({
      atMs: entry.atMs,
      row: {
        ...EMPTY,
        ...releases.get(entry.incidentId),
        at: rfc3339(entry.atMs),
        what: entry.step,
        incidentId: entry.incidentId,
        actor: entry.actor,
        reason: entry.reason,
        detail: [entry.kind, entry.item].filter(Boolean).join(' '),
      },
    })),
  ]
  return rows.sort((a, b) => a.atMs - b.atMs).map(({ row }) => row)
}

const EMPTY: AuditRow = {
  at: '',
  what: '',
  environment: '',
  agent: '',
  release: '',
  incidentId: '',
  version: 0,
  actor: '',
  via: '',
  reason: '',
  trigger: '',
  triggerHash: '',
  evidence: '',
  detail: '',
}

const rfc3339 = (atMs: number): string => new Date(atMs).toISOString()

function incidentRow({ incident, line }: Told): AuditRow {
  const { event, atMs, version, incidentId } = line
  const { finding } = 'finding' in event ? event : incident
  const measured = finding.by !== 'person' && finding.by !== 'silence'
  return {
    ...EMPTY,
    at: rfc3339(atMs),
    what: event.type,
    ...incident.release,
    incidentId,
    version,
    ...whoOf(event, finding.trigger),
    trigger: finding.trigger,
    triggerHash: finding.triggerHash,
    evidence: measured
      ? `batch ${finding.seq}, log E ${finding.logE.toFixed(3)} of ${finding.logThreshold.toFixed(3)}, ${finding.hits} of ${finding.trials}`
      : '',
    detail: detailOf(event),
  }
}

const byPerson = ({ by, reason, via = '' }: ByPerson) => ({ actor: by, reason, via })

function whoOf(event: IncidentEventBody, trigger: string): Pick<AuditRow, 'actor' | 'reason' | 'via'> {
  switch (event.type) {
    case 'opened':
      return event.person
        ? byPerson(event.person)
        : { actor: `trigger ${trigger}`, reason: `${event.reason}: ${event.finding.reason}`, via: '' }
    case 'joined':
      return { actor: `trigger ${event.finding.trigger}`, reason: event.finding.reason, via: '' }
    case 'attempted':
      return { actor: 'andon', reason: event.outcome, via: '' }
    case 'accepted':
      return event.person ? byPerson(event.person) : acceptedBy(event)
    case 'undeliverable':
      return { actor: `target ${event.target}`, reason: event.reason, via: '' }
    case 'stopped':
    case 'drained':
      return { actor: 'telemetry', reason: '', via: '' }
    case 'reopened':
      return { actor: 'telemetry', reason: event.because, via: '' }
    case 'escalated':
      return { actor: 'andon', reason: event.because, via: '' }
    case 'evidence_restarted':
      return { actor: 'andon', reason: event.because, via: '' }
    default:
      return byPerson(event)
  }
}

const acceptedBy = ({ target, asked }: Extract<IncidentEventBody, { type: 'accepted' }>) =>
  asked === undefined
    ? { actor: `target ${target}`, reason: '', via: '' }
    : { actor: 'stop switch', reason: 'an instance of the release asked, and was told what is ordered', via: asked }

/** What the other columns do not say. */
function detailOf(event: IncidentEventBody): string {
  switch (event.type) {
    case 'opened': {
      const order = event.pause ? (event.finding.action === 'rollback' ? 'rollback' : 'pause') : 'nothing ordered'
      const parts = (event.scope ?? []).map(partLabel)
      return parts.length > 0 ? `${order} of ${parts.join(', ')}` : order
    }
    case 'attempted':
      return `attempt ${event.attempt} to ${event.target}, status ${event.status}${event.webhookId ? `, ${event.webhookId}` : ''}`
    case 'accepted':
      return `${event.target}${event.webhookId ? `, ${event.webhookId}` : ''}`
    case 'stopped':
    case 'drained':
      return `${event.contactsAfterPause} contacts and ${event.writesAfterPause} writes after the pause`
    case 'snoozed':
      return `until ${rfc3339(event.untilMs)}`
    case 'resumed':
      return event.recovery
    case 'part_resumed':
      return `${event.scope.map(partLabel).join(', ')} goes on; ${event.recovery}`
    case 'closed':
      return event.verdict
    case 'evidence_restarted':
      return event.restarts.map(({ trigger, alphaNext }) => `${trigger} goes on at alpha ${alphaNext}`).join(', ')
    default:
      return ''
  }
}

/** CSV as RFC 4180 has it; a cell that a spreadsheet would run as a formula begins with an apostrophe. */
export function auditCsv(rows: readonly AuditRow[]): string {
  const columns = Object.keys(EMPTY) as (keyof AuditRow)[]
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
    .map((cells) => cells.map((cell) => csvCell(String(cell))).join(','))
    .join('\r\n')
    .concat('\r\n')
}

const csvCell = (text: string): string => {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
