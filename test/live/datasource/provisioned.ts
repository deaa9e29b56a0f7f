import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { Source } from './plugin.ts'

const FILE = new URL('../../../dashboards/provisioning/datasources/andon.yaml', import.meta.url)

/** The ClickHouse data source of the provisioning, with the environment in its values as Grafana puts it there: as texts. */
export function provisionedSource(id: number, env: Readonly<Record<string, string>>): Source {
  const filled = (value: unknown): unknown => {
    if (typeof value === 'string')
      return value.replace(/\$\{(\w+)\}/g, (match, name: string) => {
        const known = env[name]
        if (known === undefined) throw new Error(`nothing sets ${match}`)
        return known
      })
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filled(inner)]))
  }
  const { datasources } = parse(readFileSync(FILE, 'utf8')) as { datasources: Omit<Source, 'id'>[] }
  const { uid, name, type, jsonData, secureJsonData } = datasources.find(
    ({ type }) => type === 'grafana-clickhouse-datasource',
  )!
  return {
    id,
    uid,
    name,
    type,
    ...(filled({ jsonData, secureJsonData }) as Pick<Source, 'jsonData' | 'secureJsonData'>),
  }
}
