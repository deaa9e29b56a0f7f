import type { SliceStanding } from '../facts/overview.ts'
import { leafWeight } from './sequential/combine.ts'
import { logSum } from './sequential/log-domain.ts'

/** A trigger that can pause, with the evidence of its slices in order of their first appearance. */
export type SlicedTrigger = Readonly<{
  signal: string
  /** Share of the release's alpha. */
  weight: number
  leaves: readonly Readonly<{ channel: string; queue: string; logE: number }>[]
}>

/** The terms of sequential/combine.ts that belong to one slice, summed over the triggers; slices in order of their first appearance. */
export function sliceStandings(triggers: readonly SlicedTrigger[]): SliceStanding[] {
  const terms = triggers.flatMap(({ signal, weight, leaves }) =>
    leaves.map(({ channel, queue, logE }, index) => ({
      channel,
      queue,
      signal,
      logE: Math.log(weight) - Math.LN2 + Math.log(leafWeight(index + 1)) + logE,
    })),
  )
  return [...Map.groupBy(terms, ({ channel, queue }) => `${channel}\u001f${queue}`).values()].map((ofSlice) => ({
    ...ofSlice.reduce((most, term) => (term.logE > most.logE ? term : most)),
    logE: logSum(ofSlice.map(({ logE }) => logE)),
  }))
}
