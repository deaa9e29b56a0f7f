/**
 * Makes the secrets of a composition that are not there yet, one file each: `node deploy/make-secrets.ts [FOLDER]`. Nothing is ever overwritten:
 * with another identity key, customers would be strangers to their history.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.argv[2] ?? '/secrets'
const password = () => randomBytes(24).toString('hex')
const SECRETS: Readonly<Record<string, () => string>> = {
  identity_key: () => randomBytes(32).toString('hex'),
  receive_token: password,
  page_token: password,
  platform_secret: () => `whsec_${randomBytes(24).toString('base64')}`,
  grafana_admin: password,
  grafana_webhook_secret: password,
  clickhouse_admin: password,
  clickhouse_pipeline: password,
  clickhouse_detector: password,
  clickhouse_alerter: password,
  clickhouse_reader: password,
}

for (const [name, make] of Object.entries(SECRETS)) {
  const file = join(folder, name)
  if (existsSync(file)) continue
  // Readable by the users of the other images; the volume is mounted nowhere else.
  writeFileSync(file, make(), { mode: 0o444, flag: 'wx' })
}
