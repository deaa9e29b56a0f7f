import { type Finding, UNMEASURED_BREACH } from '../facts/finding.ts'
import type { ReleaseView } from '../facts/overview.ts'
import { wallClock } from '../lib/clock.ts'
import { idOf } from '../lib/hash.ts'
import type { Log } from '../lib/log.ts'

/** A release is silent after this many of its usual gaps between contacts, and never before half an hour. */
const GAPS = 20
const SHORTEST_MS = 30 * 60_000
const HOUR_MS = 3_600_000
/** Fewer contacts in a day than this say nothing about a usual gap. */
const FEWEST_CONTACTS = 24

/**
 * A broken release may just fall silent: when a judged, live release has had no contact for far longer than usual, none of its findings may be
 * read as good news any more. Pure.
 * @returns the view with findings `no_data` and the reason, or the view as it is
 */
export function withSilence(view: ReleaseView, nowMs: number): ReleaseView {
  const silentMs = silenceOf(view, nowMs)
  if (silentMs === null) return view
  const { perDay, ms } = silentMs
  const reason = `no contact for ${(ms / HOUR_MS).toFixed(1)} h, where ${perDay} came in the day before: the release, or its telemetry, has fallen silent`
  return {
    ...view,
    triggers: view.triggers.map((trigger) =>
      trigger.finding === 'breach' ? trigger : { ...trigger, finding: 'no_data', reason },
    ),
  }
}

/** How long a release has been silent beyond the usual, null when it is not. */
export function silenceOf(
  view: ReleaseView,
  nowMs: number,
  sinceMs = -Infinity,
): { ms: number; perDay: number } | null {
  if (!view.judged || view.state !== 'live' || view.lastContactMs === null) return null
  const perDay = view.contactsPerHour.reduce((sum, n) => sum + n, 0)
  if (perDay < FEWEST_CONTACTS) return null
  const busyHours = view.contactsPerHour.filter((n) => n > 0).length
  const usualGapMs = (busyHours * HOUR_MS) / perDay
  const ms = nowMs - Math.max(view.lastContactMs, sinceMs)
  return ms > Math.max(SHORTEST_MS, GAPS * usualGapMs) ? { ms, perDay } : null
}

/**
 * Whom to tell people about: per agent the release that took its latest contact, when that one fell silent. A release whose traffic went to
 * another release of the agent is no news. When every agent fell silent at once it is one piece of news, about the busiest. Pure; the same
 * silence gives the same finding, however often it is asked.
 * @param sinceMs start of the monitor: what came while nobody listened is no silence
 */
export function silentFindings(views: readonly ReleaseView[], nowMs: number, sinceMs: number): Finding[] {
  const judged = views.filter((view) => view.judged && view.lastContactMs !== null)
  const byAgent = Map.groupBy(judged, ({ release }) => JSON.stringify([release.environment, release.agent]))
  const latest = [...byAgent.values()].map((all) =>
    all.reduce((last, view) => (view.lastContactMs! > last.lastContactMs! ? view : last)),
  )
  const silent = latest
    .flatMap((view) => {
      const silence = silenceOf(view, nowMs, sinceMs)
      return silence ? [{ view, ...silence }] : []
    })
    .sort((a, b) => b.perDay - a.perDay)
  const isEverybody = silent.length > 1 && silent.length === latest.length
  return (isEverybody ? silent.slice(0, 1) : silent).map(({ view, ms, perDay }) => {
    const others = isEverybody
      ? `; so have the ${silent.length - 1} other agents, so look at the telemetry pipeline first`
      : ''
    const reason = `No contact for ${(ms / HOUR_MS).toFixed(1)} h, where ${perDay} came in the day before: the release, or its telemetry, has fallen silent${others}`
    return silenceFinding(view, reason, nowMs)
  })
}

function silenceFinding({ release, lastContactMs }: ReleaseView, reason: string, nowMs: number): Finding {
  return {
    ...UNMEASURED_BREACH,
    by: 'silence',
    reason,
    release,
    trigger: 'silence',
    triggerHash: idOf('silence', String(lastContactMs)),
    signal: 'silence',
    onsetMs: lastContactMs,
    decidedAtMs: nowMs,
    acceptedAtMs: lastContactMs ?? nowMs,
  }
}

const LOOK_EVERY_MS = 60_000

/** Tells people of silence as long as the monitor runs: an incident that orders nothing, once per silence. */
export async function followSilence(edges: {
  releases: () => Promise<readonly ReleaseView[]>
  handle: (finding: Finding) => Promise<unknown>
  log: Log
  signal: AbortSignal
}): Promise<void> {
  const { releases, handle, log, signal } = edges
  const sinceMs = wallClock.nowMs()
  while (!signal.aborted) {
    await wallClock.sleep(LOOK_EVERY_MS, signal)
    if (signal.aborted) return
    try {
      for (const finding of silentFindings(await releases(), wallClock.nowMs(), sinceMs)) await handle(finding)
    } catch (error) {
      log.error({ err: (error as Error).message }, 'silence could not be looked for; trying again')
    }
  }
}
