/**
 * Where a fact counts: environment × agent × release × channel × queue.
 * An empty string means "not known (yet)"; a slice without agent or release is counted but never judged.
 */
export type Slice = Readonly<{
  environment: string
  agent: string
  release: string
  channel: string
  queue: string
}>

/** One version of one agent in one environment: what a pause acts on. */
export type Release = Readonly<Pick<Slice, 'environment' | 'agent' | 'release'>>

/** Text form of a release, stable over restarts and replays; parts are joined by U+001F so that no name can forge another. */
export const releaseKeyOf = (r: Release): string => [r.environment, r.agent, r.release].join('\u001f')

/** How a release is written for people: `agent release (environment)`. */
export const releaseLabelOf = (r: Release): string =>
  `${r.agent || 'unknown agent'} ${r.release || 'unknown release'} (${r.environment || 'no environment'})`
