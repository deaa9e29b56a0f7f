import type { DataFrame } from '@grafana/data'
import {
  type Evidence,
  type Incident,
  keyOf,
  type Moment,
  type Names,
  type Problem,
  type Release,
  type Timeline,
  visible,
} from './model.ts'

type Kind = 'releases' | 'incidents' | 'evidence'

/** Columns of each kind of table: `needs` must be there, one of `hints` tells what a table is meant to be. docs/plugin.md lists them for people. */
const KINDS: Readonly<Record<Kind, Readonly<{ needs: readonly string[]; hints: readonly string[] }>>> = {
  incidents: {
    needs: ['agent', 'release', 'incident_id', 'detected_at'],
    hints: ['incident_id', 'detected_at', 'onset_at', 'accepted_at'],
  },
  evidence: { needs: ['time', 'agent', 'release', 'evidence'], hints: ['evidence'] },
  releases: { needs: ['agent', 'release', 'first_at', 'last_at'], hints: ['first_at', 'last_at'] },
}

const MOMENT_COLUMNS: Readonly<Record<Moment, string>> = {
  onset: 'onset_at',
  harm: 'first_harm_at',
  detected: 'detected_at',
  sent: 'sent_at',
  accepted: 'accepted_at',
  stopped: 'stopped_at',
  drained: 'drained_at',
  recovered: 'recovered_at',
}

/** A table by its columns. */
type Reader = Readonly<{
  frame: DataFrame
  index: number
  query: string
  at: (column: string, row: number) => unknown
  has: (column: string) => boolean
}>

/** Tables of the queries, told apart by their columns, become what the panel draws. Never throws: what cannot be read is a problem with its query's name. */
export function readFrames(frames: readonly DataFrame[]): Timeline {
  const releases = new Map<string, Release>()
  const incidents = new Map<string, Incident>()
  const points = new Map<string, [timeMs: number, share: number][]>()
  const read: Readonly<Record<Kind, (reader: Reader) => number>> = {
    releases: (reader) => readReleases(reader, releases),
    incidents: (reader) => readIncidents(reader, incidents),
    evidence: (reader) => readEvidence(reader, points),
  }
  const problems = frames
    .map(readerOf)
    .filter(({ frame }) => frame.fields.length > 0)
    .flatMap((reader): Problem[] => {
      const text = problemOf(reader, read)
      return text === null ? [] : [{ query: reader.query, text }]
    })
  return {
    releases: [...releases.values()],
    incidents: [...incidents.values()],
    evidence: evidenceOf(points),
    problems,
    found: foundIn(frames),
  }
}

/** How many releases there are, where a query says it beside each: it may hand over fewer. */
function foundIn(frames: readonly DataFrame[]): number | null {
  const columns = frames.flatMap(({ fields }) => fields.filter(({ name }) => name === 'releases_found'))
  const counts = columns.map(({ values }) => numberOf(values[0])).filter((count) => count !== null)
  return counts.length === 0 ? null : Math.max(...counts)
}

function problemOf(reader: Reader, read: Readonly<Record<Kind, (reader: Reader) => number>>): string | null {
  const kind = kindOf(reader)
  if (kind === null) return unknownTable(reader)
  const missing = KINDS[kind].needs.filter((column) => !reader.has(column))
  if (missing.length > 0) return missingColumns(kind, missing, reader.frame)
  const unread = read[kind](reader)
  return unread > 0 ? unreadRows(kind, unread) : null
}

function readerOf(frame: DataFrame, index: number): Reader {
  const columns = new Map(frame.fields.map((field) => [field.name, field]))
  return {
    frame,
    index,
    query: frame.refId ?? String.fromCharCode(65 + index),
    at: (column, row) => columns.get(column)?.values[row],
    has: (column) => columns.has(column),
  }
}

const kindOf = ({ has }: Reader): Kind | null =>
  (Object.keys(KINDS) as Kind[]).find((kind) => KINDS[kind].hints.some((column) => has(column))) ?? null

/** Several rows of one release (one per channel, say) are one release, from its first to its last contact. */
function readReleases(reader: Reader, into: Map<string, Release>): number {
  return eachRow(reader, (row) => {
    const names = namesAt(reader, row)
    const firstMs = timeOf(reader.at('first_at', row))
    const lastMs = timeOf(reader.at('last_at', row))
    if (firstMs === null || lastMs === null) return false
    const key = keyOf(names)
    const before = into.get(key)
    const contacts = numberOf(reader.at('contacts', row))
    into.set(key, {
      ...names,
      key,
      firstMs: Math.min(firstMs, before?.firstMs ?? firstMs),
      lastMs: Math.max(lastMs, before?.lastMs ?? lastMs),
      contacts: contacts === null ? (before?.contacts ?? null) : contacts + (before?.contacts ?? 0),
      row: before?.row ?? { frame: reader.index, row },
    })
    return true
  })
}

