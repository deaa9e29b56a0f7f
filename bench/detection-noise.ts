/**
 * Real noise: one healthy population, split at random into "candidate" and "stable", must not be told apart. The moments, the
 * rhythm, the bursts and the shared accounts are real; only the split is drawn.
 * Run: node bench/detection-noise.ts [DATA]   DATA holds incidents/, counts/ and tau/ (default: ../shared/data beside the project)
 * Prints the tables of docs/detection/noise.md (some minutes); says so and ends with code 0 where the data is not there.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { REPEAT_CONTACT_72H } from '../detectors/sequential/age-profile.ts'
import { designTest } from '../detectors/sequential/design.ts'
import { dispersionOf } from '../detectors/sequential/dispersion.ts'
import { SHIPPED } from '../detectors/sequential/effects.ts'
import { addHits, addTrials, advance, createStream, logE } from '../detectors/sequential/known-rate.ts'
import {
  type Arm,
  addAtRisk,
  addStratumHits,
  advanceTwoSample,
  createTwoSample,
  designTwoSample,
  twoSampleLogE,
} from '../detectors/sequential/two-sample.ts'
import { seededRandom } from '../lib/random.ts'
import { tauTable } from './detection-tau.ts'

const LOG_THRESHOLD = Math.log(100)
const HOUR_MS = 3_600_000
const WINDOW_MS = 72 * HOUR_MS
const SEEDS = 200
const folder = process.argv[2] ?? fileURLToPath(new URL('../../shared/data', import.meta.url))

const rowsOf = (file: string) =>
  gunzipSync(readFileSync(`${folder}/${file}`))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(','))

/** `previousMs`: start of the earlier contact that this one repeats, null when it repeats none. */
type Contact = Readonly<{ startMs: number; previous: number | null }>

/** Incidents as contacts in order of opening; customer = caller, intent = category, empty ones never match. */
function contactsOf(): Contact[] {
  const [head, ...rows] = rowsOf('incidents/dev/incidents.csv.gz')
  const column = (name: string) => head!.indexOf(name)
  const [opened, caller, category] = [column('opened_at'), column('caller_id'), column('category')]
  const sorted = rows
    .map((row) => ({
      startMs: Date.parse(`${row[opened]}Z`),
      key: row[caller] && row[category] ? `${row[caller]}|${row[category]}` : '',
    }))
    .sort((a, b) => a.startMs - b.startMs)
  const latest = new Map<string, number>()
  return sorted.map(({ startMs, key }, i) => {
    const before = key === '' ? undefined : latest.get(key)
    if (key !== '') latest.set(key, i)
    return { startMs, previous: before !== undefined && startMs - sorted[before]!.startMs <= WINDOW_MS ? before : null }
  })
}

/** Does a random split of the same contacts ever look like a bad release? */
function splitPauses(contacts: readonly Contact[], seed: number): boolean {
  const design = designTwoSample({ ...SHIPPED, stratumMs: HOUR_MS, windowMs: WINDOW_MS })
  const random = seededRandom('noise', 'split', seed)
  const state = createTwoSample(design)
  const arms: Arm[] = []
  for (const { startMs, previous } of contacts) {
    advanceTwoSample(design, state, startMs)
    if (twoSampleLogE(design, state) >= LOG_THRESHOLD) return true
    if (previous !== null) {
      const arm = arms[previous]!
      addStratumHits(design, state, contacts[previous]!.startMs, {
        candidate: arm === 'candidate' ? 1 : 0,
        stable: arm === 'stable' ? 1 : 0,
      })
    }
    const arm = random.chance(0.5) ? 'candidate' : 'stable'
    arms.push(arm)
    addAtRisk(design, state, arm, startMs, 1)
  }
  return false
}

/** Greatest log E of one arm against a written share and the default age profile: what week-to-week drift does to a bare limit. */
function singleArmPeak(contacts: readonly Contact[], share: number, tolerance: number): number {
  const design = designTest({ ...SHIPPED, baseline: share, ageProfile: REPEAT_CONTACT_72H, tolerance })
  const state = createStream(design)
  let peak = 0
  for (const { startMs, previous } of contacts) {
    advance(design, state, startMs)
    if (previous !== null) {
      addHits(design, state, contacts[previous]!.startMs, 1)
      peak = Math.max(peak, logE(design, state))
    }
    addTrials(design, state, startMs, 1)
  }
  return peak
}

