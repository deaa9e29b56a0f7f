import type { ClickHouseClient } from '@clickhouse/client'
import type { Release } from '../facts/slice.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import type { Baseline } from './baseline.ts'
import { chooseBaseline, type Past, type Sibling } from './choose.ts'
import {
  AGE_EDGES,
  ageProfileOf,
  daysOf,
  dispersionOfBlocks,
  type HourlyHits,
  type HourlyTrials,
  hourlyBlocks,
  hourOfWeekOf,
  matureShare,
} from './learn.ts'
import { type AgeProfile, shareBefore, windowOf } from './sequential/age-profile.ts'
import { BIN_OF_MEASURE_SQL, IS_BIN_SQL } from './signals/value-bins.ts'
import type { JudgedTrigger } from './triggers.ts'
import { beyondUsual, isHitSql } from './usual.ts'

const DAY_MS = 86_400_000
/** Five weeks: long enough for the rhythm of a week, short enough to be today's traffic. */
const HISTORY_DAYS = 35
/** Ages of contacts are told apart by this part of the window: hits of young ones are still to come. */
const AGE_STEPS = 24

type SliceRow = {
  agent: string
  release: string
  channel: string
  queue: string
  step: number
  trials: number
  hits: number
  recent: number
  lastMs: number
}

/** The baseline of a trigger for a release whose test begins with batch `seq`. Reads the store unless a written rate needs no history. */
export async function baselineFor(
  store: ClickHouseClient,
  trigger: JudgedTrigger,
  release: Release,
  { seq, clockMs }: Readonly<{ seq: number; clockMs: number }>,
  breached: (release: string) => boolean,
  without: readonly Baseline['mode'][] = [],
): Promise<Baseline> {
  const needsNone = trigger.baselineMode === 'written' && (trigger.ageProfile === null || trigger.ageProfileGiven)
  const past = needsNone ? NO_PAST : await readPast(store, { trigger, release, seq, nowMs: clockMs, breached })
  return chooseBaseline(trigger, past, without)
}

const NO_PAST: Past = {
  nowMs: 0,
  siblings: [],
  others: { trials: 0, hits: 0, share: 0 },
  learned: null,
  fromBin: null,
  windowMs: null,
}

type Asked = Readonly<{
  trigger: JudgedTrigger
  release: Release
  seq: number
  nowMs: number
  breached: (release: string) => boolean
}>

/**
 * What the store knew of a signal before batch `seq`, for one release: read once, when its baseline is chosen. Ages are counted from the
 * start of a contact to the acceptance of its hit, as live data is.
 */
export async function readPast(store: ClickHouseClient, options: Asked): Promise<Past> {
  const { trigger, release, nowMs, breached } = options
  const windowMs = trigger.ageProfile ? windowOf(trigger.ageProfile) : null
  const fromBin = trigger.usual ? await readUsual(store, options, trigger.usual.point) : null
  if (trigger.usual && fromBin === null) return { ...NO_PAST, nowMs }
  const isHit = isHitSql(fromBin, 'capped_hits')
  const rows = await sliceRows(store, options, isHit, windowMs)
  const mine = rows.filter(
    (row) => row.agent === release.agent && row.release !== release.release && row.release !== '',
  )
  const isMatched = (row: SliceRow) =>
    (trigger.match.channel === undefined || row.channel === trigger.match.channel) &&
    (trigger.match.queue === undefined || row.queue === trigger.match.queue)
  const names = [...new Set(mine.filter(isMatched).map((row) => row.release))]
  const hours = await hourRows(store, options, names, isHit, windowMs)
  const sound = names.filter((name) => !breached(name))
  const learned = learn(hours, sound, windowMs, nowMs)
  const profile = trigger.ageProfile && (learned?.profile ?? trigger.ageProfile)
  const siblings = names.map((name): Sibling => {
    const of = mine.filter((row) => row.release === name && isMatched(row))
    const whole = totalOf(of, profile)
    const own = hours.filter((row) => row.release === name)
    const blocks = hourlyBlocks(trialsOf(own), hitsOf(own), profile, whole.share, nowMs)
    return {
      release: name,
      ...whole,
      lastMs: Math.max(...of.map((row) => row.lastMs)),
      recentTrials: of.reduce((sum, row) => sum + row.recent, 0),
      breached: breached(name),
      dispersion: dispersionOfBlocks(blocks, learned?.hourOfWeek ?? null, learned?.days ?? 0),
      slices: [...Map.groupBy(of, (row) => `${row.channel}\u001f${row.queue}`).values()].map((slice) => ({
        channel: slice[0]!.channel,
        queue: slice[0]!.queue,
        ...totalOf(slice, profile),
        recentTrials: slice.reduce((sum, row) => sum + row.recent, 0),
      })),
    }
  })
  const others = rows.filter(
    (row) => row.agent !== release.agent || (row.release !== release.release && !isMatched(row)),
  )
  return { nowMs, siblings, others: totalOf(others, profile), learned, fromBin, windowMs }
}

