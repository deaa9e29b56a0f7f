import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Batch, Signal } from '../collector/decode.ts'
import { createNamer } from '../collector/name-span.ts'
import { createPseudonymizer } from '../collector/pseudonym.ts'
import { type Config, signalsOf } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { rowsOf } from '../store/store.clickhouse.ts'
import { createMonitor } from './monitor.ts'
import { readOtlpFile } from './otlp-files.ts'
import { incidentRows, type Report, releaseRows } from './report.clickhouse.ts'
import { type Environment, identitySecret } from './secrets.ts'

export type ReplayOptions = Readonly<{
  files: readonly string[]
  config: Config
  env: Environment
  log: Log
  /** Split rows by channel and queue. */
  slices: boolean
  /** Count input that cannot be read instead of stopping. */
  skipBad: boolean
  /** Keep the store here; null takes a temporary one and removes it. */
  storePath: string | null
  protobufSignal?: Signal
  /** Share of the input taken, in [0, 1]. */
  onProgress?: (share: number, rows: number) => void
}>

/**
 * A batch of replayed history closes when it holds this many rows and spans this much event time, or this many rows in any case: decisions
 * are made per batch, so a batch should not span days where there is data enough to decide earlier.
 */
const BATCH = { rows: 200, spanMs: 3_600_000, mostRows: 8_000 }

/**
 * Replays OTLP files on the same path as live traffic, event times kept, nothing sent.
 * Throws AndonError `unreadable` (file and line) unless `skipBad`.
 */
export async function replayFiles(options: ReplayOptions): Promise<Report & { skipped: readonly string[] }> {
  const total = options.files.reduce((sum, file) => sum + sizeOf(file), 0)
  if (options.storePath !== null) return replayInto(options.storePath, total, options)
  const temporary = mkdtempSync(join(tmpdir(), 'andon-replay-'))
  const remove = () => rmSync(temporary, { recursive: true, force: true, maxRetries: 5 })
  const interrupted = () => process.exit(130)
  process.on('exit', remove).on('SIGINT', interrupted).on('SIGTERM', interrupted)
  try {
    return await replayInto(join(temporary, 'store'), total, options)
  } finally {
    process.off('exit', remove).off('SIGINT', interrupted).off('SIGTERM', interrupted)
    remove()
  }
}

/** @param total bytes of all files */
async function replayInto(
  storePath: string,
  total: number,
  options: ReplayOptions,
): Promise<Report & { skipped: readonly string[] }> {
  const { config, log } = options
  const namer = createNamer(
    config.names,
    createPseudonymizer({
      secret: identitySecret(storePath, config.identity.secret, options.env),
      keyVersion: config.identity.keyVersion,
      conversations: config.identity.conversations,
    }),
  )
  const monitor = await createMonitor({
    config: { ...config, targets: [] },
    env: options.env,
    log,
    clockMode: 'event',
    mode: 'replay',
    storePath,
  })
  try {
    const skipped: string[] = []
    let taken = 0
    let rejected = 0
    let rows = 0
    const pending = createChunks((batch) => monitor.accept(batch).catch(tellWhy))
    for (const file of options.files) {
      const requests = readOtlpFile(file, {
        namer,
        protobufSignal: options.protobufSignal ?? 'traces',
        onBad: (error) => {
          if (!options.skipBad) throw error
          skipped.push(error.message)
        },
        onBytes: (bytes) => {
          taken += bytes
        },
      })
      for await (const request of requests) {
        rejected += request.rejected
        if (request.message !== '') log.warn({ file, line: request.line, rejected: request.rejected }, request.message)
        rows += request.batch.spans.length + request.batch.outcomes.length + request.batch.points.length
        await pending.add(request.batch)
        options.onProgress?.(total > 0 ? Math.min(1, taken / total) : 1, rows)
      }
    }
    await pending.flush()
    await monitor.settle()
    const [counted] = await rowsOf<{ spans: number; distinct: number }>(
      monitor.store,
      `SELECT countIf(span_id != '') AS spans, uniqExactIf((trace_id, span_id), span_id != '') AS distinct FROM spans`,
    )
    return {
      clock: 'event',
      accepted: { spans: counted?.spans ?? 0, distinct: counted?.distinct ?? 0, rejected },
      releases: await releaseRows(monitor.store, signalsOf(config), {
        slices: options.slices,
        clockMs: monitor.nowMs(),
      }),
      incidents: incidentRows(monitor.incidents()),
      skipped,
    }
  } finally {
    await monitor.close()
  }
}

/** A sender is told to come again; whoever waits here, what the store said (a full disk, as a rule). */
function tellWhy(error: unknown): never {
  const { cause } = error as Error
  if (!(error instanceof AndonError) || error.code !== 'unavailable' || !(cause instanceof Error)) throw error
  throw new AndonError('store_failed', `the store cannot go on: ${cause.message}`, { cause })
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size
  } catch (error) {
    throw new AndonError('unreadable', `${file}: ${(error as Error).message}`, { cause: error })
  }
}

/** Gathers requests into batches of the size that {@link BATCH} says. */
function createChunks(accept: (batch: Batch) => Promise<void>) {
  let spans: Batch['spans'][number][] = []
  let outcomes: Batch['outcomes'][number][] = []
  let points: Batch['points'][number][] = []
  let fromMs = Number.POSITIVE_INFINITY
  let toMs = 0
  const flush = async () => {
    if (spans.length + outcomes.length + points.length === 0) return
    const batch = { spans, outcomes, points }
    spans = []
    outcomes = []
    points = []
    fromMs = Number.POSITIVE_INFINITY
    toMs = 0
    await accept(batch)
  }
  const see = (atMs: number) => {
    if (atMs <= 0) return
    fromMs = Math.min(fromMs, atMs)
    toMs = Math.max(toMs, atMs)
  }
  return {
    add: async (batch: Batch) => {
      for (const span of batch.spans) {
        spans.push(span)
        see(span.startedAtMs)
      }
      for (const outcome of batch.outcomes) {
        outcomes.push(outcome)
        see(outcome.atMs)
      }
      for (const point of batch.points) points.push(point)
      const rows = spans.length + outcomes.length + points.length
      if (rows >= BATCH.mostRows || (rows >= BATCH.rows && toMs - fromMs >= BATCH.spanMs)) await flush()
    },
    flush,
  }
}
