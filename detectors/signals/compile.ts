import { readFileSync } from 'node:fs'
import type { OutcomeKind } from '../../facts/span.ts'
import {
  type Attributed,
  CONTACT_NUMBERS,
  CONTACT_TEXTS,
  isAgainstUsual,
  type Predicate,
  type Recurrence,
  type Signal,
} from './definition.ts'
import { binMeasureSql, binSql } from './value-bins.ts'

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
  counters: fileOf('counters.sql'),
}

const text = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
/** Fills %name% marks; a mark without a value (%token%) stays. */
const fill = (sql: string, values: Readonly<Record<string, string | number>>): string =>
  sql.replace(/%(\w+)%/g, (mark, name: string) => String(values[name] ?? mark))

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

/** What a batch touched: nothing else makes the SQL of a signal worth running. */
export type Touches = Readonly<{ contacts: boolean; creates: boolean; outcomes: boolean }>

/** SQL of one batch; every statement takes the parameter `seq`, and `deltas` the number of the lane that counts (0 where one counts all). */
export type CompiledSignals = Readonly<{
  /**
   * SELECT of (contact_id, mark, n): how the batch changed what other facts charge to a contact. Null when no signal needs it.
   * Parameters: customers, records (keys of places), from, to (range of touched places, ms); outcome_keys, outcomes (ids).
   */
  marks: (touches: Touches) => string | null
  /** Outcome kinds that a signal reads; the others need no attribution. */
  outcomeKinds: readonly OutcomeKind[]
  /** INSERT of every change of a count. `%token%` is left for the caller, as in `capped`. */
  deltas: string
  /** INSERT of what is too much for one customer and day. Parameter: customers. */
  capped: string
  /** Names of the metrics that signals count. */
  counterNames: readonly string[]
  /** INSERT of the increases of counters. Parameters: names, series, from (ms). */
  counters: string
}>

/** Compiles signals (data) into the SQL that a batch runs; one statement serves all signals of an evaluator. */
export function compileSignals(signals: readonly Signal[]): CompiledSignals {
  const followed = signals.filter(
    (signal) => signal.evaluator === 'recurrence' && signal.over === 'contacts',
  ) as Recurrence[]
  const created = signals.filter(
    (signal) => signal.evaluator === 'recurrence' && signal.over === 'creates',
  ) as Recurrence[]
  const attributed = signals.filter((signal) => signal.evaluator === 'attributed')
  const statements = {
    contacts: followed.length > 0 ? contactsSql(followed) : null,
    creates: created.length > 0 ? createsSql(created) : null,
    outcomes: attributed.length > 0 ? attributedSql(attributed) : null,
  }
  const judged = signals.flatMap(judgedCountsOf)
  const counters = signals.flatMap(countersOf)
  return {
    marks: (touches) => {
      const selects = (['contacts', 'creates', 'outcomes'] as const).flatMap((part) =>
        touches[part] && statements[part] ? [statements[part]] : [],
      )
      return selects.length > 0 ? selects.join('\nUNION ALL\n') : null
    },
    outcomeKinds: [...new Set(attributed.map((signal) => signal.outcome))],
    deltas: fill(FILES.deltas, {
      names: PLAIN_COUNTS.map(([name]) => name).join(', '),
      counts: PLAIN_COUNTS.map(([, value]) => value).join(', '),
      judged_names: judged.map(([name]) => name).join(', '),
      judged_counts: judged.map(([, value]) => value).join(',\n      '),
    }),
    capped: fill(FILES.capped, { cap: HITS_PER_CUSTOMER_DAY }),
    counterNames: [...new Set(counters.map((counter) => counter.name))],
    counters: fill(FILES.counters, {
      names: counters.map((counter) => text(counter.name)).join(', '),
      signals: counters.map((counter) => text(counter.signal)).join(', '),
      measures: counters.map((counter) => text(counter.measure)).join(', '),
    }),
  }
}

const windowMs = (signal: Recurrence | Attributed): number => Math.round(signal.windowHours * HOUR_MS)

function contactsSql(signals: readonly Recurrence[]): string {
  const marks = signals.flatMap((signal) => [
    { marked: 'contact_id', name: `${signal.name}.events`, windowMs: windowMs(signal) },
    { marked: 'next.2', name: `${signal.name}.arrivals`, windowMs: windowMs(signal) },
  ])
  return fill(FILES.contacts, {
    marked: marks.map((mark) => mark.marked).join(', '),
    marks: marks.map((mark) => text(mark.name)).join(', '),
    windows: marks.map((mark) => mark.windowMs).join(', '),
    window_ms: Math.max(...signals.map(windowMs)),
  })
}