function readIncidents(reader: Reader, into: Map<string, Incident>): number {
  return eachRow(reader, (row) => {
    const names = namesAt(reader, row)
    const time = (column: string) => timeOf(reader.at(column, row))
    const number = (column: string) => numberOf(reader.at(column, row))
    const at = Object.fromEntries(
      Object.entries(MOMENT_COLUMNS).map(([moment, column]) => [moment, time(column)]),
    ) as Record<Moment, number | null>
    const id = textOf(reader.at('incident_id', row))
    if (at.detected === null || id === '') return false
    into.set(id, {
      ...names,
      key: keyOf(names),
      id,
      state: textOf(reader.at('state', row)),
      signals: visible(textOf(reader.at('signal_names', row))),
      reason: visible(textOf(reader.at('finding_reason', row))),
      at,
      onsetLowMs: time('onset_low_at'),
      onsetHighMs: time('onset_high_at'),
      resumedMs: time('resumed_at'),
      rolledBackMs: time('rolled_back_at'),
      closedMs: time('closed_at'),
      ordered: number('ordered') === null ? null : number('ordered') !== 0,
      tellsRecovery: reader.has('recovered_at'),
      contactsExposed: number('contacts_exposed'),
      contactsAfterPause: number('contacts_after_pause'),
      writesAfterPause: number('writes_after_pause'),
      row: { frame: reader.index, row },
    })
    return true
  })
}

/** Rows of which evidence is null are no evidence, and no mistake. */
function readEvidence(reader: Reader, into: Map<string, [number, number][]>): number {
  return eachRow(reader, (row) => {
    const timeMs = timeOf(reader.at('time', row))
    const share = numberOf(reader.at('evidence', row))
    if (timeMs === null) return false
    if (share === null) return true
    const key = keyOf(namesAt(reader, row))
    const points = into.get(key)
    if (points) points.push([timeMs, share])
    else into.set(key, [[timeMs, share]])
    return true
  })
}

function evidenceOf(points: ReadonlyMap<string, readonly [number, number][]>): Map<string, Evidence> {
  const sorted = [...points].map(([key, list]): [string, Evidence] => {
    const inOrder = [...list].sort((a, b) => a[0] - b[0])
    return [key, { timesMs: inOrder.map(([time]) => time), shares: inOrder.map(([, share]) => share) }]
  })
  return new Map(sorted)
}

/** Number of rows that could not be read. */
function eachRow({ frame }: Reader, read: (row: number) => boolean): number {
  let unread = 0
  for (let row = 0; row < frame.length; row++) if (!read(row)) unread++
  return unread
}

const namesAt = ({ at }: Reader, row: number): Names => ({
  environment: textOf(at('environment', row)),
  agent: textOf(at('agent', row)),
  release: textOf(at('release', row)),
})

const textOf = (value: unknown): string =>
  value === null || value === undefined ? '' : Array.isArray(value) ? value.join(', ') : String(value)

function numberOf(value: unknown): number | null {
  if (value === null || value === undefined || value === '') return null
  const number = Number(value)
  return Number.isFinite(number) ? number : null
}

/** A time as ms: a number of ms, or text as ClickHouse (UTC, without a zone) or RFC 3339 writes it. 1970 is how tables without null say "never". */
export function timeOf(value: unknown): number | null {
  if (typeof value === 'string' && !/^-?\d+(\.\d+)?$/.test(value)) {
    const bare = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(value)
    const ms = Date.parse(bare ? `${value.replace(' ', 'T')}Z` : value)
    return ms > 0 ? ms : null
  }
  const ms = numberOf(value)
  return ms !== null && ms > 0 ? ms : null
}

const quoted = (columns: readonly string[]): string => columns.map((column) => `“${column}”`).join(', ')

const unknownTable = ({ frame }: Reader): string =>
  `This is none of the tables that the timeline reads: it has ${quoted(frame.fields.map(({ name }) => name))}. Releases need ${quoted(KINDS.releases.needs)}; incidents ${quoted(KINDS.incidents.needs)}; evidence ${quoted(KINDS.evidence.needs)}. Is the format of the query “Table”?`

const missingColumns = (kind: Kind, missing: readonly string[], { fields }: DataFrame): string =>
  `The table of ${kind} lacks ${quoted(missing)}; it has ${quoted(fields.map(({ name }) => name))}. Name the columns with AS, and choose the format “Table”.`

const unreadRows = (kind: Kind, unread: number): string =>
  `${unread} ${unread === 1 ? 'row' : 'rows'} of ${kind} left out: ${
    kind === 'releases'
      ? '“first_at” and “last_at” must be times'
      : kind === 'incidents'
        ? '“incident_id” must not be empty and “detected_at” must be a time'
        : '“time” must be a time'
  }.`
