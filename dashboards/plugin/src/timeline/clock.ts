import { MOMENT_WORDS } from './marks.ts'
import { type Incident, MOMENTS, type Moment } from './model.ts'
import { isOrdered, isOver } from './phases.ts'

/** One line of the clock of an incident. */
export type ClockLine = Readonly<{
  moment: Moment
  word: string
  /** null = has not happened */
  atMs: number | null
  /** Since the line before it that has happened; null for the first. */
  sinceMs: number | null
  rangeMs: readonly [low: number, high: number] | null
}>

/** The clock from onset to the end. What lies after the last known moment of a pause stands there as not yet; unknown moments in between are left out. */
export function clockOf(incident: Incident): ClockLine[] {
  const lastKnown = Math.max(...MOMENTS.map((moment, index) => (incident.at[moment] === null ? -1 : index)))
  let before: number | null = null
  return MOMENTS.flatMap((moment, index): ClockLine[] => {
    const atMs = incident.at[moment]
    if (atMs === null && !isAwaited(incident, moment, index > lastKnown)) return []
    const sinceMs = atMs === null || before === null ? null : atMs - before
    before = atMs ?? before
    return [
      { moment, word: MOMENT_WORDS[moment], atMs, sinceMs, rangeMs: moment === 'onset' ? rangeOf(incident) : null },
    ]
  })
}

const AWAITED: readonly Moment[] = ['accepted', 'drained', 'recovered']
const isAwaited = (incident: Incident, moment: Moment, isLater: boolean): boolean =>
  isLater &&
  isOrdered(incident) &&
  !isOver(incident) &&
  AWAITED.includes(moment) &&
  (moment !== 'recovered' || incident.tellsRecovery)

const rangeOf = ({ onsetLowMs, onsetHighMs }: Incident): readonly [number, number] | null =>
  onsetLowMs !== null && onsetHighMs !== null && onsetHighMs > onsetLowMs ? [onsetLowMs, onsetHighMs] : null

/** Times of a clock to write under each other: the date stands only where it changes. Each text is `date time`. */
export function withDatesOnce(texts: readonly (string | null)[]): (string | null)[] {
  let before = ''
  return texts.map((text) => {
    if (text === null) return null
    const [date = '', time = ''] = text.split(' ')
    const isSame = date === before
    before = date
    return isSame ? time : text
  })
}

export type Figure = Readonly<{ word: string; ms: number | null }>

/** The three lengths that people answer for; null = not known, or not yet. A clock never runs backwards: onset after detection counts as zero. */
export function figuresOf({ at }: Incident): Figure[] {
  const between = (from: number | null, to: number | null) =>
    from === null || to === null ? null : Math.max(0, to - from)
  return [
    { word: 'Time to detect', ms: between(at.onset, at.detected) },
    { word: 'Time to pause', ms: between(at.detected, at.accepted) },
    { word: 'Time to drain', ms: between(at.accepted, at.drained) },
  ]
}