/** Lowest bin beyond a point of what earlier releases of the agent had, those found bad left out; of everybody else where they had too little. */
async function readUsual(
  store: ClickHouseClient,
  { trigger, release, seq, nowMs, breached }: Asked,
  point: number,
): Promise<number | null> {
  const rows = await rowsOf<{ release: string; bin: number; n: number }>(
    store,
    `SELECT if(deltas.agent = {agent:String} AND ({anyChannel:UInt8} OR channel = {channel:String}) AND ({anyQueue:UInt8} OR queue = {queue:String}), deltas.release, '') AS release,
       ${BIN_OF_MEASURE_SQL} AS bin, sum(deltas.n) AS n
     FROM deltas
     WHERE seq < {seq:UInt64} AND signal = {signal:String} AND ${IS_BIN_SQL} AND environment = {environment:String}
       AND NOT (deltas.agent = {agent:String} AND deltas.release = {release:String}) AND minute >= toDateTime({from:UInt32})
     GROUP BY release, bin`,
    { release: release.release, ...scopeOf(trigger, release), seq, from: fromOf(nowMs) },
  )
  const usualOf = (some: typeof rows): number | null => {
    const histogram = new Map<number, number>()
    for (const { bin, n } of some) histogram.set(bin, (histogram.get(bin) ?? 0) + n)
    return beyondUsual(histogram, point)
  }
  const own = rows.filter((row) => row.release !== '' && !breached(row.release))
  return usualOf(own) ?? usualOf(rows.filter((row) => row.release === ''))
}

/** Parameters that name a signal and the traffic that a trigger matches. */
const scopeOf = (trigger: JudgedTrigger, release: Release) => ({
  agent: release.agent,
  environment: release.environment,
  signal: trigger.signal,
  anyChannel: trigger.match.channel === undefined ? 1 : 0,
  channel: trigger.match.channel ?? '',
  anyQueue: trigger.match.queue === undefined ? 1 : 0,
  queue: trigger.match.queue ?? '',
})

/** Trials and hits by release, slice and age of the contact; a matched slice does not limit the query, as other queues may serve. */
const sliceRows = (
  store: ClickHouseClient,
  { trigger, release, seq, nowMs }: Asked,
  isHit: string,
  windowMs: number | null,
): Promise<SliceRow[]> =>
  rowsOf<SliceRow>(
    store,
    `SELECT deltas.agent AS agent, if(deltas.agent = {agent:String}, deltas.release, '') AS release,
       deltas.channel AS channel, deltas.queue AS queue,
       least(${AGE_STEPS}, greatest(0, intDiv({nowMs:Int64} - toUnixTimestamp(minute) * 1000, {stepMs:Int64}))) AS step,
       sumIf(n, measure = 'trials') AS trials, sumIf(n, ${isHit}) AS hits,
       sumIf(n, measure = 'trials' AND toUnixTimestamp(minute) * 1000 > {nowMs:Int64} - ${DAY_MS}) AS recent,
       toUnixTimestamp(max(minute)) * 1000 AS lastMs
     FROM deltas
     WHERE seq < {seq:UInt64} AND signal = {signal:String} AND (measure = 'trials' OR ${isHit})
       AND environment = {environment:String} AND minute >= toDateTime({from:UInt32})
     GROUP BY agent, release, channel, queue, step
     ORDER BY agent, release, channel, queue, step`,
    {
      agent: release.agent,
      environment: release.environment,
      signal: trigger.signal,
      seq,
      nowMs,
      stepMs: windowMs === null ? 1000 * DAY_MS : Math.ceil(windowMs / AGE_STEPS),
      from: fromOf(nowMs),
    },
  )

type HourRow = {
  release: string
  counted: 'trials' | 'hits'
  cohortMs: number
  acceptedMs: number
  bin: number
  n: number
}

