/**
 * Real noise: one healthy population, split at random into "candidate" and "stable", must not be told apart. The moments, the
 * rhythm, the bursts and the shared accounts are real; only the split is drawn.
 * Run: node bench/detection-noise.ts [DATA]   DATA holds incidents/ and counts/ (default: ../shared/data beside the project)
 * Prints a table for docs/detection/noise.md; says so and ends with code 0 where the data is not there.
 */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { REPEAT_CONTACT_72H } from '../detectors/sequential/age-profile.ts'
import { designTest } from '../detectors/sequential/design.ts'
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
  const design = designTwoSample({ stratumMs: HOUR_MS, windowMs: WINDOW_MS })
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
  const design = designTest({ baseline: share, ageProfile: REPEAT_CONTACT_72H, tolerance })
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

/** A count series dealt hit by hit to two equal arms, one stratum for each point. */
function thinnedPauses(points: readonly number[], random: ReturnType<typeof seededRandom>): boolean {
  const stratumMs = 300_000
  const design = designTwoSample({ stratumMs, windowMs: 6 * HOUR_MS })
  const state = createTwoSample(design)
  for (const [i, count] of points.entries()) {
    const atMs = i * stratumMs
    advanceTwoSample(design, state, atMs)
    // a population so large that a hit does not change who is at risk
    addAtRisk(design, state, 'candidate', atMs, 1e6)
    addAtRisk(design, state, 'stable', atMs, 1e6)
    let candidates = 0
    for (let n = 0; n < count; n++) {
      const candidate = random.chance(0.5) ? 1 : 0
      candidates += candidate
      addStratumHits(design, state, atMs, { candidate, stable: 1 - candidate })
    }
    if (candidates > 0 && twoSampleLogE(design, state) >= LOG_THRESHOLD) return true
  }
  return false
}

if (!existsSync(`${folder}/incidents`)) {
  console.log(`no data in ${folder}: nothing measured`)
} else {
  const contacts = contactsOf()
  const hits = contacts.filter(({ previous }) => previous !== null).length
  let paused = 0
  for (let seed = 0; seed < SEEDS; seed++) if (splitPauses(contacts, seed)) paused++
  console.log(
    `| incidents split 50:50 (${contacts.length} contacts, ${hits} repeats in 72 h) | ${paused} of ${SEEDS} |`,
  )
  for (const name of ['AMZN', 'CRM', 'CVS', 'FB']) {
    const points = rowsOf(`counts/dev/Twitter_volume_${name}.csv.gz`)
      .slice(1, 2001)
      .map((row) => Number(row[1]))
    let thinned = 0
    for (let seed = 0; seed < SEEDS / 4; seed++) if (thinnedPauses(points, seededRandom('noise', name, seed))) thinned++
    console.log(`| ${name} mentions thinned 50:50, first 2,000 points | ${thinned} of ${SEEDS / 4} |`)
  }
  const share = hits / contacts.length
  for (const tolerance of [0, 0.1, 0.25, 0.5]) {
    const peak = singleArmPeak(contacts, share, tolerance)
    console.log(
      `| one arm against its own average ${(100 * share).toFixed(1)} %, tolerance ${tolerance} | greatest log E ${peak.toFixed(1)} |`,
    )
  }
}
