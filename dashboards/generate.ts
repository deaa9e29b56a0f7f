/**
 * Writes what Grafana reads: `npm run dashboards`. A test compares the files with what this would write. For a Grafana of one's own,
 * `npm run dashboards -- --page https://andon.example.com --to FOLDER` writes the boards into a folder, with the address of the monitor's page in them.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { alertRuleFile } from './boards/alert-rules.ts'
import { allBoards, pluginBoards } from './boards/all.ts'
import { MONITOR_PAGE } from './boards/variables.ts'

const HERE = new URL('./', import.meta.url)

/** Path below dashboards/ and text of every generated file. */
export function generated(): Readonly<Record<string, string>> {
  return {
    ...textsOf('grafana', allBoards()),
    ...textsOf('plugin/src/dashboards', pluginBoards()),
    'provisioning/alerting/andon-rules.yaml': `# Generated from dashboards/boards/alert-rules.ts by npm run dashboards: change it there.\n${stringify(alertRuleFile(), { lineWidth: 0 })}`,
  }
}

/** Name and text of every board, whose links lead to this page of a monitor. Throws where it is no address. */
export function boardsFor(page: string): Readonly<Record<string, string>> {
  if (!/^https?:$/.test(URL.parse(page)?.protocol ?? ''))
    throw new Error(
      `--page must be the address of the monitor's page, such as https://andon.example.com; it is '${page}'`,
    )
  const base = JSON.stringify(page.replace(/\/+$/, '')).slice(1, -1)
  return Object.fromEntries(
    Object.entries(textsOf('.', allBoards())).map(([name, text]) => [name, text.replaceAll(MONITOR_PAGE, () => base)]),
  )
}

const textsOf = (folder: string, boards: ReturnType<typeof allBoards>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(boards).map(([name, json]) => [join(folder, name), `${JSON.stringify(json, null, 2)}\n`]),
  )

if (import.meta.main) {
  const { values } = parseArgs({ options: { page: { type: 'string' }, to: { type: 'string' } } })
  const { page, to } = values
  if ((page === undefined) !== (to === undefined)) throw new Error('--page and --to belong together')
  const files =
    page === undefined || to === undefined
      ? Object.entries(generated()).map(([path, text]) => [new URL(path, HERE), text] as const)
      : Object.entries(boardsFor(page)).map(([name, text]) => [pathToFileURL(join(to, name)), text] as const)
  for (const [file, text] of files) {
    mkdirSync(new URL('.', file), { recursive: true })
    writeFileSync(file, text)
  }
}
