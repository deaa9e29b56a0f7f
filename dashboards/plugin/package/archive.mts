import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { zipOf } from './zip.mts'

export type Archive = Readonly<{
  name: string
  zip: Buffer
  sha256: string
  paths: readonly string[]
  isSigned: boolean
}>

/** A built app as Grafana's `plugins install` wants it: one folder, named as the app. */
export function archiveOf(dist: string): Archive {
  const { id, info } = JSON.parse(readFileSync(join(dist, 'plugin.json'), 'utf8')) as {
    id: string
    info: { version: string }
  }
  const entries = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dist, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => ({ path: [id, ...relative(dist, file).split(sep)].join('/'), body: readFileSync(file) }))
  const zip = zipOf(entries)
  const paths = entries.map(({ path }) => path)
  return {
    name: `${id}-${info.version}.zip`,
    zip,
    sha256: createHash('sha256').update(zip).digest('hex'),
    paths,
    isSigned: paths.includes(`${id}/MANIFEST.txt`),
  }
}
