import { readFileSync } from 'node:fs'
import { CONTACT_NUMBERS, CONTACT_TEXTS, type Predicate, type Signal } from './definition.ts'

/** Hits of one customer that count in evidence per release and UTC day of the trial (docs/signals.md). */
export const HITS_PER_CUSTOMER_DAY = 3

const HOUR_MS = 3_600_000
const fileOf = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8')
const FILES = {
  contacts: fileOf('recurrence-contacts.sql'),
  creates: fileOf('recurrence-creates.sql'),
  attributed: fileOf('attributed.sql'),
  deltas: fileOf('deltas.sql'),
  capped: fileOf('capped.sql'),
}

const text = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const fill = (sql: string, values: Readonly<Record<string, string | number>>): string => sql.replace(/%(\w+)%/g, (_, name: string) => String(values[name]))

/** SQL that is true when every condition holds for a contact. */
export const predicateSql = (predicate: Predicate): string =>
  predicate
    .map((condition) => {
      if ('above' in condition) return `${CONTACT_NUMBERS[condition.field]} > ${condition.above}`
      const column = CONTACT_TEXTS[condition.field]
      if (condition.known) return `${column} != ''`
      return `${column} IN (${(condition.is ?? ['']).map(text).join(', ')})`
    })
    .join(' AND ') || 'true'

/** Which parts of a batch a signal's marks depend on: nothing else makes its SQL worth running. */
export type Touches = Readonly<{ contacts: boolean; creates: boolean; outcomes: boolean }>

/** The statements of one batch, in order. Every one is deduplicated by its token, so a batch can be driven again. */
export type CompiledSignals = Readonly<{
  /** Inserts into mark_changes, null when no signal needs it for such a batch. */
  marks: (touches: Touches) => string | null
  deltas: string
  capped: string
}>

/**
 * Compiles signals (data) into the SQL that one batch runs. `%token%` is left for the caller: `withToken(sql, token)`.
 */
export function compileSignals(signals: readonly Signal[]): CompiledSignals {
  const marksOf = (touches: Touches): string | null => {
    const selects = signals.flatMap((signal) => {
      if (signal.evaluator === 'recurrence' && signal.over === 'contacts' && touches.contacts) return [fill(FILES.contacts, { signal: signal.name, window_ms: signal.windowHours * HOUR_MS })]
      if (signal.evaluator === 'recurrence' && signal.over === 'creates' && touches.creates) return [fill(FILES.creates, { signal: signal.name, window_ms: signal.windowHours * HOUR_MS })]
      if (signal.evaluator === 'attributed' && (touches.contacts || touches.outcomes))
        return [fill(FILES.attributed, { signal: signal.name, outcome: signal.outcome, flag: signal.flag, window_ms: signal.windowHours * HOUR_MS })]
      return []
    })
    if (selects.length === 0) return null
    return `INSERT INTO mark_changes (contact_id, signal, seq, n)\nSELECT contact_id, signal, seq, n FROM (\n${selects.join('\nUNION ALL\n')}\n)\nSETTINGS insert_deduplication_token = '%token%', insert_select_deduplicate = 1, enable_materialized_cte = 1, max_threads = 1`
  }
  return {
    marks: marksOf,
    deltas: FILES.deltas.replace('%counts%', () => [...PLAIN_COUNTS, ...signals.flatMap(countsOf)].map(([signal, measure, value]) => `  (${text(signal)}, ${text(measure)}, toFloat64(${value}))`).join(',\n')),
    capped: FILES.capped.replaceAll('%cap%', String(HITS_PER_CUSTOMER_DAY)),
  }
}

export const withToken = (sql: string, token: string): string => sql.replaceAll('%token%', token)

type Count = readonly [signal: string, measure: string, sql: string]

/** Counts that need no signal: what reports and boards show of every slice. */
const PLAIN_COUNTS: readonly Count[] = [
  ['', 'contacts', '1'],
  ['', 'identified', "customer != ''"],
  ['', 'calls', 'calls'],
  ['', 'failed_calls', 'failed_calls'],
  ['', 'writes', 'writes'],
  ['', 'failed_writes', 'failed_writes'],
  ['', 'contacts_with_write', 'writes > 0'],
  ['', 'contacts_with_failed_write', 'failed_writes > 0'],
  ['', 'creates', 'creates'],
  ['', 'duplicate_writes', 'duplicate_writes'],
  ['', 'contacts_with_duplicate_write', 'duplicate_writes > 0'],
  ['', 'transfers', 'transfers'],
  ['', 'contacts_transferred', 'transfers > 0'],
  ['', 'sampled', 'sampled'],
]

/** Sampled contacts are counted but never judged: tail sampling keeps errors and would look like harm. */
function countsOf(signal: Signal): readonly Count[] {
  if (signal.evaluator === 'counters') return []
  const trial = `(${predicateSql(signal.trial)}) AND sampled = 0`
  const hit = hitSql(signal)
  const counts: Count[] = [
    [signal.name, 'trials', trial],
    [signal.name, 'hits', `${trial} AND ${hit}`],
    // An unidentified contact cannot be capped by customer: it counts as it is.
    [signal.name, 'capped_hits', `${trial} AND ${hit} AND customer = ''`],
    [signal.name, 'release_capped_hits', `${trial} AND ${hit} AND customer = ''`],
  ]
  if (signal.evaluator === 'recurrence' || signal.evaluator === 'attributed') counts.push([signal.name, 'events', `marked[${text(signal.name)}]`])
  if (signal.evaluator === 'recurrence' && signal.over === 'contacts') counts.push([signal.name, 'arrivals', `marked[${text(`${signal.name}.arrivals`)}]`])
  if (signal.evaluator === 'measure') counts.push([signal.name, 'sum', `if(${trial}, ${CONTACT_NUMBERS[signal.value]}, 0)`])
  return counts
}

function hitSql(signal: Exclude<Signal, { evaluator: 'counters' }>): string {
  if (signal.evaluator === 'share') return `(${predicateSql(signal.hit)})`
  if (signal.evaluator === 'measure') return `${CONTACT_NUMBERS[signal.value]} > ${signal.above}`
  return `marked[${text(signal.name)}] > 0`
}
