/**
 * What the HTTP API says where a board shows a figure: each panel is held against it, or says why the API does not tell it. `rows` are those of one
 * query of the panel on the data of the demo.
 */
import { expect } from 'vitest'
import { windowMsOf } from '../../detectors/signals/definition.ts'
import { FOUR_SIGNALS } from '../../detectors/signals/library.ts'
import type { Incident } from '../../facts/incident.ts'
import { isPast } from '../../facts/incident.ts'
import type { Overview, ReleaseView, TriggerView } from '../../facts/overview.ts'
import { STATE_CODES } from './fields.ts'
import type { Row } from './frame.fixtures.ts'
import { MOST_SHARES } from './live-signals.ts'
import { MOST_SERIES } from './sql.ts'

/** What the API answered at the end of the demo: the overview, and per incident the rows of what it touched. */
export type Told = Readonly<{ overview: Overview; affected: ReadonlyMap<string, readonly Row[]> }>

export type Figure = Readonly<{
  board: string
  panel: string
  /** Which query of the panel. Default the first. */
  query?: number
  /** Length of a point. Default five minutes; whole: all of the range is one. */
  point?: 'hour' | 'whole'
  says: (rows: readonly Row[], told: Told) => void
}>

/** The releases that the board of releases compares. */
export const TWO = { left: '4.2.0', right: '4.1.0' } as const

const nameOf = ({ release: { agent, release } }: ReleaseView | Incident): string => `${agent} ${release}`
const sum = <T>(of: readonly T[], value: (one: T) => number): number => of.reduce((total, one) => total + value(one), 0)
const evidenceOf = ({ logE, logThreshold }: ReleaseView | TriggerView): number => logE / logThreshold
/** The store keeps evidence in 32 bits. */
const kept = (value: number) => expect.closeTo(value, 5)
/** And of a slice with nothing new only moves of half a percentage point, which is what boards show (detectors/history.clickhouse.ts). */
const shownOfSlice = (value: number) => expect.closeTo(value, 2)
const minuteOf = (text: unknown): number => Math.floor(Date.parse(`${String(text).replace(' ', 'T')}Z`) / 60_000)

/** The last value of each line that a panel draws, by its name. */
function ends(rows: readonly Row[], column: string): Record<string, unknown> {
  const lasting = rows.filter((row) => row[column] !== null)
  return Object.fromEntries(lasting.map((row) => [lineOf(row), row[column]]))
}

/** The name of a line without the mark of its place, such as ②. */
const lineOf = ({ series }: Row): string => String(series).replace(/^[\u2460-\u2473] /, '')

const ofReleases = (views: readonly ReleaseView[], value: (view: ReleaseView) => unknown): Record<string, unknown> =>
  Object.fromEntries(views.map((view) => [nameOf(view), value(view)]))

/** Boards say of a release what became of its last incident, also when that is over and the release may serve again. */
export function lastStateOf({ incidents }: Overview, view: ReleaseView): string {
  const mine = incidents.filter((incident) => nameOf(incident) === nameOf(view))
  return mine.toSorted((a, b) => b.clock.detectedMs - a.clock.detectedMs)[0]?.state ?? view.state
}
/** Whether people let it go on: its evidence began anew then, its counts did not. */
const goesOn = ({ incidents }: Overview, view: ReleaseView): boolean =>
  incidents.some((incident) => nameOf(incident) === nameOf(view) && incident.resumed !== null)
const isHeld = (overview: Overview, view: ReleaseView): boolean =>
  !goesOn(overview, view) &&
  overview.incidents.some((incident) => nameOf(incident) === nameOf(view) && incident.clock.acceptedMs !== null)

const isOpen = (incident: Incident): boolean => !isPast(incident) && incident.state !== 'drained'
const incidentRows = (rows: readonly Row[], { overview }: Told, expected: (incident: Incident) => Row) => {
  expect(overview.incidents.length).toBeGreaterThan(1)
  expect(rows).toHaveLength(overview.incidents.length)
  for (const incident of overview.incidents)
    expect(rows).toContainEqual(expect.objectContaining({ release_name: nameOf(incident), ...expected(incident) }))
}

