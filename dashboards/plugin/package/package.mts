/** Zips dist/ as Grafana's `plugins install` wants it, one folder named as the app, with a checksum beside it: `npm run zip`. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { zipOf } from './zip.mts'

const ROOT = join(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')

if (!existsSync(join(DIST, 'plugin.json'))) throw new Error('There is no dist/plugin.json: npm run build makes it')
const { id, info } = JSON.parse(readFileSync(join(DIST, 'plugin.json'), 'utf8')) as {
  id: string
  info: { version: string }
}

const files = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
  .map((name) => join(DIST, name))
  .filter((file) => statSync(file).isFile())
const zip = zipOf(
  files.map((file) => ({ path: [id, ...relative(DIST, file).split(sep)].join('/'), body: readFileSync(file) })),
)
const name = `${id}-${info.version}.zip`
const sum = createHash('sha256').update(zip).digest('hex')
writeFileSync(join(ROOT, name), zip)
writeFileSync(join(ROOT, `${name}.sha256`), `${sum}  ${name}\n`)

const isSigned = files.some((file) => relative(DIST, file) === 'MANIFEST.txt')
process.stdout.write(
  `dashboards/plugin/${name}: ${files.length} files, ${Math.ceil(zip.length / 1024)} kB, ${isSigned ? 'signed' : 'not signed (docs/plugin.md says how)'}\nsha256 ${sum}\n`,
)
