import type { Finding, FindingKind } from '../facts/finding.ts'
import { type Incident, type IncidentClock, NOTHING_DECIDED } from '../facts/incident.ts'
import type { Overview, ReleaseView, TriggerView } from '../facts/overview.ts'
import type { Release } from '../facts/slice.ts'

/** What the tests of this room share: a fixed look at a contact centre on a bad day, and hostile, long and empty ones. */
export const NOW_MS = Date.UTC(2026, 10, 20, 14, 30, 0)
export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
const PAUSE_LINE = Math.log(100)

const SIGNALS: readonly (readonly [signal: string, title: string, baseline: number, tolerance: number])[] = [
  ['failed_updates', 'Failed updates', 0.02, 0.25],
  ['duplicate_creations', 'Duplicate creations', 0.008, 0.25],
  ['repeat_contacts', 'Repeat contacts', 0.12, 0.15],
  ['complaints', 'Complaints', 0.011, 0.25],
]

/** 95 % Wilson interval, as the detector fills it in. */
function intervalOf(hits: number, trials: number): Pick<TriggerView, 'rate' | 'low' | 'high'> {
  if (trials === 0) return { rate: null, low: null, high: null }
  const z = 1.96
  const rate = hits / trials
  const centre = (rate + (z * z) / (2 * trials)) / (1 + (z * z) / trials)
  const half = (z / (1 + (z * z) / trials)) * Math.sqrt((rate * (1 - rate)) / trials + (z * z) / (4 * trials * trials))
  return { rate, low: Math.max(0, centre - half), high: Math.min(1, centre + half) }
}

type Seen = Readonly<{ trials: number; hits: number; finding: FindingKind; evidence: number }>

/** The four signals of one release; `evidence` is the share of the way to the pause line. */
export const fourTriggers = (seen: readonly Seen[]): TriggerView[] =>
  SIGNALS.map(([signal, title, baseline, tolerance], index): TriggerView => {
    const { trials, hits, finding, evidence } = seen[index]!
    return {
      trigger: signal,
      signal,
      title,
      action: signal === 'complaints' ? 'notify' : 'pause',
      shadow: false,
      finding,
      reason: `${hits} hits in ${trials} trials against a baseline of ${baseline}`,
      trials,
      hits,
      ...intervalOf(hits, trials),
      baseline,
      limit: baseline * (1 + tolerance),
      logE: evidence * PAUSE_LINE,
      logThreshold: PAUSE_LINE,
    }
  })

/** Traffic of a day: a quiet night, a busy noon, the last hour unfinished. */
const dayOf = (perHour: number): number[] =>
  Array.from({ length: 24 }, (_, hour) =>
    Math.round(perHour * (1 + Math.sin((hour - 9) / 4)) * (hour === 23 ? 0.5 : 1)),
  )

export const aRelease = (
  release: Partial<Release>,
  seen: readonly Seen[],
  change: Partial<ReleaseView> = {},
): ReleaseView => {
  const triggers = fourTriggers(seen)
  const contactsPerHour = dayOf(60)
  return {
    release: { environment: 'production', agent: 'order-status', release: '2026.11.1', ...release },
    state: 'live',
    judged: true,
    contacts: 8_412,
    identified: 8_046,
    firstContactMs: NOW_MS - 6 * 24 * HOUR,
    lastContactMs: NOW_MS - 2 * SECOND,
    logE: Math.max(0, ...triggers.map(({ logE }) => logE)) - 0.3,
    logThreshold: PAUSE_LINE,
    triggers,
    slices: [],
    contactsPerHour,
    ...change,
  }
}

