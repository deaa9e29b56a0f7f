import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Alerter } from '../alerts/alerter.ts'
import type { Heard } from '../alerts/pull.ts'
import type { Bus, LeadOptions, Membership } from '../bus/bus.ts'
import type { KafkaConfig } from '../bus/config.ts'
import { createNamer, type Namer } from '../collector/name-span.ts'
import { createPseudonymizer } from '../collector/pseudonym.ts'
import { type Receiver, startReceiver } from '../collector/receive.http.ts'
import type { Config } from '../config.ts'
import { startPage } from '../dashboards/serve.http.ts'
import type { Incident } from '../facts/incident.ts'
import type { Overview } from '../facts/overview.ts'
import { wallClock } from '../lib/clock.ts'
import { type Closer, closeAll } from '../lib/close-all.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { connectStore, isMigrated } from '../store/store.clickhouse.ts'
import { leadAlerter } from './alerter-role.ts'
import { leadDetector } from './detector-role.ts'
import { accessOf, apiOf, ingestOf } from './doors.ts'
import { type DrillRuns, drillsFrom } from './drill-role.ts'
import { elsewhere } from './elsewhere.ts'
import { explainer } from './explain.ts'
import { heartbeat, heartbeatUrl } from './heartbeat.ts'
import { createLastAcceptedMetric } from './last-accepted.clickhouse.ts'
import { busOf, ensureTopics, storeOptionsOf } from './open.ts'
import type { Operations } from './operations.ts'
import { leadPipeline, shareLanes } from './pipeline-role.ts'
import { storedRecoveryApi } from './recovery-api.ts'
import { createRoleMetrics, type RoleMetrics } from './role-metrics.ts'
import { type Environment, identitySecret } from './secrets.ts'
import { listenToAnswers } from './stop-switch.ts'
import { storedIncidents, storedOverview } from './stored-overview.clickhouse.ts'
import { createStuckBatches, type StuckBatches } from './stuck.clickhouse.ts'
import { recordsOf } from './telemetry-records.ts'

export const ROLES = ['collector', 'pipeline', 'detector', 'alerter'] as const
export type Role = (typeof ROLES)[number]

/** An active alerter: what people do through it, for as long as its term lasts. */
export type Alerting = Readonly<{ alerter: Alerter; operations: Operations; signal: AbortSignal }>

/** What the roles of one process share. */
export type Shared = Readonly<{
  config: Config
  kafka: KafkaConfig
  env: Environment
  log: Log
  bus: Bus
  /** Absent in a process that only collects. */
  store: ClickHouseClient
  namer: Namer
  metrics: RoleMetrics
  pageUrl: string | undefined
  /** What is active in this process at present. */
  active: { alerting: Alerting | null }
  /** What this process is called where others ask who leads. */
  instance: string
  /** Why this process cannot do what only the active alerter can, and who can. */
  elsewhere: () => Promise<AndonError>
  /** Drills that this process runs while its alerter is active; null where it has none, or nowhere to send them. */
  drills: DrillRuns | null
}>

export type RunningRoles = Readonly<{ receiverUrl: string | null; pageUrl: string; close: () => Promise<void> }>

const AGAIN_MS = 1_000

/**
 * Runs roles over Kafka: collectors write what they receive, one pipeline of all counts it, one detector judges, one alerter acts. Topics and
 * tables join them, so each may run in a process of its own, in any number; who stands by takes over.
 */