const live = (panel: string, says: Figure['says'], more: Partial<Figure> = {}): Figure => ({
  ...{ board: 'andon-live.json', panel, says },
  ...more,
})
const onCall = (panel: string, says: Figure['says']): Figure => ({ board: 'andon-on-call.json', panel, says })
const releases = (panel: string, says: Figure['says'], query = 0): Figure => ({
  ...{ board: 'andon-releases.json', panel, says, query },
})
const oneNumber = (value: (told: Told) => unknown) => (rows: readonly Row[], told: Told) =>
  expect(rows.map((row) => Object.values(row))).toEqual([[value(told)]])

const evidenceEnds =
  (isMeant: (view: ReleaseView) => boolean) =>
  (rows: readonly Row[], { overview }: Told) =>
    expect(ends(rows, 'evidence_ratio')).toEqual(
      ofReleases(overview.releases.filter(isMeant), (view) => kept(evidenceOf(view))),
    )

/** Of a release on the board that compares: what a trigger of each signal says. */
function triggerOf({ overview }: Told, side: keyof typeof TWO, signal: string): TriggerView {
  const view = overview.releases.find(({ release }) => release.release === TWO[side])!
  return view.triggers.find((trigger) => trigger.signal === signal)!
}

const ofLive: readonly Figure[] = [
  live(
    'Contacts',
    oneNumber(({ overview }) => sum(overview.releases, ({ contacts }) => contacts)),
  ),
  live(
    'Releases with traffic',
    oneNumber(({ overview }) => overview.releases.length),
  ),
  live(
    'Identified contacts',
    oneNumber(({ overview: { releases: views } }) =>
      expect.closeTo(sum(views, ({ identified }) => identified) / sum(views, ({ contacts }) => contacts), 12),
    ),
  ),
  live(
    'Closest to a pause',
    oneNumber(({ overview }) =>
      kept(
        Math.max(
          0,
          ...overview.releases.filter((view) => !isHeld(overview, view) && !goesOn(overview, view)).map(evidenceOf),
        ),
      ),
    ),
  ),
  live(
    'Not drained',
    oneNumber(({ overview }) => overview.incidents.filter(isOpen).length),
  ),
  live('Releases against their limits', (rows, { overview }) => {
    const expected = overview.releases.flatMap((view) =>
      view.triggers
        .filter(({ trials }) => trials > 0)
        .map((trigger) => ({
          release_name: nameOf(view),
          ...view.release,
          state: lastStateOf(overview, view),
          signal_title: trigger.title,
          trials: trigger.trials,
          hits: trigger.hits,
          rate: expect.closeTo(trigger.rate!, 12),
          low: expect.closeTo(trigger.low!, 12),
          high: expect.closeTo(trigger.high!, 12),
          ...(!goesOn(overview, view) && {
            limit_rate: trigger.limit,
            ceiling_rate: trigger.ceiling ?? null,
            joint_ratio: expect.closeTo(Math.max(0, evidenceOf(view)), 9),
            evidence_ratio: expect.closeTo(Math.max(0, evidenceOf(trigger)), 9),
            finding: trigger.finding,
          }),
        })),
    )
    expect(rows).toHaveLength(expected.length)
    for (const row of expected) expect(rows).toContainEqual(expect.objectContaining(row))
  }),
  ...FOUR_SIGNALS.map(({ title, name }) =>
    live(
      title,
      (rows, { overview }) => {
        const rateOf = ({ triggers }: ReleaseView) => triggers.find(({ signal }) => signal === name)?.rate ?? null
        const seen = overview.releases.filter((view) => rateOf(view) !== null)
        const told = ofReleases(seen, (view) => expect.closeTo(rateOf(view)!, 12))
        const shown = ends(rows, 'rate')
        expect(Object.keys(shown)).toHaveLength(Math.min(MOST_SHARES, seen.length))
        for (const [name, share] of Object.entries(shown)) expect(share, name).toEqual(told[name])
      },
      { point: 'whole' },
    ),
  ),
  live('Evidence towards a pause', (rows, { overview }) => {
    const told = ofReleases(overview.releases, (view) => kept(evidenceOf(view)))
    const shown = ends(rows, 'evidence_ratio')
    expect(Object.keys(shown)).toHaveLength(Math.min(MOST_SERIES, overview.releases.length))
    for (const [name, evidence] of Object.entries(shown)) expect(evidence, name).toEqual(told[name])
  }),
  live('Evidence by slice', (rows, { overview }) => {
    const told = new Map(
      overview.releases.flatMap((view) =>
        view.slices.map(({ channel, queue, logE }) => [
          `${nameOf(view)}: ${channel}, ${queue}`,
          Math.max(0, logE / view.logThreshold),
        ]),
      ),
    )
    const shown = ends(rows, 'evidence_ratio')
    expect(Object.keys(shown).length).toBeGreaterThan(3)
    for (const [slice, evidence] of Object.entries(shown))
      expect(evidence, slice).toEqual(shownOfSlice(told.get(slice)!))
    // The board draws the strongest: none of those that it leaves out is stronger than all of them.
    const most = Math.max(...told.values())
    expect(Math.max(...Object.values(shown).map(Number))).toEqual(shownOfSlice(most))
  }),
  live(
    'Traffic',
    (rows, { overview }) => {
      const lastHour = Math.floor(overview.nowMs / 3_600_000)
      for (const view of overview.releases) {
        const hours = new Map(
          rows.filter((row) => lineOf(row) === nameOf(view)).map((row) => [minuteOf(row.time) / 60, row.contacts]),
        )
        const shown = view.contactsPerHour.map((_, at) => hours.get(lastHour - 23 + at) ?? 0)
        expect(shown, nameOf(view)).toEqual(view.contactsPerHour)
      }
    },
    { point: 'hour' },
  ),
  live(
    'Coverage',
    (rows, { overview }) => {
      const byAgent = Map.groupBy(overview.releases, ({ release }) => release.agent)
      const shares = [...byAgent].map(([agent, of]) => [
        agent,
        expect.closeTo(sum(of, ({ identified }) => identified) / sum(of, ({ contacts }) => contacts), 12),
      ])
      expect(ends(rows, 'identified')).toEqual(Object.fromEntries(shares))
    },
    { point: 'whole' },
  ),
  live('Last contact', (rows, { overview }) => {
    const serving = overview.releases.filter((view) => !isHeld(overview, view))
    expect(
      rows
        .map(({ release_name, last_contact, all_contacts }) => [release_name, minuteOf(last_contact), all_contacts])
        .sort(),
    ).toEqual(serving.map((view) => [nameOf(view), Math.floor(view.lastContactMs! / 60_000), view.contacts]).sort())
  }),
]

