/** What the panel knows about releases, incidents and evidence: tables of the data source without Grafana's shapes. Times in ms since 1970. */

/** Where something stands in the data, so that the links of its fields can be asked for. */
export type Row = Readonly<{ frame: number; row: number }>

export type Names = Readonly<{ environment: string; agent: string; release: string }>

export type Release = Names &
  Readonly<{
    key: string
    firstMs: number
    lastMs: number
    /** null = the query does not say */
    contacts: number | null
    row: Row | null
  }>

/** Moments of the clock in the order in which they happen. */
export const MOMENTS = ['onset', 'harm', 'detected', 'sent', 'accepted', 'stopped', 'drained', 'recovered'] as const
export type Moment = (typeof MOMENTS)[number]

export type Incident = Names &
  Readonly<{
    key: string
    id: string
    /** As the query says it (observed, pausing, paused, …), '' = it does not. */
    state: string
    signals: string
    reason: string
    /** null = has not happened (yet), or is not known. */
    at: Readonly<Record<Moment, number | null>>
    onsetLowMs: number | null
    onsetHighMs: number | null
    resumedMs: number | null
    rolledBackMs: number | null
    closedMs: number | null
    /** An order to stop was given; null = the query does not say. */
    ordered: boolean | null
    /** The query has a column that tells when recovery ended: without it nobody can say that a release recovers. */
    tellsRecovery: boolean
    contactsExposed: number | null
    contactsAfterPause: number | null
    writesAfterPause: number | null
    row: Row
  }>

/** Evidence of harm over time, ascending; 1 is the line at which the release is paused. */
export type Evidence = Readonly<{ timesMs: readonly number[]; shares: readonly number[] }>

/** What is wrong with a query, and how to right it. */
export type Problem = Readonly<{ query: string; text: string }>

export type Timeline = Readonly<{
  releases: readonly Release[]
  incidents: readonly Incident[]
  evidence: ReadonlyMap<string, Evidence>
  problems: readonly Problem[]
  /** Releases that the query found before it cut its list; null = it does not say. */
  found: number | null
}>

/** Separates names by a character that none of them holds, so that no name can forge another. */
export const keyOf = ({ environment, agent, release }: Names): string => [environment, agent, release].join('\u001f')

/** Names as people read them: each has a word when it is empty, and none can turn round what stands beside it. */
export const namesOf = ({ environment, agent, release }: Names): Names => ({
  environment: visible(environment) || 'no environment',
  agent: visible(agent) || 'unknown agent',
  release: visible(release) || 'unknown release',
})

/** Text from telemetry with its control characters made visible (`\\u202e`). */
export const visible = (text: string): string =>
  text.replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** C0 and C1 controls, zero-width and bidirectional embeddings, overrides and isolates; joiners and marks stay, scripts need them. */
const CONTROLS = /[\p{Cc}\u200b\u202a-\u202e\u2060-\u2069\ufeff]/gu
