import { readFileSync } from 'node:fs'
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client'
import {
  type Attributed,
  type CONTACT_NUMBERS,
  type CONTACT_TEXTS,
  isAgainstUsual,
  type Predicate,
  type Signal,
} from '../detectors/signals/definition.ts'
import type { Slice } from '../facts/slice.ts'
import { assert } from '../lib/errors.ts'
import { rowsOf } from '../store/store.clickhouse.ts'

/** One total on which the pipeline and the recount disagree. signal is '' for plain counts (contacts, calls, writes …). */
export type Difference = Slice & Readonly<{ signal: string; measure: string; counted: number; recounted: number }>

/** `checked` totals were compared, `different` of them differ; `differences` shows the first of them in order of name. */
export type Recount = Readonly<{
  equal: boolean
  checked: number
  different: number
  differences: readonly Difference[]
}>

export type RecountOptions = Readonly<{
  store: ClickHouseClient
  signals: readonly Signal[]
  /** `judge.environments`: they share customers, conversations and records; every other environment has its own. */
  judgedEnvironments?: readonly string[]
  /** `contact.idleHours` in milliseconds, null (the default): a conversation is one contact however long it was quiet. */
  idleMs?: number | null
}>

/** Differences that are shown; all are counted. */
const SHOWN = 1_000
/** Hits of one customer that count per signal, slice (or release) and UTC day of the trial (docs/signals.md). */
const HITS_PER_CUSTOMER_DAY = 3
const HOUR_MS = 3_600_000
/** Longest chain of parents in one trace that can be followed. */
const DEEPEST_TRACE = 100_000
/** Sorts and groups beyond this go to disk. */
const SPILL_BYTES = 128 * 2 ** 20
/** Rows of a part of a step's table: larger ones cost memory. */
const BLOCK_ROWS = 131_072
/** Longest ring of parents that is followed round. */
const LONGEST_RING = 100

const FILES = [
  'contacts.sql',
  'contact-recurrences.sql',
  'create-recurrences.sql',
  'attributions.sql',
  'counters.sql',
  'compare.sql',
]
const STEPS = FILES.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')).join('\n')

/**
 * Computes every total again from the raw facts (`spans`, `outcomes`, `metric_points`), by SQL that shares nothing with the pipeline but the meaning of
 * the words, and compares it with the sums of `deltas`. Changes nothing: its steps are temporary tables, so a client of a server
 * needs a session. True while the facts behind the totals are retained and nothing is being counted meanwhile.
 *
 * @throws the store's error when the recount cannot run, e.g. for want of memory
 */
export async function recount({
  store,
  signals,
  judgedEnvironments = ['', 'production', 'prod'],
  idleMs = null,
}: RecountOptions): Promise<Recount> {
  const statements = statementsOf(signals, judgedEnvironments, idleMs)
  const tables = statements.flatMap((statement) => /CREATE TEMPORARY TABLE (\w+)/.exec(statement)?.[1] ?? [])
  try {
    for (const query of statements) await store.command({ query, clickhouse_settings: settingsOf(query) })
    const [sums] = await rowsOf<{ checked: number; different: number }>(
      store,
      'SELECT toUInt32(count()) AS checked, toUInt32(countIf(differs)) AS different FROM recount_compared',
    )
    assert(sums, 'sums have one row')
    const differences = await rowsOf<Difference>(
      store,
      `SELECT signal, measure, environment, agent, release, channel, queue, counted, recounted FROM recount_compared
       WHERE differs ORDER BY signal, measure, environment, agent, release, channel, queue LIMIT ${SHOWN}`,
    )
    return { equal: sums.different === 0, ...sums, differences }
  } finally {
    for (const table of tables) await store.command({ query: `DROP TEMPORARY TABLE IF EXISTS ${table}` })
  }
}

/** What `andon recount` prints. */
export function renderRecount(result: Recount): string {
  if (result.equal) return `Recounted ${result.checked} totals from raw facts: all equal.\n`
  const lines = result.differences.map((d) => {
    const slice = [d.environment, d.agent, d.release, d.channel, d.queue].map((part) => part || '-').join(' / ')
    return `  ${d.signal ? `${d.signal} ` : ''}${d.measure}: counted ${d.counted}, recounted ${d.recounted}  (${slice})\n`
  })
  const hidden = result.different - result.differences.length
  const more = hidden > 0 ? `  … and ${hidden} more\n` : ''
  return `Recounted ${result.checked} totals from raw facts: ${result.different} differ (environment / agent / release / channel / queue).\n${lines.join('')}${more}`
}