export const HEALTHY: readonly Seen[] = [
  { trials: 6_120, hits: 104, finding: 'clear', evidence: -0.6 },
  { trials: 5_020, hits: 31, finding: 'clear', evidence: -0.4 },
  { trials: 7_980, hits: 912, finding: 'clear', evidence: -0.3 },
  { trials: 8_412, hits: 80, finding: 'clear', evidence: 0.02 },
]
const FAILING: readonly Seen[] = [
  { trials: 812, hits: 61, finding: 'breach', evidence: 1.34 },
  { trials: 640, hits: 5, finding: 'watching', evidence: 0.03 },
  { trials: 701, hits: 88, finding: 'watching', evidence: 0.12 },
  { trials: 911, hits: 12, finding: 'insufficient', evidence: 0.09 },
]
const DUPLICATING: readonly Seen[] = [
  { trials: 2_110, hits: 39, finding: 'clear', evidence: -0.2 },
  { trials: 1_904, hits: 49, finding: 'breach', evidence: 1.08 },
  { trials: 2_001, hits: 231, finding: 'watching', evidence: -0.1 },
  { trials: 2_310, hits: 31, finding: 'watching', evidence: 0.21 },
]
const RISING: readonly Seen[] = [
  { trials: 1_420, hits: 30, finding: 'watching', evidence: 0.05 },
  { trials: 1_377, hits: 11, finding: 'watching', evidence: 0.04 },
  { trials: 1_512, hits: 259, finding: 'watching', evidence: 0.78 },
  { trials: 1_688, hits: 17, finding: 'watching', evidence: 0.02 },
]
const NEW: readonly Seen[] = [
  { trials: 14, hits: 1, finding: 'insufficient', evidence: 0.1 },
  { trials: 9, hits: 0, finding: 'insufficient', evidence: 0 },
  { trials: 0, hits: 0, finding: 'no_data', evidence: 0 },
  { trials: 22, hits: 0, finding: 'insufficient', evidence: -0.01 },
]
const COMPLAINED: readonly Seen[] = [
  { trials: 3_010, hits: 60, finding: 'watching', evidence: 0.01 },
  { trials: 2_877, hits: 20, finding: 'clear', evidence: -0.2 },
  { trials: 2_600, hits: 301, finding: 'watching', evidence: -0.1 },
  { trials: 3_402, hits: 78, finding: 'breach', evidence: 1.02 },
]

export const aFinding = (change: Partial<Finding> = {}): Finding => ({
  kind: 'breach',
  reason: '61 of 812 contacts with a write had a failed one (7.5 %), 3.8 times the baseline of 2 %.',
  release: { environment: 'production', agent: 'order-status', release: '2026.11.2' },
  trigger: 'failed_updates',
  triggerHash: '9f86d081884c7d659a2feaa0c55ad015',
  signal: 'failed_updates',
  action: 'pause',
  shadow: false,
  trafficGoesTo: 'previous release',
  channel: 'whatsapp',
  queue: 'delivery',
  trials: 812,
  hits: 61,
  baseline: 0.02,
  logE: PAUSE_LINE * 1.02,
  logThreshold: PAUSE_LINE,
  onsetMs: NOW_MS - 62 * MINUTE,
  onsetLowMs: NOW_MS - 71 * MINUTE,
  onsetHighMs: NOW_MS - 58 * MINUTE,
  firstHarmMs: NOW_MS - 61 * MINUTE,
  contactsExposed: 211,
  decidedAtMs: NOW_MS - 41 * MINUTE,
  acceptedAtMs: NOW_MS - 41 * MINUTE - 200,
  seq: 48_211,
  ...change,
})

