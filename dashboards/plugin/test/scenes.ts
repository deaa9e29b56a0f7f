import { type DataFrameDTO, FieldType } from '@grafana/data'

/** Data to draw, as the ClickHouse data source hands it over. */
export type Scene = 'day' | 'empty' | 'elsewhere' | 'one' | 'many' | 'problems' | 'hostile'

const NOW = Date.UTC(2026, 10, 20, 14, 30)
const MINUTE = 60_000
const HOUR = 60 * MINUTE

export const rangeOf = (scene: Scene): { from: number; to: number; now: number } => {
  const hours = scene === 'one' ? 4 : scene === 'many' ? 14 * 24 : 30
  return { from: NOW - hours * HOUR, to: NOW + (scene === 'many' ? 0 : 0.02 * hours * HOUR), now: NOW }
}

export function framesOf(scene: Scene): DataFrameDTO[] {
  switch (scene) {
    case 'empty':
      return [{ refId: 'A', fields: [] }]
    case 'elsewhere':
      return tables([{ agent: 'order-status', release: '2025.1', from: -900 * 60, to: -800 * 60 }])
    case 'one':
      return tables([drained('order-status', '2026.11.2', -170)])
    case 'day':
      return tables(DAY)
    case 'many':
      return tables(Array.from({ length: 200 }, (_, index) => oneOfMany(index)))
    case 'problems':
      return [
        {
          refId: 'A',
          fields: [
            { name: 'agent', type: FieldType.string, values: ['a'] },
            { name: 'first_at', type: FieldType.time, values: [NOW] },
          ],
        },
        {
          refId: 'B',
          fields: [
            { name: 'time', type: FieldType.time, values: [NOW] },
            { name: 'value', type: FieldType.number, values: [1] },
          ],
        },
      ]
    case 'hostile':
      return tables([
        { agent: '<img src=x onerror=alert(1)>', release: "'; DROP TABLE spans --", from: -600, to: 0 },
        {
          agent: 'مساعد الطلبات',
          release: '\u202Egnihtemos',
          from: -700,
          to: -20,
          at: { detected: -300, accepted: -299 },
        },
        { agent: '', release: '', from: -500, to: 0 },
        {
          agent: 'a'.repeat(200),
          release: 'v'.repeat(300),
          from: -400,
          to: 0,
          at: { detected: -100 },
          state: 'observed',
        },
      ])
  }
}

/** One release in minutes from now; times of its incident in `at`. */
type Life = Readonly<{
  agent: string
  release: string
  from: number
  to: number
  at?: Readonly<
    Partial<
      Record<
        | 'onset'
        | 'low'
        | 'high'
        | 'harm'
        | 'detected'
        | 'sent'
        | 'accepted'
        | 'stopped'
        | 'drained'
        | 'recovered'
        | 'resumed'
        | 'rolledBack',
        number
      >
    >
  >
  state?: string
  signals?: string
  reason?: string
  contacts?: number
}>

/** A release that was paused in time and has drained. `onset` in minutes from now. */
const drained = (agent: string, release: string, onset: number): Life => ({
  agent,
  release,
  from: onset - 118,
  to: onset + 25.2,
  at: {
    onset,
    low: onset - 9,
    high: onset + 4,
    harm: onset + 1,
    detected: onset + 21,
    sent: onset + 21 + 0.14 / 60,
    accepted: onset + 21 + 0.83 / 60,
    stopped: onset + 21.07,
    drained: onset + 25.2,
  },
  state: 'drained',
  signals: 'failed_updates',
  reason: '61 of 812 contacts with a write had a failed one (7.5 %), 3.8 times the baseline of 2 %.',
  contacts: 812,
})

