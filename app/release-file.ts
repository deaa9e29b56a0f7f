import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { recordSchema } from '../releases/record.ts'
import type { Registry } from '../releases/registry.ts'

const LOOK_EVERY_MS = 60_000

const fileSchema = z
  .array(
    z.strictObject({
      environment: z.string().default(''),
      agent: z.string().min(1),
      release: z.union([z.string().min(1), z.number()]).transform(String),
      by: z.string().trim().min(1),
      reason: z.string().trim().min(1),
      record: recordSchema,
    }),
  )
  .min(1)
type Entry = z.output<typeof fileSchema>[number]

/** Reads a file of release records (YAML or JSON). Throws AndonError `config` that names each mistake by its place. */
export function readReleaseFile(path: string): Entry[] {
  let value: unknown
  try {
    value = parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new AndonError('config', `${path} cannot be read: ${(error as Error).message.split('\n')[0]}`, {
      cause: error,
    })
  }
  const result = fileSchema.safeParse(value)
  if (result.success) return result.data
  const mistakes = result.error.issues.map(
    (issue) => `${path}: ${issue.path.join('.') || 'the file'}: ${issue.message}`,
  )
  throw new AndonError('config', mistakes.join('\n'))
}

/**
 * Keeps the registry up to the file in Git: what is new or changed there is registered, with the file's name and reason. A record that somebody
 * changed by hand meanwhile stays until its entry in the file changes. A file that cannot be read changes nothing and is said in the log.
 */
export async function followReleaseFile(edges: {
  path: string
  registry: Registry
  log: Log
  signal: AbortSignal
}): Promise<void> {
  const { path, registry, log, signal } = edges
  const taken = new Map<string, string>()
  while (!signal.aborted) {
    try {
      for (const { by, reason, record, ...release } of readReleaseFile(path)) {
        const text = JSON.stringify([record, by, reason])
        const key = JSON.stringify(release)
        if (taken.get(key) === text) continue
        await registry.register(release, record, { by, reason })
        taken.set(key, text)
      }
    } catch (error) {
      log.error({ err: (error as Error).message }, 'the file of release records was not taken; trying again')
    }
    await wallClock.sleep(LOOK_EVERY_MS, signal)
  }
}