const secondsBetween = (fromMs: number | null, untilMs: number | null) =>
  fromMs === null || untilMs === null ? null : expect.closeTo((untilMs - fromMs) / 1000, 2) // the store keeps whole ms

const ofOnCall: readonly Figure[] = [
  onCall(
    'Not drained',
    oneNumber(({ overview }) => overview.incidents.filter(isOpen).length),
  ),
  onCall(
    'Pauses not accepted',
    oneNumber(({ overview }) => overview.incidents.filter(({ state }) => state === 'pausing').length),
  ),
  onCall(
    'Contacts exposed',
    oneNumber(({ overview }) => sum(overview.incidents, ({ finding }) => finding.contactsExposed)),
  ),
  onCall(
    'Contacts after the pause',
    oneNumber(({ overview }) => sum(overview.incidents, ({ contactsAfterPause }) => contactsAfterPause ?? 0)),
  ),
  onCall('Incidents and what to do next', (rows, told) =>
    incidentRows(rows, told, ({ incidentId, release, state, finding, acknowledged }) => ({
      ...release,
      incident_id: incidentId,
      state,
      traffic_goes_to: finding.trafficGoesTo,
      acknowledged_by: acknowledged?.by ?? '',
    })),
  ),
  onCall('What was found', (rows, told) =>
    incidentRows(rows, told, ({ release, reason, finding, contactsAfterPause, writesAfterPause }) => ({
      ...release,
      reason,
      signal_names: finding.signal,
      finding_reason: finding.reason,
      rate: expect.closeTo(finding.hits / finding.trials, 12),
      baseline: finding.baseline,
      contacts_exposed: finding.contactsExposed,
      contacts_after_pause: contactsAfterPause,
      writes_after_pause: writesAfterPause,
    })),
  ),
  onCall('The clock of each incident', (rows, told) =>
    incidentRows(rows, told, ({ clock, finding }) => ({
      to_detect: secondsBetween(clock.onsetMs, clock.detectedMs),
      since_harm: secondsBetween(clock.firstHarmMs, clock.detectedMs),
      to_pause: secondsBetween(clock.detectedMs, clock.acceptedMs),
      to_stop: secondsBetween(clock.acceptedMs, clock.stoppedMs),
      to_drain: secondsBetween(clock.acceptedMs, clock.drainedMs),
      onset_range: secondsBetween(finding.onsetLowMs, finding.onsetHighMs),
    })),
  ),
  onCall('Contacts since the onset', (rows, { overview }) => {
    // Its counts have no counterpart (NOT_TOLD); the evidence of its slices has.
    expect(rows.length).toBeGreaterThan(2)
    for (const row of rows) {
      const view = overview.releases.find((one) => nameOf(one) === row.release_name)!
      const slice = view.slices.find(({ channel, queue }) => channel === row.channel && queue === row.queue)
      expect(row.evidence_ratio).toEqual(slice ? shownOfSlice(Math.max(0, slice.logE / view.logThreshold)) : null)
    }
  }),
  onCall('Evidence of the affected releases', (rows, told) => {
    const affected = new Set(told.overview.incidents.map(nameOf))
    evidenceEnds((view) => affected.has(nameOf(view)))(rows, told)
  }),
  onCall('What is to be put right', (rows, { overview, affected }) => {
    const expected = overview.incidents.flatMap((incident) => {
      const items = affected.get(incident.incidentId)!.filter(({ kind }) => kind !== 'audit')
      return [...Map.groupBy(items, ({ kind, need }) => `${kind} ${need || 'listed only'}`)].map(([key, of]) => [
        `${nameOf(incident)} ${key}`,
        of.length,
        of.filter(({ done }) => done !== '').length,
      ])
    })
    expect(expected.length).toBeGreaterThan(2)
    const shown = rows.filter(({ kind }) => kind !== 'audit')
    expect(
      shown
        .map(({ release_name, kind, need_name, items, done }) => [`${release_name} ${kind} ${need_name}`, items, done])
        .sort(),
    ).toEqual(expected.sort())
  }),
  onCall('States over time', (rows, { overview }) => {
    const words = (STATE_CODES[0] as { options: Record<string, { text?: string }> }).options
    const shown = Object.entries(ends(rows, 'state_code')).map(([name, code]) => [name, words[String(code)]!.text])
    const latest = new Map(overview.incidents.toReversed().map((incident) => [nameOf(incident), incident.state]))
    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(latest))
  }),
  onCall('How the order travelled', (rows, { overview }) => {
    const told = overview.incidents.flatMap((incident) =>
      incident.deliveries.map(({ target, attempts, outcome, status }) => ({
        release_name: nameOf(incident),
        ...{ target, outcome, status, step: 'attempted', attempt: attempts },
      })),
    )
    expect(told.length).toBeGreaterThan(1)
    for (const delivery of told) expect(rows).toContainEqual(expect.objectContaining(delivery))
  }),
]

