import type { Slice } from './slice.ts'

/** What a breach does. `notify` pages; `pause` and `rollback` order the targets that enforce to act. */
export type TriggerAction = 'notify' | 'pause' | 'rollback'

/**
 * What a release is compared with. auto takes the first that the history allows: a stable release that runs at the same time, the
 * previous release, the written rate, other queues pooled.
 */
export type BaselineMode = 'auto' | 'concurrent' | 'previous' | 'written' | 'pooled'

/** What it came to. none: a quantity whose history does not tell yet what is usual; nothing is judged. */
export type ComparedMode = Exclude<BaselineMode, 'auto'> | 'none'

/** A plain limit beside the test: of the latest trials (`minTrials` or more), a share of hits above `rate` is a breach. No alpha is spent on it. */
export type Ceiling = Readonly<{ rate: number; minTrials: number }>

/**
 * A limit written down before launch. The hash of the whole trigger (and of the signal it reads) names it:
 * a changed trigger has another hash and starts new evidence.
 */
export type Trigger = Readonly<{
  /** Unique name, e.g. `failed_updates`. */
  name: string
  /** Name of the signal it reads. */
  signal: string
  /** Which releases it judges; an absent part judges all. */
  match: Readonly<Partial<Pick<Slice, 'agent' | 'channel' | 'queue'>>>
  /** Share of trials that are hits in a healthy release, in (0, 1): the written baseline. */
  baseline: number
  baselineMode: BaselineMode
  ceiling: Ceiling | null
  /** False-pause probability over the whole life of one release, shared by all its triggers by `weight`. */
  alpha: number
  /** This trigger's share of alpha; the weights of all triggers of a release sum to at most 1. */
  weight: number
  /** The smallest relative rise that matters: a baseline × (1 + tolerance) is still healthy. */
  tolerance: number
  action: TriggerAction
  /** Where traffic goes when the release is paused, e.g. 'human queue' or 'previous release'. Required for pause and rollback. */
  trafficGoesTo: string
  /** Observed and reported, never acted on. */
  shadow: boolean
}>