/** A count series dealt hit by hit to two equal arms, one stratum for each point, looked at after each. */
function thinnedPauses(points: readonly number[], random: ReturnType<typeof seededRandom>): boolean {
  const design = designTwoSample({ ...SHIPPED, stratumMs: STEP_MS, windowMs: 6 * HOUR_MS })
  const state = createTwoSample(design)
  for (const [i, count] of points.entries()) {
    const atMs = i * STEP_MS
    advanceTwoSample(design, state, atMs)
    // a population so large that a hit does not change who is at risk
    addAtRisk(design, state, 'candidate', atMs, 1e6)
    addAtRisk(design, state, 'stable', atMs, 1e6)
    let candidate = 0
    for (let n = 0; n < count; n++) if (random.uniform() < 0.5) candidate++
    addStratumHits(design, state, atMs, { candidate, stable: count - candidate })
    if (twoSampleLogE(design, state) >= LOG_THRESHOLD) return true
  }
  return false
}

const STEP_MS = 300_000
const DAY_POINTS = 288

/**
 * The second half of a series as one arm against the mean by hour of the day of its first half: greatest log E, without and with
 * the overdispersion of the first half's points.
 */
function singleSeriesPeaks(points: readonly number[]): { plain: number; told: number; dispersion: number } {
  const half = Math.floor(points.length / 2)
  const byHour = Array.from({ length: 24 }, () => ({ sum: 0, n: 0 }))
  const hourOf = (i: number) => Math.floor((i % DAY_POINTS) / 12)
  for (const [i, count] of points.slice(0, half).entries()) {
    const hour = byHour[hourOf(i)]!
    hour.sum += count
    hour.n++
  }
  const owed = (i: number) => Math.max(0.01, byHour[hourOf(i)]!.sum / byHour[hourOf(i)]!.n)
  const dispersion = dispersionOf(points.slice(0, half).map((hits, i) => ({ hits, exposure: owed(i) })))
  const peak = (phi: number) => {
    const design = designTest({ ...SHIPPED, baseline: 0.01, dispersion: phi, hitsAre: 'events' })
    const state = createStream(design)
    let greatest = 0
    for (let i = half; i < points.length; i++) {
      advance(design, state, i * STEP_MS)
      addTrials(design, state, i * STEP_MS, owed(i) / 0.01)
      addHits(design, state, i * STEP_MS, points[i]!)
      greatest = Math.max(greatest, logE(design, state))
    }
    return greatest
  }
  return { plain: peak(1), told: peak(dispersion), dispersion }
}

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')

function incidentTables(): string[] {
  const contacts = contactsOf()
  const hits = contacts.filter(({ previous }) => previous !== null).length
  let paused = 0
  for (let seed = 0; seed < SEEDS; seed++) if (splitPauses(contacts, seed)) paused++
  const share = hits / contacts.length
  const single = [0, 0.1, 0.25, 0.5].map((tolerance) => {
    const peak = singleArmPeak(contacts, share, tolerance)
    return [tolerance, peak.toFixed(1), peak >= LOG_THRESHOLD ? 'pauses' : 'does not pause']
  })
  return [
    table(
      ['two-sample, split 50:50', 'paused'],
      [[`${contacts.length} contacts, ${hits} repeats in 72 h, strata of one hour`, `${paused} of ${SEEDS}`]],
    ),
    table([`one arm against its own average ${(100 * share).toFixed(1)} %: tolerance`, 'greatest log E', ''], single),
  ]
}

function countTable(): string {
  const files = readdirSync(`${folder}/counts/dev`).filter((file) => file.endsWith('.csv.gz'))
  const rows = files.map((file) => {
    const points = rowsOf(`counts/dev/${file}`)
      .slice(1)
      .map((row) => Math.round(Number(row[1])))
    let paused = 0
    for (let seed = 0; seed < SEEDS; seed++) if (thinnedPauses(points, seededRandom('noise', file, seed))) paused++
    const { plain, told, dispersion } = singleSeriesPeaks(points)
    process.stderr.write(`${file}: ${paused} of ${SEEDS}\n`)
    const total = points.reduce((sum, count) => sum + count, 0)
    const name = file.replace(/^Twitter_volume_|\.csv\.gz$/g, '')
    return [
      name,
      total.toLocaleString('en'),
      `${paused} of ${SEEDS}`,
      dispersion.toFixed(1),
      plain.toFixed(0),
      told.toFixed(1),
    ]
  })
  return table(
    ['series', 'hits', 'two-sample, thinned 50:50: paused', 'φ of the first half', 'one arm: greatest log E', 'told φ'],
    rows,
  )
}

if (!existsSync(`${folder}/incidents`)) {
  console.log(`no data in ${folder}: nothing measured`)
} else {
  console.log([...incidentTables(), tauTable(`${folder}/tau/dev`), countTable()].join('\n\n'))
}
