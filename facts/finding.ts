import type { Release, Slice } from './slice.ts'
import type { ComparedMode, TriggerAction } from './trigger.ts'

/**
 * What the detector says of one trigger on one release. Only `clear` is good news, only `breach` acts;
 * every kind carries its reason.
 */
export type FindingKind = 'breach' | 'watching' | 'clear' | 'insufficient' | 'no_data' | 'sampled'

export type Finding = Readonly<{
  kind: FindingKind
  /** One sentence for people, with the figures that led here. */
  reason: string
  release: Release
  trigger: string
  triggerHash: string
  signal: string
  action: TriggerAction
  shadow: boolean
  trafficGoesTo: string
  /** The leaf whose evidence was strongest, '' parts when pooled over all. */
  channel: string
  queue: string
  /** Where evidence is pooled over all: the channel and queue that carry most of it. Null where no slice was told apart. */
  strongest?: Pick<Slice, 'channel' | 'queue'> | null
  trials: number
  hits: number
  baseline: number
  /** What it was compared with, and why that; absent in findings of earlier versions, as all optional fields here. */
  baselineMode?: ComparedMode
  baselineReason?: string
  /** Rate against the healthy one since the onset, of the six sizes; leans high by about a tenth. Its 90 % interval is averaged over all onsets. */
  ratio?: number | null
  ratioLow?: number | null
  ratioHigh?: number | null
  /**
   * evidence: the test reached its line. ceiling: a plain limit was crossed, whatever the evidence says. silence: contacts stayed away.
   * person: somebody pulled the cord; nothing was measured.
   */
  by?: 'evidence' | 'ceiling' | 'silence' | 'person'
  /** Pauses of this release that people overrode before: the test ran at alpha / 2^overrides. */
  overrides?: number
  /** Evidence: natural logarithm of the e-value, and the threshold that it must reach. */
  logE: number
  logThreshold: number
  /** Estimated start of the harm (median, 5 % and 95 % of the posterior); null unless breach. */
  onsetMs: number | null
  onsetLowMs: number | null
  onsetHighMs: number | null
  /** First hit at or after the onset; null unless breach. */
  firstHarmMs: number | null
  /** Contacts of the release begun between the onset and the decision. */
  contactsExposed: number
  /**
   * No test with the same promise finds a harm of this ratio sooner on average: log(1/α) over the information of what was seen, as time since the
   * likeliest onset and as contacts of the release, at the traffic of that time. It leans low, as `ratio` leans high; one finding may lie below
   * it by luck. Null where a rate was not tested.
   */
  floorMs?: number | null
  floorContacts?: number | null
  /** The monitor's clock when this was decided (the greatest event time in replay). */
  decidedAtMs: number
  /** Greatest acceptance time of the facts that it rests on. */
  acceptedAtMs: number
  /** The batch that tipped it. */
  seq: number
}>

/** A breach in which nothing was measured: people are told of it, and what differs is said beside this. */
export const UNMEASURED_BREACH = {
  kind: 'breach',
  action: 'notify',
  shadow: false,
  trafficGoesTo: '',
  channel: '',
  queue: '',
  trials: 0,
  hits: 0,
  baseline: 0,
  logE: 0,
  logThreshold: 0,
  onsetMs: null,
  onsetLowMs: null,
  onsetHighMs: null,
  firstHarmMs: null,
  contactsExposed: 0,
  seq: 0,
} as const satisfies Partial<Finding>
