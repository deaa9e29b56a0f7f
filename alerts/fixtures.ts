import type { Finding } from '../facts/finding.ts'
import type { Incident, IncidentEvent } from '../facts/incident.ts'
import { manualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { createAlerter } from './alerter.ts'
import { type Journal, memoryJournal } from './journal.ts'
import type { Outcome, Post, PostRequest } from './post.http.ts'
import type { Puller } from './pull.ts'
import type { RestartEvidence } from './restarts.ts'
import { keyOf } from './sign.ts'
import { safetyConfig, safetyOf, type Target } from './targets.ts'
import type { ReleaseActivity } from './watch.ts'

/** What the tests of this room share: a finding, a target, and a small world on simulated time. */
export const START_MS = Date.UTC(2027, 0, 4, 10, 0, 0)
export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE

export const aFinding = (change: Partial<Finding> = {}): Finding => ({
  kind: 'breach',
  reason: 'log E 6.1 reached the pause line 4.61 after 1000 contacts',
  release: { environment: 'production', agent: 'order-status', release: 'r43' },
  trigger: 'failed_updates',
  triggerHash: 'hash-failed-updates',
  signal: 'failed_updates',
  action: 'pause',
  shadow: false,
  trafficGoesTo: 'the human queue',
  channel: 'whatsapp',
  queue: 'orders',
  trials: 1000,
  hits: 61,
  baseline: 0.02,
  logE: 6.1,
  logThreshold: Math.log(100),
  onsetMs: START_MS - 10 * MINUTE,
  onsetLowMs: START_MS - 14 * MINUTE,
  onsetHighMs: START_MS - 7 * MINUTE,
  firstHarmMs: START_MS - 9 * MINUTE,
  contactsExposed: 412,
  decidedAtMs: START_MS,
  acceptedAtMs: START_MS - 200,
  seq: 17,
  ...change,
})

export const aTarget = (change: Partial<Target> = {}): Target => ({
  name: 'platform',
  kind: 'webhook',
  url: 'http://platform.example/hooks',
  keys: [keyOf(SECRET)],
  token: '',
  enforces: true,
  escalation: false,
  allowPrivate: false,
  on: ['pause', 'rollback'],
  match: {},
  ...change,
})

export const aPager = (change: Partial<Target> = {}): Target =>
  aTarget({
    name: 'pager',
    url: 'http://pager.example/',
    enforces: false,
    on: ['pause', 'rollback', 'notify'],
    ...change,
  })

export const defaultSafety = safetyOf(safetyConfig.parse({}))

/** Quiet, proven and alive: a release that stopped the moment it was told to. */
export const quietActivity = (nowMs: number): ReleaseActivity => ({
  lastContactStartedAtMs: START_MS - SECOND,
  lastSpanEndedAtMs: START_MS - SECOND,
  contactsAfterPause: 0,
  writesAfterPause: 0,
  gapP99Ms: 2 * SECOND,
  otherInputAtMs: nowMs,
})

export type Received = Readonly<{ target: string; atMs: number; id: string; body: string; request: PostRequest }>
/** What a receiver does with a webhook: a status, or an outcome without an answer. */
export type Answer = number | Exclude<Outcome, 'delivered'> | Readonly<{ status: number; retryAfterMs: number }>

/** Receivers, journal, telemetry and an alerter on one simulated clock. Answers are used up in order, the last one stays. */
export function createWorld(
  options: Readonly<{
    targets?: readonly Target[]
    pullers?: readonly Puller[]
    safety?: Partial<typeof defaultSafety>
    lines?: IncidentEvent[]
    startMs?: number
    mode?: 'live' | 'replay'
    wrapJournal?: (journal: Journal) => Journal
    wrapPost?: (post: Post) => Post
    restartEvidence?: RestartEvidence
  }> = {},
) {
  const clock = manualClock(options.startMs ?? START_MS)
  const targets = options.targets ?? [aTarget()]
  const lines = options.lines ?? []
  const received: Received[] = []
  const told: [Incident, IncidentEvent][] = []
  const kept: Incident[] = []
  const restarted: string[] = []
  const answers = new Map<string, Answer[]>()
  let activity: (nowMs: number, sinceMs: number, agent: string) => ReleaseActivity = quietActivity

  const post: Post = async (request) => {
    const target = targets.find(({ url }) => url === request.url)?.name ?? '?'
    received.push({ target, atMs: clock.nowMs(), id: request.headers['webhook-id'] ?? '', body: request.body, request })
    const queue = answers.get(target) ?? [200]
    const answer = (queue.length > 1 ? queue.shift() : queue[0]) ?? 200
    if (typeof answer === 'string') return { outcome: answer, status: 0, retryAfterMs: 0, elapsedMs: 0 }
    const { status, retryAfterMs } = typeof answer === 'number' ? { status: answer, retryAfterMs: 0 } : answer
    const outcome: Outcome =
      status < 300 ? 'delivered' : status === 410 ? 'gone' : status < 500 ? 'client_error' : 'server_error'
    return { outcome, status, retryAfterMs, elapsedMs: 0 }
  }
  const journal = memoryJournal(lines)
  const alerter = createAlerter({
    targets,
    pullers: options.pullers ?? [],
    safety: { ...defaultSafety, ...options.safety },
    journal: options.wrapJournal?.(journal) ?? journal,
    post: options.wrapPost?.(post) ?? post,
    lastContactOf: ({ agent }) => activity(clock.nowMs(), clock.nowMs(), agent).lastContactStartedAtMs,
    activityOf: async (release, sinceMs) => activity(clock.nowMs(), sinceMs, release.agent),
    restartEvidence:
      options.restartEvidence ??
      (async ({ release }, trigger) => {
        restarted.push(`${release} ${trigger}`)
        return { trigger, overrides: 1, alphaSpent: 0.01, alphaNext: 0.005 }
      }),
    clock,
    log: silentLog,
    mode: options.mode ?? 'live',
    keepCounts: async (incident) => {
      kept.push(incident)
    },
    onEvent: (incident, line) => told.push([incident, line]),
  })

  return {
    clock,
    alerter,
    lines,
    received,
    told,
    kept,
    restarted,
    answers: (target: string, ...given: Answer[]) => answers.set(target, given),
    telemetry: (next: typeof activity) => {
      activity = next
    },
    /** Lets simulated time pass, with a tick each second; a tick that fails is tried again, as the loop in `serve` does. */
    run: async (ms: number) => {
      const untilMs = clock.nowMs() + ms
      await drainMicrotasks() // what takes no time happens before time passes
      while (clock.nowMs() < untilMs) {
        await clock.advance(Math.min(SECOND, untilMs - clock.nowMs()))
        await alerter.tick().catch(() => {})
        await drainMicrotasks()
      }
    },
    incident: () => alerter.incidents()[0],
    types: () => lines.map(({ event }) => event.type),
  }
}

/** Lets everything that waits only for promises go on. */
export const drainMicrotasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