export const anIncident = (
  finding: Finding,
  change: Partial<Omit<Incident, 'clock'>> & { clock?: Partial<IncidentClock> } = {},
): Incident => ({
  incidentId: '4be07cfd2c1a4f0f9d3be1a5c6e7f801',
  release: finding.release,
  state: 'drained',
  reason: 'first_breach',
  version: 6,
  openedAtMs: finding.decidedAtMs,
  finding,
  joined: [],
  contactsAfterPause: 3,
  writesAfterPause: 1,
  acceptedBy: ['agent-platform'],
  undeliverable: [],
  ...NOTHING_DECIDED,
  deliveries: [
    { target: 'agent-platform', attempts: 1, outcome: 'delivered', status: 200, atMs: finding.decidedAtMs + 830 },
    { target: 'on-call', attempts: 1, outcome: 'delivered', status: 202, atMs: finding.decidedAtMs + 910 },
  ],
  ordered: change.state === 'observed' ? 'nothing' : finding.action === 'rollback' ? 'rollback' : 'pause',
  ...change,
  clock: {
    onsetMs: finding.onsetMs,
    firstHarmMs: finding.firstHarmMs,
    detectedMs: finding.decidedAtMs,
    sentMs: finding.decidedAtMs + 140,
    acceptedMs: finding.decidedAtMs + 830,
    stoppedMs: finding.decidedAtMs + 4_200,
    drainedMs: finding.decidedAtMs + 4 * MINUTE + 12 * SECOND,
    ...change.clock,
  },
})

const NOT_YET = { sentMs: null, acceptedMs: null, stoppedMs: null, drainedMs: null }

/** A day on which a release is drained, one is being paused, one only told people, one is at risk, and others are well. */
export function aBadDay(): Overview {
  const voice = { agent: 'collections-voice', release: 'v88' }
  const crm = { agent: 'crm-hygiene', release: '2026-11-19-prompt7' }
  const crmRelease = { environment: 'production', ...crm }
  const claims = { environment: 'production', agent: 'claims-intake', release: '4.0.1' }
  const duplicates = aFinding({
    release: crmRelease,
    trigger: 'duplicate_creations',
    signal: 'duplicate_creations',
    reason: '49 of 1,904 contacts with a create repeated a record (2.6 %), 3.2 times the baseline of 0.8 %.',
    trials: 1_904,
    hits: 49,
    baseline: 0.008,
    channel: '',
    queue: '',
    trafficGoesTo: 'human queue',
    onsetMs: NOW_MS - 7 * HOUR,
    onsetLowMs: NOW_MS - 9 * HOUR,
    onsetHighMs: NOW_MS - 6 * HOUR,
    firstHarmMs: NOW_MS - 6.8 * HOUR,
    contactsExposed: 402,
    decidedAtMs: NOW_MS - 12 * SECOND,
  })
  const complaints = aFinding({
    release: claims,
    trigger: 'complaints',
    signal: 'complaints',
    action: 'notify',
    trafficGoesTo: '',
    reason: '78 of 3,402 contacts led to a complaint (2.3 %), 2.1 times the baseline of 1.1 %.',
    trials: 3_402,
    hits: 78,
    baseline: 0.011,
    channel: 'chat',
    queue: 'claims',
    onsetMs: NOW_MS - 30 * HOUR,
    onsetLowMs: NOW_MS - 37 * HOUR,
    onsetHighMs: NOW_MS - 25 * HOUR,
    firstHarmMs: NOW_MS - 29 * HOUR,
    contactsExposed: 1_288,
    decidedAtMs: NOW_MS - 3 * HOUR,
  })
  return {
    clock: 'wall',
    nowMs: NOW_MS,
    seq: 48_233,
    waitingRows: 128,
    ingestLagSeconds: 0.4,
    setAside: 0,
    releases: [
      aRelease({}, HEALTHY),
      aRelease({ ...voice, release: 'v87' }, HEALTHY, {
        contacts: 22_904,
        identified: 22_904,
        contactsPerHour: dayOf(160),
      }),
      aRelease(claims, COMPLAINED, { state: 'observed', contacts: 3_402, identified: 3_001, logE: 2.1 }),
      aRelease(voice, NEW, {
        contacts: 22,
        identified: 22,
        firstContactMs: NOW_MS - 9 * MINUTE,
        contactsPerHour: [...Array(23).fill(0), 22],
      }),
      aRelease({ release: '2026.11.2' }, FAILING, {
        state: 'drained',
        contacts: 1_104,
        identified: 1_019,
        firstContactMs: NOW_MS - 3 * HOUR,
        lastContactMs: NOW_MS - 40 * MINUTE,
        contactsPerHour: [...Array(20).fill(0), 301, 388, 415, 0],
      }),
      aRelease({ agent: 'supplier-confirmation', release: '2026.46' }, RISING, { contacts: 1_688, identified: 1_512 }),
      aRelease(crm, DUPLICATING, {
        state: 'pausing',
        contacts: 2_310,
        identified: 2_307,
        firstContactMs: NOW_MS - 20 * HOUR,
      }),
      aRelease({ environment: 'staging', release: '2026.11.3-rc1' }, HEALTHY, {
        judged: false,
        triggers: [],
        contacts: 311,
        identified: 40,
      }),
    ],
    incidents: [
      anIncident(duplicates, {
        incidentId: 'b0d1c2e3f4a5968778695a4b3c2d1e0f',
        state: 'pausing',
        acceptedBy: [],
        deliveries: [
          { target: 'agent-platform', attempts: 4, outcome: 'server_error', status: 503, atMs: NOW_MS - 3_000 },
          { target: 'on-call', attempts: 1, outcome: 'delivered', status: 202, atMs: NOW_MS - 11_000 },
        ],
        contactsAfterPause: null,
        writesAfterPause: null,
        clock: { ...NOT_YET, sentMs: NOW_MS - 11_700 },
      }),
      anIncident(aFinding(), {
        joined: [aFinding({ trigger: 'repeat_contacts', signal: 'repeat_contacts' })],
        acknowledged: { by: 'Ada Okafor', reason: 'on it, calling the platform team', atMs: NOW_MS - 39 * MINUTE },
      }),
      anIncident(complaints, {
        incidentId: '00aa11bb22cc33dd44ee55ff66778899',
        state: 'observed',
        reason: 'notify_only',
        acceptedBy: [],
        clock: NOT_YET,
      }),
    ],
  }
}