export async function startRoles(options: {
  config: Config
  env: Environment
  log: Log
  roles: readonly Role[]
  /** Ends a start that is still waiting: it rejects. */
  signal?: AbortSignal
}): Promise<RunningRoles> {
  const { config, env, log, roles } = options
  const { kafka } = config
  checkRoles(config, roles)
  const bus = busOf(kafka!, env, log)
  const onlyCollects = roles.every((role) => role === 'collector')
  const store = onlyCollects ? null : connectStore(storeOptionsOf(config, env))
  const stopping = new AbortController()
  const closers: Closer[] = [
    { what: 'the store', close: async () => store?.close() },
    { what: 'the bus', close: bus.close },
    { what: 'what waits', close: () => stopping.abort() },
  ]
  options.signal?.addEventListener('abort', () => stopping.abort(), { once: true })
  try {
    await untilItWorks('the topics are not there yet', () => ensureTopics(bus, kafka!), log, stopping.signal)
    const members = new Map<string, Membership>()
    const groups = { pipeline: `${kafka!.groupPrefix}-pipeline`, lanes: `${kafka!.groupPrefix}-lanes` }
    const stuckBatches = createStuckBatches(store!)
    const health = () => healthOf(store, members, stuckBatches)
    const isReady = async () => (await health()).ready
    const metrics = createRoleMetrics({ members: () => members, ...groups, ready: isReady })
    if (store) createLastAcceptedMetric({ registry: metrics.registry, store, log })
    const host = config.page.host.includes(':') ? `[${config.page.host}]` : config.page.host
    const active: Shared['active'] = { alerting: null }
    const { port } = config.page
    const instance = port === 0 ? `${hostname()} (process ${process.pid})` : `${hostname()}:${port}`
    const namer = createNamer(
      config.names,
      createPseudonymizer({
        // A collector only looks whether a request can be read; the pseudonyms are made where it is counted.
        secret: onlyCollects
          ? randomBytes(32).toString('hex')
          : identitySecret(config.store.path, config.identity.secret, env),
        keyVersion: config.identity.keyVersion,
        conversations: config.identity.conversations,
      }),
    )
    const receiver = roles.includes('collector')
      ? await collect({ config, kafka: kafka!, env, bus, namer, metrics, log })
      : null
    if (receiver) closers.push({ what: 'the receiver', close: receiver.close })
    const own: Omit<Shared, 'drills'> = {
      config,
      kafka: kafka!,
      env,
      log,
      bus,
      store: store!,
      namer,
      metrics,
      active,
      instance,
      elsewhere: elsewhere(bus, kafka!, instance, wallClock),
      pageUrl: config.page.port === 0 ? undefined : `http://${host}:${config.page.port}`,
    }
    const shared: Shared = { ...own, drills: roles.includes('alerter') ? drillsFrom(own, receiver) : null }
    const tables = store && roles.some((role) => role === 'detector' || role === 'alerter') ? store : null
    for (const { group, join } of groupsOf(roles, shared, stuckBatches)) {
      const membership = await untilItWorks(`${group} cannot be joined yet`, join, log, stopping.signal)
      members.set(group, membership)
      closers.push({ what: `the group ${group}`, close: membership.close })
    }
    const overview = async () =>
      tables && (await isMigrated(tables)) ? storedOverview(tables, config, wallClock.nowMs()) : EMPTY_OVERVIEW()
    const access = accessOf(config, env)
    const page = await startPage({
      listen: config.page,
      access,
      api: apiOf({
        registry: metrics.registry,
        config,
        access,
        log,
        overview,
        incidents: incidentsOf(tables),
        onAnswer: listenToAnswers({
          pullers: config.stopSwitch.enforcedBy,
          hear: hearOver(shared),
          clock: wallClock,
          log,
        }),
        ...(tables && { recovery: storedRecoveryApi(tables, config, log, shared.drills), explain: explainer(tables) }),
        people: whereActive(shared),
      }),
      overview,
      metrics: async () => ({ contentType: metrics.registry.contentType, body: await metrics.registry.metrics() }),
      health,
      ...(receiver && { collectorUrl: receiver.url }),
      runbook: config.links.runbook,
      clock: wallClock,
      log,
    })
    closers.push({ what: 'the page', close: page.close })
    const beating = heartbeat({
      url: heartbeatUrl(config, env),
      config,
      log,
      registry: metrics.registry,
      isHealthy: isReady,
      signal: stopping.signal,
    })
    closers.push({
      what: 'the heartbeat',
      close: () => {
        stopping.abort()
        return beating
      },
    })
    return { receiverUrl: receiver?.url ?? null, pageUrl: page.url, close: () => closeAll(closers) }
  } catch (error) {
    await closeAll(closers).catch((err) => log.error({ err }, 'what was begun did not end'))
    throw error
  }
}

/** Throws AndonError `config` for roles that this configuration cannot run. */
function checkRoles(config: Config, roles: readonly Role[]): void {
  if (!config.kafka)
    throw new AndonError('config', 'roles speak over Kafka: name its brokers, as in kafka: { brokers: [kafka:9092] }')
  const alone = ROLES.every((role) => roles.includes(role))
  if (!alone && !config.store.server && roles.some((role) => role !== 'collector'))
    throw new AndonError(
      'config',
      'roles in processes of their own share one ClickHouse server: set store.server.url (the embedded store has one process)',
    )
}

/** What people do goes through the active alerter: its process obeys, every other one says which one it is. */
function whereActive({ active, elsewhere }: Pick<Shared, 'active' | 'elsewhere'>): Operations {
  const here = async (): Promise<Operations> => {
    if (active.alerting) return active.alerting.operations
    throw await elsewhere()
  }
  return {
    operate: async (operation) => (await here()).operate(operation),
    gate: async (name, stage) => (await here()).gate(name, stage),
    audit: async () => (await here()).audit(),
    registry: {
      list: async () => (await here()).registry.list(),
      find: async (name) => (await here()).registry.find(name),
      register: async (...given) => (await here()).registry.register(...given),
      retire: async (...given) => (await here()).registry.retire(...given),
    },
  }
}

type Joining = Readonly<{ group: string; join: () => Promise<Membership> }>

