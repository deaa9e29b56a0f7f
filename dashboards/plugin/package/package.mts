/** Writes the zip of dist/, with its checksum beside it: `npm run zip`. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { archiveOf } from './archive.mts'

const ROOT = join(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')

if (!existsSync(join(DIST, 'plugin.json'))) throw new Error('There is no dist/plugin.json: npm run build makes it')
const { name, zip, sha256, paths, isSigned } = archiveOf(DIST)
writeFileSync(join(ROOT, name), zip)
writeFileSync(join(ROOT, `${name}.sha256`), `${sha256}  ${name}\n`)
process.stdout.write(
  `dashboards/plugin/${name}: ${paths.length} files, ${Math.ceil(zip.length / 1024)} kB, ${isSigned ? 'signed' : 'not signed (docs/plugin.md says how)'}\nsha256 ${sha256}\n`,
)
