import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { SecretRef } from '../alerts/targets.ts'
import { AndonError } from '../lib/errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Reads a secret from where the configuration says it is kept. Throws AndonError `secret` that names the place, never the value. */
export function readSecret(ref: SecretRef, env: Environment): string {
  if ('env' in ref) {
    const value = env[ref.env]
    if (!value) throw new AndonError('secret', `the environment variable ${ref.env} is not set`)
    return value
  }
  try {
    return readFileSync(ref.file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new AndonError('secret', `the file ${ref.file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * The key of the API that is made once and kept beside the store, readable by its owner only: whoever may read the store's files may do
 * everything. `make: false` never makes one; null then, when there is none.
 */
export function localKey(storePath: string, options: { make: true }): string
export function localKey(storePath: string, options: { make: boolean }): string | null
export function localKey(storePath: string, options: { make: boolean }): string | null {
  const file = join(dirname(storePath), 'api.key')
  if (!existsSync(file)) {
    if (!options.make) return null
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
  }
  return readFileSync(file, 'utf8').trim()
}

/**
 * What commands that only read show instead of the key: whatever listens on the monitor's port while it is down learns nothing that could write.
 */
export const readingKey = (key: string): string => createHmac('sha256', key).update('andon reading').digest('hex')

/**
 * The key of the pseudonyms: configured, else made once and kept beside the store. Losing it makes customers strangers to their history.
 * `make: false` never makes one: a new key would give pseudonyms that nothing stored has. Throws AndonError `secret` then.
 */
export function identitySecret(
  storePath: string,
  ref: SecretRef | undefined,
  env: Environment,
  options: { make: boolean } = { make: true },
): string {
  if (ref) return readSecret(ref, env)
  const file = join(dirname(storePath), 'identity.key')
  if (!existsSync(file)) {
    if (!options.make)
      throw new AndonError(
        'secret',
        `there is no key beside the store (${file}): pseudonyms need the one that the monitor used; set identity.secret, or run this where its store is (--store)`,
      )
    makeKey(file)
  }
  return readFileSync(file, 'utf8').trim()
}

function makeKey(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    throw new AndonError(
      'secret',
      `the key of the pseudonyms cannot be kept beside the store: ${(cause as Error).message}; choose another --store, or set identity.secret`,
      { cause },
    )
  }
}