/** Trials by hour of their start; hits also by the hour of their acceptance and their age bin. */
const hourRows = (
  store: ClickHouseClient,
  { trigger, release, seq, nowMs }: Asked,
  releases: readonly string[],
  isHit: string,
  windowMs: number | null,
): Promise<HourRow[]> =>
  releases.length === 0
    ? Promise.resolve([])
    : rowsOf<HourRow>(
        store,
        `SELECT deltas.release AS release, if(deltas.measure = 'trials', 'trials', 'hits') AS counted, toUnixTimestamp(toStartOfHour(minute)) * 1000 AS cohortMs,
           if(deltas.measure = 'trials', 0, toUnixTimestamp(toStartOfHour(batches.clock_at)) * 1000) AS acceptedMs,
           if(deltas.measure = 'trials', 0,
             arrayCount(edge -> edge <= toUnixTimestamp64Milli(batches.clock_at) - toUnixTimestamp(minute) * 1000, {edges:Array(Int64)})) AS bin,
           sum(deltas.n) AS n
         FROM deltas LEFT JOIN batches ON batches.seq = deltas.seq
         WHERE deltas.seq < {seq:UInt64} AND signal = {signal:String} AND (deltas.measure = 'trials' OR ${isHit})
           AND environment = {environment:String} AND agent = {agent:String} AND deltas.release IN {releases:Array(String)}
           AND ({anyChannel:UInt8} OR channel = {channel:String}) AND ({anyQueue:UInt8} OR queue = {queue:String})
           AND minute >= toDateTime({from:UInt32})
         GROUP BY release, counted, cohortMs, acceptedMs, bin
         HAVING n != 0
         ORDER BY release, counted, cohortMs, acceptedMs, bin`,
        {
          ...scopeOf(trigger, release),
          releases,
          seq,
          edges: windowMs === null ? [] : AGE_EDGES.slice(1, -1).map((part) => Math.round(part * windowMs)),
          from: fromOf(nowMs),
        },
      )

const fromOf = (nowMs: number): number => Math.max(0, Math.floor((nowMs - HISTORY_DAYS * DAY_MS) / 1000))
const trialsOf = (rows: readonly HourRow[]): HourlyTrials[] =>
  rows.filter((row) => row.counted === 'trials').map(({ cohortMs, n }) => ({ cohortMs, trials: n }))
const hitsOf = (rows: readonly HourRow[]): HourlyHits[] =>
  rows
    .filter((row) => row.counted === 'hits')
    .map(({ cohortMs, acceptedMs, bin, n }) => ({ cohortMs, acceptedMs, bin, hits: n }))

function learn(
  hours: readonly HourRow[],
  releases: readonly string[],
  windowMs: number | null,
  nowMs: number,
): Past['learned'] {
  const rows = hours.filter((row) => releases.includes(row.release))
  const [trials, hits] = [trialsOf(rows), hitsOf(rows)]
  const profile = windowMs === null ? null : ageProfileOf(trials, hits, windowMs, nowMs)
  if (windowMs !== null && !profile) return null
  const [began, ended] = [
    trials.reduce((sum, row) => sum + row.trials, 0),
    hits.reduce((sum, row) => sum + row.hits, 0),
  ]
  if (began <= 0) return null
  const blocks = hourlyBlocks(trials, hits, profile, Math.min(0.95, Math.max(0, ended / began)), nowMs)
  return { profile, trials: began, days: daysOf(blocks), hourOfWeek: hourOfWeekOf(blocks) }
}

/** Share of contacts that end in a hit; for a delayed signal young contacts count as far as they are mature. */
function totalOf(
  rows: readonly SliceRow[],
  profile: AgeProfile | null,
): { trials: number; hits: number; share: number } {
  const hits = Math.max(
    0,
    rows.reduce((sum, row) => sum + row.hits, 0),
  )
  if (!profile) {
    const trials = Math.max(
      0,
      rows.reduce((sum, row) => sum + row.trials, 0),
    )
    return { trials, hits, share: trials > 0 ? hits / trials : 0 }
  }
  const stepMs = windowOf(profile) / AGE_STEPS
  const steps = rows.map((row) => ({
    share: row.step >= AGE_STEPS ? 1 : shareBefore(profile, (row.step + 0.5) * stepMs),
    trials: row.trials,
  }))
  return { ...matureShare(steps, hits), hits }
}
