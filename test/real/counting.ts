import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Batch, decodeRequest, JSON_TYPE } from '../../collector/decode.ts'
import { createNamer, type Namer } from '../../collector/name-span.ts'
import { PLAIN_NAMES } from '../../collector/names.ts'
import { createPseudonymizer } from '../../collector/pseudonym.ts'
import { fillTimes } from '../../collector/times.ts'
import { compileSignals } from '../../detectors/signals/compile.ts'
import type { Signal } from '../../detectors/signals/definition.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { createSequencer, type Sequencer } from '../../pipeline/sequencer.clickhouse.ts'
import { openStore, rowsOf } from '../../store/store.clickhouse.ts'
import type { OtlpRequest } from './convert.ts'

type Store = Awaited<ReturnType<typeof openStore>>

/** Totals of everything counted: sums of `deltas`. */
export type Sums = Readonly<{
  sum: (signal: string, measure: string) => Promise<number>
  byQueue: (signal: string, measure: string) => Promise<Record<string, number>>
}>

export function sumsOf(store: Store): Sums {
  const byQueue: Sums['byQueue'] = async (signal, measure) => {
    const rows = await rowsOf<{ queue: string; total: number }>(
      store,
      'SELECT queue, sum(deltas.n) AS total FROM deltas WHERE signal = {signal:String} AND measure = {measure:String} GROUP BY queue',
      { signal, measure },
    )
    return Object.fromEntries(rows.map(({ queue, total }) => [queue, total]))
  }
  const sum: Sums['sum'] = async (signal, measure) =>
    Object.values(await byQueue(signal, measure)).reduce((a, b) => a + b, 0)
  return { sum, byQueue }
}

/** The pipeline on a store in `folder`, without detector and alerts. */
export type Counting = Readonly<{
  store: Store
  accept: Sequencer['accept']
  settle: Sequencer['settle']
  close: () => Promise<void>
}>

export type CountingOptions = Readonly<{
  folder: string
  signals: readonly Signal[]
  /** Statements other than the compiled ones, to see what a changed pipeline does. */
  statements?: ReturnType<typeof compileSignals>
  /** Quiet time that ends a contact; null, the default: none does. */
  idleMs?: number | null
}>

export async function startCounting(options: CountingOptions): Promise<Counting> {
  const store = await openStore({ kind: 'embedded', path: join(options.folder, 'store') })
  const sequencer = await createSequencer({
    store,
    statements: options.statements ?? compileSignals(options.signals),
    idleMs: options.idleMs ?? null,
    clock: wallClock,
    clockMode: 'event',
    holdMs: 60_000,
    onBatch: () => {},
    log: silentLog,
  })
  return {
    store,
    accept: sequencer.accept,
    settle: sequencer.settle,
    close: async () => {
      await sequencer.close()
      await store.close()
    },
  }
}

const SECRET = 'a secret of these tests only'

export const plainNamer = (): Namer =>
  createNamer(PLAIN_NAMES, createPseudonymizer({ secret: SECRET, keyVersion: 1, cacheSize: 100_000 }))

/** Facts of requests, each decoded like the body of one POST. */
export function factsOf(requests: readonly OtlpRequest[], namer: Namer): Batch[] {
  return requests.map((request) => {
    const decoded = decodeRequest('traces', JSON_TYPE, Buffer.from(JSON.stringify(request)), namer)
    return fillTimes(decoded, 0)
  })
}

/** One file of JSON lines, as `andon replay` reads it. */
export function writeLines(folder: string, name: string, requests: readonly OtlpRequest[]): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, name)
  writeFileSync(file, requests.map((request) => JSON.stringify(request)).join('\n'))
  return file
}

/** What the truth of a run of real agents says, by the names of a row of the report. */
export const tauFigures = (truth: Readonly<Record<string, string | number | undefined>>) => ({
  contacts: truth.conversations,
  identified: truth.customer_identified,
  calls: truth.tool_calls,
  failedCalls: truth.tool_error ?? 0,
  writes: truth.write_calls,
  failedWrites: truth.write_error ?? 0,
  contactsWithFailedWrite: truth.convs_with_failed_write,
  duplicateWrites: truth.dup_writes ?? 0,
  contactsWithDuplicateWrite: truth.convs_with_dup_write,
  duplicateCreations: truth.dup_creates ?? 0,
  transfers: truth.transfer_calls,
})