const sideOf = (title: string, name: string, side: keyof typeof TWO): Figure => {
  const [suffix, query] = side === 'left' ? ['_a', 0] : ['_b', 1]
  return releases(
    title,
    (rows, told) => {
      const { rate, low, high } = triggerOf(told, side, name)
      const { [`rate${suffix}`]: lastRate, [`low${suffix}`]: lastLow, [`high${suffix}`]: lastHigh } = rows.at(-1)!
      expect([lastRate, lastLow, lastHigh]).toEqual([kept(rate!), kept(low!), kept(high!)])
    },
    query,
  )
}

const ofReleaseBoard: readonly Figure[] = [
  releases('Releases in the range', (rows, { overview }) => {
    expect(rows).toHaveLength(overview.releases.length)
    for (const view of overview.releases) {
      const row = rows.find(({ release_name }) => release_name === nameOf(view))!
      expect(row).toMatchObject({ ...view.release, state: lastStateOf(overview, view), all_contacts: view.contacts })
      expect([minuteOf(row.first_contact), minuteOf(row.last_contact)]).toEqual(
        [view.firstContactMs!, view.lastContactMs!].map((ms) => Math.floor(ms / 60_000)),
      )
      const mine = overview.incidents.filter((incident) => nameOf(incident) === nameOf(view))
      expect(row.exposed).toBe(mine.length === 0 ? null : sum(mine, ({ finding }) => finding.contactsExposed))
    }
  }),
  releases('Signal by signal', (rows, told) => {
    expect(rows).toHaveLength(FOUR_SIGNALS.length)
    for (const [at, signal] of FOUR_SIGNALS.entries()) {
      if (windowMsOf(signal) !== null) continue // the detector counts young contacts by their age, this table not at all
      const { name } = signal
      const [a, b] = (['left', 'right'] as const).map((side) => triggerOf(told, side, name)) as [
        TriggerView,
        TriggerView,
      ]
      const near = (value: number | null) => (value === null ? null : expect.closeTo(value, 12))
      expect(rows[at]).toMatchObject({
        ...{ rate_a: near(a.rate), low_a: near(a.low), high_a: near(a.high), trials_a: a.trials },
        ...{ rate_b: near(b.rate), low_b: near(b.low), high_b: near(b.high), trials_b: b.trials },
      })
    }
  }),
  ...FOUR_SIGNALS.flatMap(({ title, name }) => [sideOf(title, name, 'left'), sideOf(title, name, 'right')]),
  ...(['left', 'right'] as const).map((side, query) =>
    releases(
      'Evidence',
      (rows, { overview }) => {
        const view = overview.releases.find(({ release }) => release.release === TWO[side])!
        expect(rows.at(-1)![`evidence${side === 'left' ? '_a' : '_b'}`]).toEqual(kept(evidenceOf(view)))
      },
      query,
    ),
  ),
  releases('What was found', (rows, { overview }) => {
    const two = overview.releases.filter(({ release }) => release.release === TWO.left || release.release === TWO.right)
    const judged = two.filter((view) => !goesOn(overview, view))
    expect(judged.length).toBeGreaterThan(0)
    const expected = judged.flatMap(({ release, triggers }) =>
      triggers.map((trigger) => ({
        ...{
          release_name: `${release.agent} ${release.release}`,
          trigger: trigger.trigger,
          finding_now: trigger.finding,
          action_now: trigger.action,
        },
        ...{ trials_now: trigger.trials, hits_now: trigger.hits, limit_rate: trigger.limit },
        evidence_ratio: kept(evidenceOf(trigger)),
      })),
    )
    expect(rows).toHaveLength(sum(two, ({ triggers }) => triggers.length))
    for (const row of expected) expect(rows).toContainEqual(row)
  }),
]