/** The groups that roles take part in. Lanes come before who fills them, and leave after it. */
function groupsOf(roles: readonly Role[], shared: Shared, { watched }: StuckBatches): Joining[] {
  const { bus, kafka, metrics } = shared
  const noting = (lead: LeadOptions): LeadOptions => ({ ...lead, run: watched(lead.run) })
  const led = [
    ...(roles.includes('pipeline') ? [noting(leadPipeline(shared))] : []),
    ...(roles.includes('detector') ? [leadDetector(shared)] : []),
    ...(roles.includes('alerter') ? [leadAlerter(shared)] : []),
  ].map((lead) => ({
    group: lead.group,
    join: () => bus.lead({ ...lead, run: metrics.countFailures(lead.group, lead.run) }),
  }))
  if (!roles.includes('pipeline') || kafka.lanes === 1) return led
  const lanes = shareLanes(shared)
  const run = metrics.countFailures(lanes.group, watched(lanes.run))
  return [{ group: lanes.group, join: () => bus.share({ ...lanes, run }) }, ...led]
}

/** Receives OTLP and answers 200 once Kafka holds it on all replicas in sync. */
const collect = ({
  config,
  kafka,
  env,
  bus,
  namer,
  metrics,
  log,
}: Pick<Shared, 'config' | 'kafka' | 'env' | 'bus' | 'namer' | 'metrics' | 'log'>): Promise<Receiver> =>
  startReceiver({
    listen: config.receive,
    token: ingestOf(config, env).token,
    refuses: ingestOf(config, env).refuses,
    accept: async (_, raw) => {
      const { topic, records } = recordsOf(kafka.topics, raw)
      await bus.send(topic, records)
    },
    namer,
    clock: wallClock,
    log,
    count: metrics.rejected,
  })

/** A process may start before what it stands on: brokers, topics, tables. */
async function untilItWorks<T>(what: string, work: () => Promise<T>, log: Log, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const known = error instanceof AndonError && error.retryable
      if (!known || signal.aborted) throw error
      log.warn({ err: error.message }, `${what}; trying again`)
      await wallClock.sleep(AGAIN_MS, signal)
    }
  }
}

/** How long incidents are answered from before the tables are read again. */
const INCIDENTS_FRESH_MS = 1_000

/** What the stop switch reads where another process holds the incidents. A process without tables does not know, and must not say "serving". */
function incidentsOf(store: ClickHouseClient | null): () => Promise<readonly Incident[]> {
  let seen: { atMs: number; incidents: Promise<readonly Incident[]> } | null = null
  return () => {
    if (store === null)
      throw new AndonError('unavailable', 'this process only collects; ask one that detects or alerts', {
        retryable: true,
      })
    const nowMs = wallClock.nowMs()
    if (seen !== null && nowMs - seen.atMs < INCIDENTS_FRESH_MS) return seen.incidents
    const incidents = presentIncidents(store).catch((cause) => {
      throw new AndonError('unavailable', 'the incidents cannot be read at the moment', { retryable: true, cause })
    })
    seen = { atMs: nowMs, incidents }
    return incidents
  }
}

const presentIncidents = async (store: ClickHouseClient): Promise<readonly Incident[]> =>
  (await isMigrated(store)) ? storedIncidents(store) : []

/** Whichever process answers, the active alerter is told: only it may journal what the answer proves. */
const hearOver =
  ({ bus, kafka }: Shared) =>
  (heard: Heard): Promise<void> =>
    bus.send(kafka.topics.answers, [{ value: Buffer.from(JSON.stringify(heard)) }])

const EMPTY_OVERVIEW = (): Overview => ({
  clock: 'wall',
  nowMs: wallClock.nowMs(),
  seq: 0,
  waitingRows: 0,
  ingestLagSeconds: 0,
  setAside: 0,
  releases: [],
  incidents: [],
})

const standingOf = (member: Membership) =>
  member.isLeading()
    ? { ok: true, detail: member.terms() > 1 ? `active in ${member.terms()} partitions` : 'active' }
    : { ok: member.isMember(), detail: member.isMember() ? 'stands by' : 'its group cannot be reached' }

async function healthOf(
  store: ClickHouseClient | null,
  members: ReadonlyMap<string, Membership>,
  stuckBatches: StuckBatches,
) {
  const ping = await store?.ping()
  const stuck = await stuckBatches.find().catch(() => null)
  const checks = {
    ...(ping && {
      store: {
        ok: ping.success,
        detail: ping.success ? 'answers' : String((ping as { error?: Error }).error?.message),
      },
    }),
    ...(stuck && { pipeline: { ok: false, detail: `fails at batch ${stuck.seq} each time: ${stuck.error}` } }),
    ...Object.fromEntries([...members].map(([group, member]) => [group, standingOf(member)])),
  }
  return { live: true, ready: Object.values(checks).every((check) => check.ok), checks }
}
