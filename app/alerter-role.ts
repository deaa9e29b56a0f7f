import type { ClickHouseClient } from '@clickhouse/client'
import { createAlerter } from '../alerts/alerter.ts'
import { createClockMetrics } from '../alerts/clock-metrics.ts'
import { createIncidentMetrics } from '../alerts/incident-metrics.ts'
import { clickhouseJournal } from '../alerts/journal.clickhouse.ts'
import type { Journal } from '../alerts/journal.ts'
import { createPost, type Post } from '../alerts/post.http.ts'
import type { Heard } from '../alerts/pull.ts'
import { resolveTargets, safetyOf } from '../alerts/targets.ts'
import { type LeadOptions, partitionKey, type Term } from '../bus/bus.ts'
import { isDrill } from '../facts/drill.ts'
import type { Finding } from '../facts/finding.ts'
import type { Incident } from '../facts/incident.ts'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { followActivity, lastContactIn } from './activity.clickhouse.ts'
import { untilMigrated } from './detector-role.ts'
import { alerterGroup } from './elsewhere.ts'
import { createOperations } from './operations.ts'
import { keepPauseCounts } from './pause-counts.clickhouse.ts'
import { readOn } from './read-on.ts'
import { followRecovery, recoveryOf } from './recovery.ts'
import { followReleaseFile } from './release-file.ts'
import { createReleaseMetrics } from './release-metrics.ts'
import { askOverBus, isAnswer, type RestartAnswer } from './restart-over-bus.ts'
import type { Shared } from './roles.ts'
import { saidIn } from './said.ts'
import { readSecret } from './secrets.ts'
import { followSilence } from './silence.ts'
import { storedOverview } from './stored-overview.clickhouse.ts'

const TICK_MS = 1_000
const MAX_BYTES = 1 << 20

/** The active alerter reads findings, journals, sends and verifies. A successor reads the journal and goes on under the same ids. */
export function leadAlerter(shared: Shared): LeadOptions {
  const { config, kafka, env, bus, store, metrics, active, instance, drills, pageUrl, log } = shared
  let incidents: () => Incident[] = () => []
  const watched = { registry: metrics.registry, incidents: () => incidents() }
  const clockMetrics = createClockMetrics(watched)
  createIncidentMetrics(watched)
  createReleaseMetrics({
    metrics: metrics.registry,
    releases: async () => active.alerting?.operations.registry.list() ?? [],
    log,
  })
  return {
    group: alerterGroup(kafka),
    name: instance,
    topics: [kafka.topics.findings, kafka.topics.answers],
    run: async (term) => {
      await untilMigrated(store, term)
      const lost = new AbortController()
      const signal = AbortSignal.any([term.signal, lost.signal])
      const journal = heldBy(clickhouseJournal(store), store, term, lost)
      const evidence = askOverBus(
        (request) => bus.send(kafka.topics.requests, [{ value: Buffer.from(JSON.stringify(request)) }]),
        signal,
      )
      const alerter = createAlerter({
        targets: await resolveTargets(config.targets, (ref) => readSecret(ref, env)),
        safety: safetyOf(config.safety),
        pullers: config.stopSwitch.enforcedBy,
        journal,
        post: whileCurrent(createPost({ clock: wallClock }), term),
        lastContactOf: (release) => lastContactIn(store, release),
        activityOf: followActivity(store, wallClock),
        keepCounts: keepPauseCounts(store),
        restartEvidence: evidence.restartEvidence,
        clock: wallClock,
        log,
        links: { pageUrl: config.links.page ?? pageUrl, runbook: config.links.runbook },
        onEvent: clockMetrics.observe,
      })
      await alerter.resume()
      incidents = alerter.incidents
      const recovery = recoveryOf(store, config, wallClock)
      const views = async () => (await storedOverview(store, config, wallClock.nowMs())).releases
      const operations = createOperations({ store, config, clock: wallClock, alerter, journal, recovery, views })
      active.alerting = { alerter, operations, signal }
      const following = Promise.all([
        followRecovery({ recovery, alerter, log, signal }),
        followSilence({ releases: views, handle: alerter.handle, log, signal }),
        config.releases.file &&
          followReleaseFile({ path: config.releases.file, registry: operations.registry, log, signal }),
        drills?.follow(signal),
      ])
      const take = async (said: Finding | RestartAnswer) => {
        if (isAnswer(said)) evidence.hear(said)
        else if (isDrill(said.release)) await drills?.take(said)
        else await alerter.handle(said)
      }
      try {
        await readOn(term, { topics: [kafka.topics.findings, kafka.topics.answers], onLost: metrics.lost, log })
        let tickedMs = 0
        while (term.isCurrent() && !lost.signal.aborted) {
          for (const record of await term.poll({ maxBytes: MAX_BYTES, waitMs: TICK_MS })) {
            const said = saidIn<Heard | Finding | RestartAnswer>(record, log)
            if (said && record.topic === kafka.topics.answers) await alerter.hear(said as Heard)
            else if (said) await take(said as Finding | RestartAnswer)
            await term.commit({ [partitionKey(record.topic, record.partition)]: record.offset + 1 })
          }
          if (wallClock.nowMs() - tickedMs < TICK_MS) continue
          tickedMs = wallClock.nowMs()
          await alerter.tick()
        }
      } finally {
        active.alerting = null
        lost.abort()
        await following
        await drills?.idle()
        await alerter.close()
      }
    },
  }
}

/**
 * A journal with one writer: a line counts only when it is the first of its version, read back. An alerter that was replaced and does
 * not know it yet learns it here, before anything follows from its line.
 */
function heldBy(journal: Journal, store: ClickHouseClient, term: Term, lost: AbortController): Journal {
  return {
    load: journal.load,
    append: async (line) => {
      if (!term.isCurrent()) throw replaced()
      await journal.append(line)
      const [first] = await rowsOf<{ body: string }>(
        store,
        'SELECT body FROM incident_events WHERE incident_id = {id:String} AND version = {version:UInt32} ORDER BY inserted_at, at_ms LIMIT 1',
        { id: line.incidentId, version: line.version },
      )
      if (first?.body === JSON.stringify(line.event)) return
      lost.abort()
      throw replaced()
    },
  }
}

const replaced = () => new AndonError('superseded', 'another alerter is active by now', { retryable: true })

/** Sends nothing once another alerter may be active: that one sends the same, under the same id. */
const whileCurrent =
  (post: Post, term: Term): Post =>
  (...args) => {
    if (!term.isCurrent()) throw replaced()
    return post(...args)
  }