export const FIGURES: readonly Figure[] = [...ofLive, ...ofOnCall, ...ofReleaseBoard]

const AGE = 'Age of the newest batch: /readyz and /metrics tell it, which are asked before anything else is believed.'

/** Panels whose figures the API does not tell, by board, and why nobody would ask it for them. */
export const NOT_TOLD: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'andon-live.json': {
    'Counted until (ago)': AGE,
    'What telemetry lacks':
      'Shares of contacts without an attribute, for those who set agents up; no program acts on them.',
    'Complaints without a contact': 'The same of outcomes.',
  },
  'andon-on-call.json': {
    'Counted until (ago)': AGE,
    'Contacts since the onset':
      'Counts of traffic by channel and queue; what the incident touched is told item by item (/affected), how many were exposed in its finding.',
  },
  'andon-leaders.json': {
    '*': 'KPIs are read by SQL from the views of docs/kpis.md, over ranges of months; kpis.clickhouse.test.ts holds the board against them.',
  },
  'andon-monitor.json': {
    'Rows per batch': 'Rates of the monitor itself are on /metrics, where monitoring reads them.',
    'From acceptance to counted': 'The same, at /metrics.',
    Drills: '/api/v1/drills has them; the demo runs none.',
  },
  'andon-timeline.json': {
    Releases: 'Three queries that the panel reads as one; a test of its own holds them against the API.',
  },
}
