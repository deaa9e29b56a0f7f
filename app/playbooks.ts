import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Config, readConfig } from '../config.ts'
import { AndonError } from '../lib/errors.ts'

const FOLDER = new URL('../playbooks/', import.meta.url)

/** Names of the ready configurations, each a folder with andon.yaml and runbook.md. */
export const playbooks = (): string[] =>
  readdirSync(FOLDER, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()

/** The configuration of a playbook. Throws AndonError `config` for a name that is none. */
export function playbookNamed(name: string): Config {
  if (!playbooks().includes(name))
    throw new AndonError('config', `--playbook: there is ${playbooks().join(', ')}; found ${name}`)
  return readConfig(fileURLToPath(new URL(`${name}/andon.yaml`, FOLDER)))
}