const createsSql = (signals: readonly Recurrence[]): string =>
  fill(FILES.creates, {
    marks: signals.map((signal) => text(`${signal.name}.events`)).join(', '),
    windows: signals.map(windowMs).join(', '),
    window_ms: Math.max(...signals.map(windowMs)),
  })

function attributedSql(signals: readonly Attributed[]): string {
  const marks = signals.flatMap((signal) => {
    const matches = `kind = ${text(signal.outcome)}${signal.flag === '' ? '' : ` AND flag = ${text(signal.flag)}`}`
    const mark = { name: `${signal.name}.events`, matches, windowMs: windowMs(signal), weight: '1' }
    return signal.outcome === 'review'
      ? [mark, { ...mark, name: `${signal.name}.minutes`, weight: 'review_minutes' }]
      : [mark]
  })
  return fill(FILES.attributed, {
    marks: marks.map((mark) => text(mark.name)).join(', '),
    matches: marks.map((mark) => mark.matches).join(', '),
    windows: marks.map((mark) => mark.windowMs).join(', '),
    weights: marks.map((mark) => mark.weight).join(', '),
  })
}

/** A count of contacts, as SQL: its name (`signal.measure`) and the value of one contact. */
type Count = readonly [name: string, value: string]

/** Counts that need no signal: what reports and boards show of every slice. */
const PLAIN: readonly Count[] = [
  ['.contacts', '1'],
  ['.identified', "customer != ''"],
  ['.calls', 'calls'],
  ['.failed_calls', 'failed_calls'],
  ['.writes', 'writes'],
  ['.failed_writes', 'failed_writes'],
  ['.contacts_with_write', 'writes > 0'],
  ['.contacts_with_failed_write', 'failed_writes > 0'],
  ['.creates', 'creates'],
  ['.duplicate_writes', 'duplicate_writes'],
  ['.contacts_with_duplicate_write', 'duplicate_writes > 0'],
  ['.transfers', 'transfers'],
  ['.contacts_transferred', 'transfers > 0'],
  ['.sampled', 'sampled'],
]
const PLAIN_COUNTS = PLAIN.map(([name, value]): Count => [text(name), value])

/** Counts of contacts that are not sampled: tail sampling keeps errors and would look like harm, so sampled ones are never judged. */
function judgedCountsOf(signal: Signal, index: number): readonly Count[] {
  if (signal.evaluator === 'counters') return []
  const trial = `trial_${index}`
  const nameOf = (measure: string) => text(`${signal.name}.${measure}`)
  const counts: Count[] = [[nameOf('trials'), `(${predicateSql(signal.trial)}) AS ${trial}`]]
  if (signal.evaluator === 'measure') {
    const value = CONTACT_NUMBERS[signal.value]
    counts.push([nameOf('sum'), `if(${trial}, ${value}, 0)`])
    if (isAgainstUsual(signal)) return [...counts, [`concat(${nameOf('')}, ${binMeasureSql(binSql(value))})`, trial]]
  }
  return [...counts, [nameOf('hits'), `${trial} AND ${hitSql(signal)}`]]
}

type ContactSignal = Exclude<Signal, { evaluator: 'counters' }>

/** SQL that is true of a row of `contacts` that is a hit, if it is a trial. */
export function hitSql(signal: ContactSignal): string {
  if (signal.evaluator === 'share') return `(${predicateSql(signal.hit)})`
  if (signal.evaluator === 'measure') return `${CONTACT_NUMBERS[signal.value]} > ${signal.above}`
  return `marks[${text(`${signal.name}.events`)}] > 0`
}

/** Counters know no customers: their hits count in evidence as they are. */
function countersOf(signal: Signal): { name: string; signal: string; measure: string }[] {
  if (signal.evaluator !== 'counters') return []
  const hits = ['hits', 'capped_hits', 'release_capped_hits'].map((measure) => ({
    name: signal.hits,
    signal: signal.name,
    measure,
  }))
  return [{ name: signal.trials, signal: signal.name, measure: 'trials' }, ...hits]
}
