/** Writes what Grafana reads: `npm run dashboards`. A test compares the files with what this would write. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { alertRuleFile } from './boards/alert-rules.ts'
import { allBoards, pluginBoards } from './boards/all.ts'

const HERE = new URL('./', import.meta.url)

/** Path below dashboards/ and text of every generated file. */
export function generated(): Readonly<Record<string, string>> {
  const filesOf = (folder: string, boards: ReturnType<typeof allBoards>) =>
    Object.entries(boards).map(([name, json]) => [`${folder}/${name}`, `${JSON.stringify(json, null, 2)}\n`])
  return {
    ...Object.fromEntries(filesOf('grafana', allBoards())),
    ...Object.fromEntries(filesOf('plugin/src/dashboards', pluginBoards())),
    'provisioning/alerting/andon-rules.yaml': `# Generated from dashboards/boards/alert-rules.ts by npm run dashboards: change it there.\n${stringify(alertRuleFile(), { lineWidth: 0 })}`,
  }
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(generated())) {
    const file = new URL(path, HERE)
    mkdirSync(new URL('.', file), { recursive: true })
    writeFileSync(file, text)
  }
}