/** Steps are sorted by what the next one joins on, so most joins and groups need no memory; a walk joins few rows with all, by hash. */
const settingsOf = (statement: string): ClickHouseSettings => ({
  join_algorithm: /WITH RECURSIVE|ASOF/.test(statement) ? 'hash' : 'full_sorting_merge',
  // Groups in order hold whole blocks of states: too many for texts.
  optimize_aggregation_in_order: statement.includes('TABLE recount_parts') ? 0 : 1,
  max_bytes_before_external_group_by: String(SPILL_BYTES),
  max_bytes_before_external_sort: String(SPILL_BYTES),
  min_insert_block_size_rows: String(BLOCK_ROWS),
  max_block_size: String(BLOCK_ROWS / 4),
  max_recursive_cte_evaluation_depth: DEEPEST_TRACE,
  // A recount runs each statement once: compiling its expressions costs more than it saves.
  compile_expressions: 0,
  compile_aggregate_expressions: 0,
  compile_sort_description: 0,
})

type ContactSignal = Exclude<Signal, { evaluator: 'counters' }>

/** The steps with what the signals ask for; a statement ends with a semicolon at the end of a line. */
function statementsOf(all: readonly Signal[], judged: readonly string[], idleMs: number | null): string[] {
  const signals = all.filter((signal): signal is ContactSignal => signal.evaluator !== 'counters')
  const counters = all.flatMap((signal) => (signal.evaluator === 'counters' ? [signal] : []))
  const counts = [...PLAIN_COUNTS, ...signals.flatMap(countsOf)]
  const hits = counts.filter(([, measure]) => measure === 'hits')
  return STEPS.replace('%found%', () =>
    unionOf(signals.flatMap(foundBy), "SELECT '' AS contact_id, '' AS name, toFloat64(0) AS n WHERE 0"),
  )
    .replace('%unattributed%', () =>
      unionOf(signals.flatMap(unattributedOf), "SELECT '' AS signal, toFloat64(0) AS n WHERE 0"),
    )
    .replace('%counts%', () => counts.map(([, , sql]) => `    ${sql}`).join(',\n'))
    .replace('%names%', () => counts.map(([signal, measure]) => `  (${quote(signal)}, ${quote(measure)})`).join(',\n'))
    .replace('%hits%', () => hits.map(([, , sql]) => `    ${sql}`).join(',\n'))
    .replace('%hit_names%', () => hits.map(([signal]) => quote(signal)).join(', '))
    .replace('%quantities%', () => {
      const rows = signals
        .filter(isAgainstUsual)
        .map(
          ({ name, trial, value }) =>
            `(${quote(name)}, sampled = 0 AND ${conditionOf(trial)}, toFloat64(${NUMBERS[value]}))`,
        )
      return rows.join(', ') || "('', 0 = 1, toFloat64(0))"
    })
    .replace('%signals%', () => ['', ...all.map((signal) => signal.name)].map(quote).join(', '))
    .replace('%counters%', () => listOf(counters.flatMap(({ trials, hits }) => [trials, hits])))
    .replace('%counted%', () => listOf(counters.map(({ name }) => name)))
    .replace('%counter_signals%', () => {
      const rows = counters.flatMap(({ name, trials, hits }) => [
        `(${quote(trials)}, ${quote(name)}, 'trials')`,
        ...COUNTER_HITS.map((measure) => `(${quote(hits)}, ${quote(name)}, ${quote(measure)})`),
      ])
      return `[${rows.join(', ') || "('', '', '')"}]`
    })
    .replaceAll('%idle_ms%', String(idleMs === null ? -1 : Math.round(idleMs)))
    .replaceAll('%cap%', String(HITS_PER_CUSTOMER_DAY))
    .replaceAll('%longest_ring%', String(LONGEST_RING))
    .replaceAll('%judged%', judged.map(quote).join(', '))
    .split(/;$/m)
    .filter((statement) => statement.trim() !== '')
}

/** A counter names no customer, so its hits count in evidence as they are. */
const COUNTER_HITS = ['hits', 'capped_hits', 'release_capped_hits']

/** Values of an IN; of none, a value that nothing has. */
const listOf = (texts: readonly string[]): string => (texts.length > 0 ? texts.map(quote).join(', ') : "'\\0'")

const unionOf = (selects: readonly string[], none: string): string =>
  selects.length > 0 ? selects.join('\nUNION ALL\n') : none

/** SELECTs of (contact_id, name, n): what a signal finds beyond the contact itself. */
function foundBy(signal: ContactSignal): readonly string[] {
  if (signal.evaluator === 'recurrence' && signal.over === 'contacts') {
    const within = `FROM recount_returns WHERE after_ms <= ${Math.round(signal.windowHours * HOUR_MS)}`
    return [
      `SELECT contact_id, ${quote(signal.name)} AS name, toFloat64(1) AS n ${within}`,
      `SELECT return_id AS contact_id, ${quote(arrivalsOf(signal.name))} AS name, toFloat64(1) AS n ${within}`,
    ]
  }
  if (signal.evaluator === 'recurrence')
    return [
      `SELECT contact_id, ${quote(signal.name)} AS name, toFloat64(1) AS n FROM recount_recreations WHERE after_ms <= ${Math.round(signal.windowHours * HOUR_MS)}`,
    ]
  if (signal.evaluator === 'attributed') {
    const found = (name: string, n: string) =>
      `SELECT contact_id, ${quote(name)} AS name, toFloat64(${n}) AS n FROM recount_attributions WHERE ${isAbout(signal)} AND age_ms <= ${Math.round(signal.windowHours * HOUR_MS)}`
    return signal.outcome === 'review'
      ? [found(signal.name, '1'), found(minutesOf(signal.name), 'review_minutes')]
      : [found(signal.name, '1')]
  }
  return []
}

