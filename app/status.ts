import { existsSync } from 'node:fs'
import type { Config } from '../config.ts'
import type { Incident } from '../facts/incident.ts'
import type { Overview, ReleaseView, TriggerView } from '../facts/overview.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { duration } from './duration.ts'
import { openExistingStore } from './existing-store.clickhouse.ts'
import { monitorUrlOf } from './running-monitor.http.ts'
import { runningOverview } from './running-overview.http.ts'
import type { Environment } from './secrets.ts'
import { storedOverview } from './stored-overview.clickhouse.ts'
import { printable, table } from './table.ts'

const WATCH_EVERY_MS = 2_000

/**
 * Prints releases, their signals and incidents: from the running monitor, else from the store as it was left. `watch` repeats as long
 * as a monitor runs. Throws AndonError `monitor` where neither is, or where the monitor does not answer.
 */
export async function status(options: {
  config: Config
  env: Environment
  json: boolean
  watch: boolean
}): Promise<void> {
  const { config, env, json, watch } = options
  for (;;) {
    const running = await runningOverview(config, env)
    const overview = running ?? (await fromStore(config, env))
    const source = running
      ? `monitor at ${monitorUrlOf(config, env)}`
      : `no monitor runs; store in ${config.store.path} as it was left`
    if (watch && process.stdout.isTTY) process.stdout.write('\u001b[H\u001b[2J')
    console.log(json ? JSON.stringify(overview, null, watch ? 0 : 2) : statusText(overview, source))
    if (!watch || !running) return
    await wallClock.sleep(WATCH_EVERY_MS)
  }
}

async function fromStore(config: Config, env: Environment): Promise<Overview> {
  const url = monitorUrlOf(config, env)
  if (!config.store.server && !existsSync(config.store.path))
    throw new AndonError(
      'monitor',
      `no monitor runs at ${url}, and there is no store in ${config.store.path}: start one with \`andon serve\`, or name the right place with --config or --store`,
    )
  try {
    const store = await openExistingStore(config, env)
    return await storedOverview(store, config).finally(() => store.close())
  } catch (error) {
    if (!(error instanceof AndonError) || error.code !== 'store_locked') throw error
    throw new AndonError(
      'monitor',
      `no monitor answers at ${url}, but another process holds the store in ${config.store.path}: is page.port the one it was started with?`,
      { cause: error },
    )
  }
}

const percent = (share: number | null): string =>
  share === null ? '–' : `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`
const when = (ms: number | null): string =>
  ms === null ? '–' : `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}Z`
const count = (n: number): string => n.toLocaleString('en-US')

const setAsideLine = (facts: number): string =>
  `Facts that cannot be counted and are set aside: ${count(facts)}. \`andon dead-letters\` lists and replays them.`

export function statusText(overview: Overview, source: string): string {
  const releases = [...overview.releases].sort((a, b) => (b.lastContactMs ?? 0) - (a.lastContactMs ?? 0))
  const now = overview.nowMs === 0 ? 'before the first event' : when(overview.nowMs)
  const clock = overview.clock === 'event' ? `${now} (event time)` : now
  const waiting = overview.waitingRows > 0 ? `, ${count(overview.waitingRows)} rows wait` : ''
  return [
    `${clock}  ${source}, batch ${count(overview.seq)}${waiting}`,
    '',
    ...(overview.setAside > 0 ? [setAsideLine(overview.setAside), ''] : []),
    releases.length === 0
      ? 'No contact was counted yet.'
      : table(
          ['agent', 'release', 'environment', 'state', 'contacts', 'identified', 'evidence', 'last contact'],
          releases.map(releaseRow),
        ),
    '',
    ...(releases.some((view) => view.triggers.length > 0)
      ? [
          table(
            [
              'release',
              'trigger',
              'rate',
              'limit',
              'hits',
              'trials',
              '95 % interval',
              'evidence',
              'finding',
              'compared with',
            ],
            releases.flatMap(triggerRows),
          ),
          '',
          ...releases.flatMap(warningLines),
        ]
      : []),
    overview.incidents.length === 0
      ? 'No incident.'
      : table(
          [
            'incident',
            'release',
            'trigger',
            'state',
            'why',
            'onset',
            'detected',
            'to detect',
            'to pause',
            'to stop',
            'to drain',
            'exposed',
            'after pause',
          ],
          overview.incidents.map(incidentRow),
        ),
  ].join('\n')
}

/** Evidence as the share of the way to the line at which a release is paused (or told). */
const evidence = (logE: number, logThreshold: number): string =>
  `${Math.max(0, Math.round((100 * logE) / logThreshold))} %`

function releaseRow(view: ReleaseView): string[] {
  const { agent, release, environment } = view.release
  return [
    agent || 'unknown',
    release || 'unknown',
    environment || '–',
    view.judged ? view.state : 'not judged',
    count(view.contacts),
    view.contacts > 0 ? percent(view.identified / view.contacts) : '–',
    view.judged ? evidence(view.logE, view.logThreshold) : '–',
    when(view.lastContactMs),
  ]
}

const triggerRows = (view: ReleaseView): string[][] =>
  view.triggers.map((trigger) =>
    triggerRow(`${view.release.agent || 'unknown'} ${view.release.release || 'unknown'}`, trigger),
  )

function triggerRow(release: string, trigger: TriggerView): string[] {
  const { low, high } = trigger
  return [
    release,
    trigger.trigger,
    percent(trigger.rate),
    percent(trigger.limit),
    count(trigger.hits),
    count(trigger.trials),
    low === null || high === null ? '–' : `${percent(low)} to ${percent(high)}`,
    evidence(trigger.logE, trigger.logThreshold),
    `${trigger.finding}${trigger.shadow ? ' (shadow)' : ''}`,
    comparedWith(trigger),
  ]
}

/** The baseline in few words; its reason is in the overview and in `andon explain`. */
const comparedWith = ({ baselineMode, baselineAgainst }: TriggerView): string =>
  ({
    concurrent: `${baselineAgainst}, at the same time`,
    previous: `${baselineAgainst}, before`,
    written: 'written rate',
    pooled: 'other queues',
    none: 'nothing yet',
  })[baselineMode ?? 'written']

/** What people should know of the baselines, once per release and trigger. */
const warningLines = (view: ReleaseView): string[] =>
  view.triggers.flatMap(({ trigger, warnings = [] }) =>
    warnings.map((warning) => printable(`  ! ${view.release.agent} ${view.release.release}, ${trigger}: ${warning}`)),
  )

/** Not yet: telemetry is still to be asked. Without it: the incident ended before anybody could count. */
const countOrUnknown = ({ state, contactsAfterPause }: Incident): string =>
  contactsAfterPause !== null ? count(contactsAfterPause) : state === 'paused' ? 'not known yet' : 'not known'

function incidentRow(incident: Incident): string[] {
  const { onsetMs, detectedMs, acceptedMs, stoppedMs, drainedMs } = incident.clock
  const between = (fromMs: number | null, toMs: number | null) =>
    duration(fromMs === null || toMs === null ? null : Math.max(0, toMs - fromMs))
  return [
    incident.incidentId.slice(0, 8),
    `${incident.release.agent} ${incident.release.release}`,
    incident.finding.trigger,
    incident.state,
    incident.reason,
    when(onsetMs),
    when(detectedMs),
    between(onsetMs, detectedMs),
    between(detectedMs, acceptedMs),
    between(acceptedMs, stoppedMs),
    between(acceptedMs, drainedMs),
    count(incident.finding.contactsExposed),
    acceptedMs === null ? '–' : countOrUnknown(incident),
  ]
}