const DAY: readonly Life[] = [
  { agent: 'order-status', release: '2026.11.1', from: -3000, to: -890, contacts: 18_402 },
  { ...drained('order-status', '2026.11.2', -760) },
  { agent: 'order-status', release: '2026.11.1-hotfix', from: -735, to: 0, contacts: 5120 },
  {
    agent: 'crm-hygiene',
    release: '2026-11-19-prompt7',
    from: -1200,
    to: 0,
    at: { onset: -420, low: -540, high: -360, harm: -408, detected: -0.3, sent: -0.25 },
    state: 'pausing',
    signals: 'duplicate_creations',
    reason: '49 of 1,904 contacts with a create repeated a record (2.6 %), 3.2 times the baseline of 0.8 %.',
    contacts: 1904,
  },
  { agent: 'crm-hygiene', release: '2026-11-12-prompt6', from: -9000, to: -1205, contacts: 40_111 },
  {
    agent: 'refunds',
    release: 'v42',
    from: -1500,
    to: -880,
    at: {
      onset: -1010,
      low: -1060,
      high: -990,
      harm: -1004,
      detected: -910,
      sent: -910,
      accepted: -909.9,
      stopped: -905,
      drained: -880,
      recovered: -500,
      rolledBack: -440,
    },
    state: 'drained',
    signals: 'complaints',
    reason: '19 of 402 contacts led to a complaint (4.7 %), 3.1 times the baseline of 1.5 %.',
    contacts: 640,
  },
  { agent: 'refunds', release: 'v41', from: -9000, to: -1490, contacts: 21_934 },
  {
    agent: 'refunds',
    release: 'v43',
    from: -430,
    to: 0,
    at: { onset: -160, low: -190, high: -140, harm: -155, detected: -60 },
    state: 'observed',
    signals: 'repeat_contacts',
    reason: '38 of 260 contacts were repeated within 72 h (15 %), 1.9 times the baseline of 7.7 %; told, not paused.',
    contacts: 260,
  },
  {
    agent: 'delivery-voice',
    release: '7.0.3',
    from: -1700,
    to: 0,
    at: {
      onset: -1300,
      low: -1330,
      high: -1280,
      harm: -1296,
      detected: -1240,
      sent: -1240,
      accepted: -1239.9,
      stopped: -1238,
      drained: -1225,
      recovered: -840,
      resumed: -800,
    },
    state: 'drained',
    signals: 'failed_updates',
    reason: '22 of 301 contacts with a write had a failed one (7.3 %), 3.6 times the baseline of 2 %.',
    contacts: 2210,
  },
  {
    agent: 'delivery-voice',
    release: '7.1.0-canary',
    from: -640,
    to: -330,
    at: {
      onset: -470,
      low: -520,
      high: -450,
      harm: -466,
      detected: -350,
      sent: -350,
      accepted: -349.8,
      stopped: -345,
      drained: -330,
    },
    state: 'drained',
    signals: 'failed_updates, repeat_contacts',
    reason: '12 of 130 contacts with a write had a failed one (9.2 %), 4.6 times the baseline of 2 %.',
    contacts: 198,
  },
]

function oneOfMany(index: number): Life {
  const from = -((index * 97) % 20_000) - 300
  const length = 400 + ((index * 389) % 5200)
  const names = { agent: `agent-${String(index % 23).padStart(2, '0')}`, release: `2026.${1 + (index % 11)}.${index}` }
  if (index % 5 === 0) {
    const life = drained(names.agent, names.release, from + 300)
    const at = index % 3 === 0 ? life.at : { ...life.at, recovered: life.to + 600, rolledBack: life.to + 900 }
    return { ...life, from, at }
  }
  return { ...names, from, to: Math.min(0, from + length), contacts: 100 + index * 7 }
}

const ms = (minutes: number | undefined): number | null =>
  minutes === undefined ? null : Math.round(NOW + minutes * MINUTE)