/** Nothing has arrived yet. */
export const anEmptyDay = (): Overview => ({
  clock: 'wall',
  nowMs: NOW_MS,
  seq: 0,
  waitingRows: 0,
  ingestLagSeconds: 0,
  setAside: 0,
  releases: [],
  incidents: [],
})

/** Thirty releases within limits. */
export const aQuietDay = (): Overview => ({
  ...aBadDay(),
  releases: Array.from({ length: 30 }, (_, index) =>
    aRelease({ agent: `agent-${String(index % 10).padStart(2, '0')}`, release: `2026.11.${index}` }, HEALTHY),
  ),
  incidents: [],
})

/** Names that try to be markup, to turn the text around, or to push everything else off the page. */
export const HOSTILE = [
  '<img src=x onerror="document.title=\'pwned\'">',
  '"><script>document.title="pwned"</script>',
  '\u202Egnorw si siht\u2066 <b>x</b>',
  'no-break-'.repeat(40),
  '注文状況エージェント・وضعية الطلب',
] as const

export function aHostileDay(): Overview {
  const bad = aBadDay()
  const releases = HOSTILE.map((text, index) =>
    aRelease({ agent: text, release: text, environment: text }, index % 2 ? FAILING : RISING, {
      state: index % 2 ? 'paused' : 'live',
    }),
  )
  const incidents = HOSTILE.map((text, index) => {
    const release = { agent: text, release: text, environment: text }
    const finding = aFinding({
      release,
      reason: text,
      signal: text,
      trigger: text,
      channel: text,
      queue: text,
      trafficGoesTo: text,
      triggerHash: text,
    })
    return anIncident(finding, { incidentId: `hostile-${index}`, acceptedBy: [text], undeliverable: [text] })
  })
  return { ...bad, clock: 'event', releases, incidents }
}
