import type { IncidentClock } from '../facts/incident.ts'
import type { Overview, ReleaseView } from '../facts/overview.ts'
import type { Progress } from '../simulator/emit.ts'
import type { Conclusion } from './demo.ts'
import { duration } from './duration.ts'
import { table } from './table.ts'

export type Screen = Readonly<{
  paint: (overview: Overview, progress: Progress) => void
  conclude: (conclusion: Conclusion) => void
  say: (text: string) => void
  close: () => void
}>

const percent = (share: number | null): string => (share === null ? '–' : `${(share * 100).toFixed(1)} %`)

const when = (ms: number | null): string =>
  ms === null ? '–' : new Date(ms).toISOString().slice(0, 16).replace('T', ' ')

/** What an SRE would want to see while it runs: a live screen on a terminal, lines elsewhere. */
export function createScreen(options: {
  plain: boolean
  pageUrl: string
  receiverUrl: string
  startMs: number
  endMs: number
}): Screen {
  const out = (text: string) => process.stdout.write(text)
  const told = new Set<string>()
  let painted = 0
  let day = -1

  out(
    [
      'Andon demo: three agents of a contact centre (WhatsApp order status, voice collections, CRM data hygiene) send real OTLP',
      `to ${options.receiverUrl}; a fortnight of their work passes in about a minute. Live page: ${options.pageUrl}`,
      'Times below are EVENT time, which runs thousands of times faster than your clock; only "monitor delay" is wall time.',
      '',
      '',
    ].join('\n'),
  )

  const clear = () => {
    if (painted > 0) out(`\u001b[${painted}A\u001b[0J`)
    painted = 0
  }
  const frame = (text: string) => {
    clear()
    out(`${text}\n`)
    painted = text.split('\n').length
  }
  return {
    paint: (overview, progress) => {
      const news = newsOf(overview, told)
      if (!options.plain) {
        clear()
        for (const line of news) out(`${line}\n`)
        frame(frameOf(overview, progress, options))
        return
      }
      for (const line of news) out(`${line}\n`)
      const today = Math.floor((progress.eventMs - options.startMs) / 86_400_000)
      if (today > day && today < DAYS) {
        day = today
        out(
          `day ${String(today + 1).padStart(2)} of ${DAYS}  ${when(progress.eventMs)}  ${progress.contacts} contacts, ${progress.spans} spans, ${progress.outcomes} complaints\n`,
        )
      }
    },
    conclude: (conclusion) => {
      painted = 0
      out(`\n${conclusionOf(conclusion)}\n`)
    },
    say: (text) => out(`${text}\n`),
    close: () => {},
  }
}

/** Incidents that changed state since the last look, one line each. */
function newsOf(overview: Overview, told: Set<string>): string[] {
  const lines: string[] = []
  for (const incident of [...overview.incidents].reverse()) {
    const key = `${incident.incidentId}${incident.state}`
    if (told.has(key)) continue
    told.add(key)
    const { agent, release } = incident.release
    lines.push(
      `${when(incident.clock.detectedMs)}  ${agent} ${release}: ${incident.finding.signal.replaceAll('_', ' ')} → ${incident.state}${incident.state === 'observed' ? ` (${incident.reason})` : ''}`,
    )
  }
  return lines
}

const DAYS = 14
const BAR = 10
const bar = (share: number): string => {
  const full = Math.max(0, Math.min(BAR, Math.round(share * BAR)))
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`
}

function frameOf(
  overview: Overview,
  progress: Progress,
  { startMs, endMs }: { startMs: number; endMs: number },
): string {
  const done = (progress.eventMs - startMs) / (endMs - startMs)
  const releases = [...overview.releases]
    .filter((view) => view.judged)
    .sort((a, b) => (b.firstContactMs ?? 0) - (a.firstContactMs ?? 0))
  const signals = releases[0]?.triggers.map((trigger) => trigger.title) ?? []
  const rows = releases.map((view) => [
    view.release.agent,
    view.release.release,
    view.state,
    String(view.contacts),
    ...signals.map((title) => figure(view, title)),
    `${bar(view.logE / view.logThreshold)} ${Math.max(0, Math.round((100 * view.logE) / view.logThreshold))} %`,
  ])
  return [
    `${when(progress.eventMs)}  ${bar(done)} ${Math.round(done * 100)} %   ${progress.contacts} contacts  ${progress.spans} spans  ${progress.outcomes} complaints  ${progress.toPeople} to people${progress.behindMs > 0 ? `  (${duration(progress.behindMs)} behind)` : ''}`,
    '',
    table(['agent', 'release', 'state', 'contacts', ...signals, 'evidence to the pause line'], rows),
  ].join('\n')
}

function figure(view: ReleaseView, title: string): string {
  const trigger = view.triggers.find((candidate) => candidate.title === title)
  return trigger && trigger.trials > 0 ? `${percent(trigger.rate)} of ${trigger.trials}` : '–'
}

function conclusionOf({ overview, pauses, truth, mistakes }: Conclusion): string {
  const rows = pauses.map(({ pause, incident, monitorDelayMs }) => {
    const clock: IncidentClock | null = incident?.clock ?? null
    const bad = truth.bad.find((release) => release.agent === pause.agent && release.release === pause.release)
    const since = (from: number | null | undefined, to: number | null | undefined) =>
      from === null || from === undefined || to === null || to === undefined ? null : to - from
    return [
      `${pause.agent} ${pause.release}`,
      incident?.finding.signal.replaceAll('_', ' ') ?? '–',
      bad ? when(bad.onsetMs) : 'healthy',
      when(clock?.onsetMs ?? null),
      duration(since(bad?.onsetMs, clock?.detectedMs)),
      String(incident?.finding.contactsExposed ?? '–'),
      duration(since(clock?.detectedMs, clock?.acceptedMs)),
      duration(since(clock?.acceptedMs, clock?.stoppedMs)),
      duration(since(clock?.acceptedMs, clock?.drainedMs)),
      String(incident?.contactsAfterPause ?? '–'),
      duration(monitorDelayMs),
    ]
  })
  const head = [
    'paused release',
    'signal',
    'went bad',
    'onset (estimate)',
    'to detect',
    'exposed',
    'to pause',
    'to stop',
    'to drain',
    'contacts after',
    'monitor delay (wall)',
  ]
  const healthy = overview.releases.filter((view) => view.judged && view.state === 'live').length
  return [
    'The clock of every incident (event time; the last column is wall time from the tipping telemetry to the pause obeyed):',
    '',
    rows.length === 0 ? 'Nothing was paused.' : table(head, rows),
    '',
    mistakes.length === 0
      ? `Exactly the ${truth.bad.length} releases that went bad were paused; ${healthy} healthy releases were left alone.`
      : mistakes.map((mistake) => `WRONG: ${mistake}`).join('\n'),
  ].join('\n')
}