function tables(lives: readonly Life[]): DataFrameDTO[] {
  const text = (name: string, values: readonly string[]) => ({ name, type: FieldType.string, values: [...values] })
  const time = (name: string, values: readonly (number | null)[]) => ({
    name,
    type: FieldType.time,
    values: [...values],
  })
  const number = (name: string, values: readonly (number | null)[]) => ({
    name,
    type: FieldType.number,
    values: [...values],
  })
  const names = (of: readonly Life[]) => [
    text(
      'environment',
      of.map(() => 'production'),
    ),
    text(
      'agent',
      of.map(({ agent }) => agent),
    ),
    text(
      'release',
      of.map(({ release }) => release),
    ),
  ]
  const hurt = lives.filter(({ at }) => at !== undefined)
  const moment = (column: string, key: keyof NonNullable<Life['at']>) =>
    time(
      column,
      hurt.map(({ at }) => ms(at![key])),
    )
  const points = lives.flatMap((life) => evidenceOf(life).map(([at, share]) => ({ life, at, share })))
  const links = [
    {
      title: 'Incident on the page of the monitor',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in
      url: 'http://127.0.0.1:4320/#${__data.fields.incident_id}',
      targetBlank: true,
    },
    { title: 'Runbook', url: 'https://example.test/runbooks/failed-updates' },
  ]
  return [
    {
      refId: 'A',
      fields: [
        ...names(lives),
        time(
          'first_at',
          lives.map(({ from }) => ms(from)),
        ),
        time(
          'last_at',
          lives.map(({ to }) => ms(to)),
        ),
        number(
          'contacts',
          lives.map(({ contacts }) => contacts ?? null),
        ),
      ],
    },
    {
      refId: 'B',
      fields: [
        {
          ...text(
            'incident_id',
            hurt.map((_, index) => `b0d1c2e3${index}`),
          ),
          config: { links },
        },
        ...names(hurt),
        text(
          'state',
          hurt.map(({ state }) => state ?? ''),
        ),
        text(
          'signal_names',
          hurt.map(({ signals }) => signals ?? ''),
        ),
        text(
          'finding_reason',
          hurt.map(({ reason }) => reason ?? ''),
        ),
        moment('onset_at', 'onset'),
        moment('onset_low_at', 'low'),
        moment('onset_high_at', 'high'),
        moment('first_harm_at', 'harm'),
        moment('detected_at', 'detected'),
        moment('sent_at', 'sent'),
        moment('accepted_at', 'accepted'),
        moment('stopped_at', 'stopped'),
        moment('drained_at', 'drained'),
        moment('recovered_at', 'recovered'),
        moment('resumed_at', 'resumed'),
        moment('rolled_back_at', 'rolledBack'),
        number(
          'contacts_exposed',
          hurt.map((_, index) => 211 + index * 13),
        ),
        number(
          'contacts_after_pause',
          hurt.map(({ at }) => (at!.accepted === undefined ? null : 3)),
        ),
        number(
          'writes_after_pause',
          hurt.map(({ at }) => (at!.accepted === undefined ? null : 1)),
        ),
      ],
    },
    {
      refId: 'C',
      fields: [
        time(
          'time',
          points.map(({ at }) => ms(at)),
        ),
        ...names(points.map(({ life }) => life)),
        number(
          'evidence',
          points.map(({ share }) => share),
        ),
      ],
    },
  ]
}

/** Evidence that wanders low while a release is well, and climbs to the line from the onset on. */
function evidenceOf({ from, to, at, release }: Life): [number, number][] {
  const step = Math.max(4, (Math.max(to, at?.detected ?? to) - from) / 160)
  const points: [number, number][] = []
  let seed = [...release].reduce((sum, letter) => sum + letter.charCodeAt(0), 7)
  let level = 0.05
  for (let minute = from; minute <= to; minute += step) {
    seed = (seed * 16_807) % 2_147_483_647
    const noise = seed / 2_147_483_647 - 0.5
    const { onset, detected } = at ?? {}
    if (onset !== undefined && detected !== undefined && minute > onset && minute <= detected)
      level = Math.max(level, ((minute - onset) / (detected - onset)) ** 1.3) + noise * 0.06
    else if (detected !== undefined && minute > detected && minute < detected + 2 * step) level = 1.02
    else level = Math.min(0.42, Math.max(0, level + noise * 0.09 - 0.004))
    points.push([minute, Math.max(0, level)])
  }
  return points
}
