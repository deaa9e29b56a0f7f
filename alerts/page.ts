import type { Finding } from '../facts/finding.ts'
import { type DecisionReason, partLabel } from '../facts/incident.ts'
import { releaseLabelOf } from '../facts/slice.ts'
import type { Order } from './orders.ts'

/** Where people read on: the page's base address, if it has one. */
export type Links = Readonly<{ pageUrl?: string | undefined; runbook?: string | undefined }>

/** What a page must say at three in the morning; every format shows these parts and no others. */
export type Page = Readonly<{
  /** critical: something was ordered, or should have been and was held back. warning: people should look. */
  severity: 'critical' | 'warning'
  /** Who and what, in one line. */
  title: string
  /** How much, since when, where, how many contacts. */
  what: string
  /** The evidence, in the detector's words. */
  why: string
  /** What Andon ordered, or why it ordered nothing. */
  done: string
  /** What a person does next. */
  next: string
  /** An address, or a path in the documentation. */
  incident: string | undefined
  runbook: string
  /** All of it as one text. */
  summary: string
}>

/** In the project, and on the monitor's page (dashboards/documents.ts). */
const RUNBOOK = 'docs/runbooks/release-paused.md'

export function readOnOf(incidentId: string, links: Links): { incident: string | undefined; runbook: string } {
  const base = links.pageUrl?.replace(/\/$/, '')
  if (!base) return { incident: undefined, runbook: links.runbook ?? RUNBOOK }
  return { incident: `${base}/incidents/${incidentId}`, runbook: links.runbook ?? `${base}/${RUNBOOK}` }
}

/** The page of one order, as it stood at this escalation (0 = the first telling). Rests only on what is journaled. */
export function pageOf(order: Order, escalationNumber: number, links: Links): Page {
  const { finding, purpose, reason, incidentId } = order
  if (purpose === 'resume') return resumedPage(order, links)
  const because = escalationNumber === 0 ? null : (order.escalations[escalationNumber - 1]?.because ?? null)
  const { incident, runbook } = readOnOf(incidentId, links)
  const headline = headlineOf(order)
  const what = `${factOf(order)}${scopeText(order)}`
  const next = nextOf(purpose, reason, finding)
  const opening = because === null ? '' : `Still not stopped: ${because}. `
  if (reason === 'drill_failed') return { ...drillPage(finding, incident ?? runbook), incident, runbook }
  return {
    severity: purpose === 'notify' && finding.action === 'notify' ? 'warning' : 'critical',
    title: because === null ? headline : `Still not stopped: ${releaseLabelOf(finding.release)}`,
    what: `${opening}${what}`,
    why: order.person?.reason ?? finding.reason,
    done: doneOf(order),
    next,
    incident,
    runbook,
    summary: `${opening}${headline}: ${what} ${next} Read on: ${incident ?? runbook}`,
  }
}

/** A drill that failed is about Andon itself: until it is repaired, a release that goes bad may not be paused. */
function drillPage({ reason, release }: Finding, readOn: string): Omit<Page, 'incident' | 'runbook'> {
  const title = `Drill failed: Andon did not stop ${release.release} as it should`
  const what = 'A fault was injected into a release of its own, and the path from telemetry to pause did not hold.'
  const done = 'Nothing: no real release and no real target took part.'
  const next =
    'Next: find what is down or slow (/readyz, andon_drill metrics, logs), repair it, and run `andon drill` again.'
  return {
    severity: 'critical',
    title,
    what,
    why: reason,
    done,
    next,
    summary: `${title}: ${reason}. ${next} Read on: ${readOn}`,
  }
}

/** Which part is stopped, where it is not all of it. */
const scopeText = ({ scope }: Order): string =>
  scope.length === 0 ? '' : ` Only ${scope.map(partLabel).join(', ')}; the rest goes on.`