const isAbout = (signal: Attributed): string =>
  `kind = ${quote(signal.outcome)}${signal.flag === '' ? '' : ` AND flag = ${quote(signal.flag)}`}`

/** SELECTs of (signal, n): outcomes that no contact answers for. */
function unattributedOf(signal: ContactSignal): readonly string[] {
  if (signal.evaluator !== 'attributed') return []
  const found = `SELECT outcome_id FROM recount_attributions WHERE age_ms <= ${Math.round(signal.windowHours * HOUR_MS)}`
  return [
    `SELECT ${quote(signal.name)} AS signal, toFloat64(1) AS n FROM recount_heard WHERE ${isAbout(signal)} AND outcome_id NOT IN (${found})`,
  ]
}

/** Names of what is found beside the hits of a signal. */
const minutesOf = (signal: string): string => `${signal}.minutes`
const arrivalsOf = (signal: string): string => `${signal}.arrivals`

type Count = readonly [signal: string, measure: string, sql: string]

const PLAIN_COUNTS: readonly Count[] = [
  ['', 'contacts', '1'],
  ['', 'identified', 'notEmpty(customer)'],
  ['', 'calls', 'calls'],
  ['', 'failed_calls', 'failed_calls'],
  ['', 'writes', 'writes'],
  ['', 'failed_writes', 'failed_writes'],
  ['', 'contacts_with_write', 'writes >= 1'],
  ['', 'contacts_with_failed_write', 'failed_writes >= 1'],
  ['', 'creates', 'creates'],
  ['', 'duplicate_writes', 'duplicate_writes'],
  ['', 'contacts_with_duplicate_write', 'duplicate_writes >= 1'],
  ['', 'transfers', 'transfers'],
  ['', 'contacts_transferred', 'transfers >= 1'],
  ['', 'sampled', 'sampled'],
]

/** A sampled contact is no trial; what was found about it is still counted as events and arrivals. */
function countsOf(signal: ContactSignal): readonly Count[] {
  const { name } = signal
  const trial = `(sampled = 0 AND ${conditionOf(signal.trial)})`
  const counts: Count[] = [[name, 'trials', trial]]
  if (!isAgainstUsual(signal)) counts.push([name, 'hits', `${trial} AND ${hitOf(signal)}`])
  if (signal.evaluator === 'recurrence' || signal.evaluator === 'attributed')
    counts.push([name, 'events', `found[${quote(name)}]`])
  if (signal.evaluator === 'recurrence' && signal.over === 'contacts')
    counts.push([name, 'arrivals', `found[${quote(arrivalsOf(name))}]`])
  if (signal.evaluator === 'attributed' && signal.outcome === 'review')
    counts.push([name, 'minutes', `found[${quote(minutesOf(name))}]`])
  if (signal.evaluator === 'measure') counts.push([name, 'sum', `${trial} * (${NUMBERS[signal.value]})`])
  return counts
}

function hitOf(signal: ContactSignal): string {
  if (signal.evaluator === 'share') return conditionOf(signal.hit)
  if (signal.evaluator === 'measure') return `(${NUMBERS[signal.value]} > ${signal.above})`
  return `found[${quote(signal.name)}] >= 1`
}

const NUMBERS: Readonly<Record<keyof typeof CONTACT_NUMBERS, string>> = {
  calls: 'calls',
  failedCalls: 'failed_calls',
  writes: 'writes',
  failedWrites: 'failed_writes',
  creates: 'creates',
  duplicateWrites: 'duplicate_writes',
  transfers: 'transfers',
  amount: 'amount',
  durationSeconds: '(toUnixTimestamp64Milli(ended_at) - toUnixTimestamp64Milli(started_at)) / 1000',
}

const TEXTS: Readonly<Record<keyof typeof CONTACT_TEXTS, string>> = {
  customer: 'customer',
  intent: 'intent',
  channel: 'channel',
  queue: 'queue',
  region: 'region',
  autonomy: 'autonomy',
  initiator: 'initiator',
  contactEnd: 'contact_end',
}

/** A condition without `is` and `known` asks for an empty text. */
function conditionOf(predicate: Predicate): string {
  const parts = predicate.map((condition) => {
    if ('above' in condition) return `${NUMBERS[condition.field]} > ${condition.above}`
    const text = TEXTS[condition.field]
    return condition.known ? `notEmpty(${text})` : `has([${(condition.is ?? ['']).map(quote).join(', ')}], ${text})`
  })
  return parts.length === 0 ? '1' : `(${parts.join(' AND ')})`
}

const quote = (text: string): string => `'${text.replace(/[\\']/g, (character) => `\\${character}`)}'`
