import { clockOf } from './clock.ts'
import { counted, duration, percent } from './duration.ts'
import type { Lane, Standing } from './lanes.ts'
import { namesOf } from './model.ts'
import { PHASE_WORDS, PHASES } from './phases.ts'
import { evidenceAt } from './spark.ts'

export const STANDING_WORDS: Readonly<Record<Standing, string>> = {
  ...PHASE_WORDS,
  ended: 'Ended',
  breached: 'Breach, not paused',
}

/** What a lane shows, for those who do not see it. */
export function laneInWords(lane: Lane, format: (ms: number) => string, nowMs: number): string {
  const { agent, release, environment } = namesOf(lane)
  const incident = lane.incidents.at(-1)
  const evidence = lane.evidence ? evidenceAt(lane.evidence, nowMs) : null
  return [
    `${agent} ${release}, ${environment}: ${STANDING_WORDS[lane.standing]}.`,
    `First contact ${format(lane.launch.firstMs)}, last ${format(lane.launch.lastMs)}.`,
    lane.launch.contacts === null ? '' : `${counted(lane.launch.contacts, 'contact')}.`,
    evidence === null ? '' : `Evidence at ${percent(evidence)} of the pause line.`,
    incident ? `Latest incident: ${clockInWords(incident, format)}.` : 'No incident.',
  ]
    .filter((text) => text !== '')
    .join(' ')
}

const clockInWords = (incident: Lane['incidents'][number], format: (ms: number) => string): string =>
  clockOf(incident)
    .map(({ word, atMs, sinceMs }) =>
      atMs === null
        ? `${word} not yet`
        : `${word} ${format(atMs)}${sinceMs === null ? '' : ` (+${duration(sinceMs)})`}`,
    )
    .join(', ')

/** How many lanes are shown, and how many of them stand where somebody must act. */
export function summaryOf(lanes: readonly Lane[], total: number, found: number | null = null): string {
  const active =
    total === lanes.length
      ? counted(total, 'release')
      : `${lanes.length} of ${counted(total, 'release')} active in this range`
  const standings = [...PHASES.filter((kind) => kind !== 'live'), 'breached' as const]
    .map((standing) => ({ standing, number: lanes.filter((lane) => lane.standing === standing).length }))
    .filter(({ number }) => number > 0)
    .map(({ standing, number }) => `${number} ${STANDING_WORDS[standing].toLowerCase()}`)
  const cut = found !== null && found > total ? [`the latest ${total} of ${counted(found, 'release')} were read`] : []
  return [active, ...standings, ...cut].join(' · ')
}