/** The end of a pause: nobody is to do anything but the platform. */
function resumedPage({ finding, scope, person, incidentId }: Order, links: Links): Page {
  const { incident, runbook } = readOnOf(incidentId, links)
  const parts = scope.length === 0 ? '' : `${scope.map(partLabel).join(', ')} of `
  const title = `Resuming ${parts}${releaseLabelOf(finding.release)}`
  const what = person ? `Ordered by ${person.by}.` : ''
  const why = person?.reason ?? ''
  const next = 'Next: check that it takes contacts again; its evidence starts anew.'
  return {
    severity: 'critical', // that of the alert which it ends
    title,
    what,
    why,
    done: 'Ordered: the release takes contacts again.',
    next,
    incident,
    runbook,
    summary: `${title}: ${what} ${why} ${next} Read on: ${incident ?? runbook}`,
  }
}

export const rateOf = ({ hits, trials }: Finding): number | null => (trials > 0 ? Math.min(1, hits / trials) : null)
const percent = (part: number): string => `${Number((part * 100).toPrecision(3))} %`

function factOf({ finding, person }: Order): string {
  if (person) return `Ordered by ${person.by}.`
  if (finding.by === 'person' || finding.by === 'silence') return `${finding.reason}.`
  const rate = rateOf(finding)
  const measured = `${finding.signal} ${rate === null ? 'without trials' : `${percent(rate)} (${finding.hits} of ${finding.trials} contacts)`}`
  const where =
    finding.channel === '' ? '' : `, strongest on ${[finding.channel, finding.queue].filter(Boolean).join(' / ')}`
  const since =
    finding.onsetMs === null
      ? ''
      : ` since about ${new Date(finding.onsetMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const exposed = `${finding.contactsExposed} contact${finding.contactsExposed === 1 ? '' : 's'} exposed`
  return `${measured} against a baseline of ${percent(finding.baseline)}${since}${where}, ${exposed}.`
}

function headlineOf({ purpose, reason, finding }: Order): string {
  const label = releaseLabelOf(finding.release)
  if (purpose === 'pause') return `Pausing ${label}`
  if (purpose === 'rollback') return `Rolling back ${label}`
  if (finding.by === 'silence') return `${label} fell silent`
  return finding.action === 'notify'
    ? `${label} breached a limit`
    : `${label} breached a limit, ${HELD_BACK[reason] ?? 'not paused'}`
}

/** Why a pause that the trigger orders was only told. */
const HELD_BACK: Readonly<Partial<Record<DecisionReason, string>>> = {
  observe_only: 'not paused: Andon runs in observe-only mode',
  pause_budget_exhausted: 'not paused: the pause budget is exhausted, several releases failed at once',
  unknown_release: 'not paused: its telemetry names no agent or no release',
}

function doneOf({ purpose, reason, finding }: Order): string {
  const where = finding.trafficGoesTo || 'where the trigger says'
  if (purpose === 'pause') return `Ordered: no new contact for this release, traffic goes to ${where}.`
  if (purpose === 'rollback') return `Ordered: back to the previous release, traffic goes to ${where}.`
  return finding.action === 'notify'
    ? 'Nothing: the trigger only tells people.'
    : `Nothing, ${HELD_BACK[reason] ?? 'not paused'}.`
}

function nextOf(purpose: Order['purpose'], reason: DecisionReason, { action, trafficGoesTo }: Finding): string {
  if (purpose === 'pause' || purpose === 'rollback')
    return `Next: check that new contacts go to ${trafficGoesTo || 'where the trigger says'} and that the release takes none.`
  if (reason === 'unknown_release')
    return 'Next: find the sender and stop it by hand; set gen_ai.agent.name and service.version.'
  if (reason === 'pause_budget_exhausted')
    return 'Next: look for a shared outage first; if it is this release, stop it by hand.'
  return action === 'notify' ? 'Next: decide whether to stop it.' : 'Next: decide whether to stop it by hand.'
}
