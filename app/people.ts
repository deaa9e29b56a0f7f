import { createInterface } from 'node:readline'
import { createPseudonymizer } from '../collector/pseudonym.ts'
import type { Config } from '../config.ts'
import { AndonError } from '../lib/errors.ts'
import { openExistingStore, requireStore } from './existing-store.clickhouse.ts'
import { forgetCustomers, rowsHolding } from './forget.clickhouse.ts'
import { type Environment, identitySecret } from './secrets.ts'
import { table } from './table.ts'

/** Prints one line per customer, `identity<TAB>pseudonym`, in the order given. Throws AndonError `secret` where the key is not. */
export async function pseudonyms(options: {
  config: Config
  env: Environment
  identities: readonly string[]
}): Promise<void> {
  const pseudonymOf = pseudonymizerOf(options.config, options.env)
  for await (const identity of eachOf(options.identities))
    process.stdout.write(`${identity}\t${pseudonymOf(identity)}\n`)
}

/**
 * Erases customers from the store, or with `doIt: false` says what would be erased. Prints counts, never identities.
 * Throws AndonError `store_locked` while a monitor runs, `unreadable` without a store, `secret` without the key.
 */
export async function forget(options: {
  config: Config
  env: Environment
  identities: readonly string[]
  arePseudonyms: boolean
  doIt: boolean
}): Promise<void> {
  const { config, env } = options
  requireStore(config)
  const pseudonymOf = options.arePseudonyms ? checkedPseudonym : pseudonymizerOf(config, env)
  const customers = new Set<string>()
  for await (const identity of eachOf(options.identities)) customers.add(pseudonymOf(identity))
  const store = await openExistingStore(config, env)
  try {
    const held = await rowsHolding(store, [...customers])
    const people = `${customers.size} customer${customers.size === 1 ? '' : 's'}`
    if (held.length === 0)
      return console.log(
        `Nothing is stored about ${people}. Was it the same key, and the same spelling as the agents send?`,
      )
    console.log(
      table(
        ['table', 'rows'],
        held.map(({ table: name, rows }) => [name, rows.toLocaleString('en-US')]),
      ),
    )
    if (!options.doIt)
      return console.log(
        `\nThese rows name ${people}. Nothing was changed: add --yes to erase them from these rows; totals stay.`,
      )
    await forgetCustomers(store, [...customers])
    console.log(
      `\nErased ${people}: these rows no longer name anyone, and totals are as they were. Backups, and what agents send from now on, are not reached by this.`,
    )
  } finally {
    await store.close()
  }
}

function pseudonymizerOf(config: Config, env: Environment): (identity: string) => string {
  const secret = identitySecret(config.store.path, config.identity.secret, env, { make: false })
  return createPseudonymizer({ secret, keyVersion: config.identity.keyVersion }).customer
}

function checkedPseudonym(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text
  throw new AndonError(
    'unreadable',
    `a pseudonym has 32 hex digits, as \`andon pseudonym\` prints it; found ${text.length} characters that are none`,
  )
}

/** The arguments, else the lines of stdin; empty ones name nobody. */
async function* eachOf(identities: readonly string[]): AsyncGenerator<string> {
  if (identities.length === 0 && process.stdin.isTTY)
    throw new AndonError('unreadable', 'name customers as arguments, or one per line on stdin')
  let some = false
  for await (const line of identities.length > 0 ? identities : createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue
    some = true
    yield line
  }
  if (!some) throw new AndonError('unreadable', 'no customer was named: the input is empty')
}
