import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
// .config is scaffolded by Grafana's create-plugin and stays as it comes, dist and .harness are built.
const SKIPPED = new Set(['node_modules', '.git', '.andon', 'coverage', '.config', 'dist', '.harness'])

function* filesUnder(folder: string): Generator<string> {
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesUnder(path)
    else yield path
  }
}

const files = [...filesUnder('.')]
const sources = files
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => ({ file, text: readFileSync(join(ROOT, file), 'utf8') }))
const isTest = (file: string) =>
  file.includes('.test.ts') || file.startsWith('test/') || /(^|\/)fixtures\.ts$|\.fixtures\.ts$/.test(file)
const roomOf = (file: string): string => (file.includes('/') ? file.split('/')[0]! : file)

/** Which rooms a room may import from; `facts` and `lib` are open to all. Files at the top and app/ wire the rest. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  facts: [],
  lib: [],
  store: [],
  bus: [],
  agent: [],
  collector: [],
  pipeline: ['store', 'bus', 'detectors/signals'],
  detectors: ['store'],
  alerts: [],
  recount: ['store', 'detectors/signals'],
  recovery: ['store', 'pipeline'],
  releases: ['store'],
  api: ['releases'],
  dashboards: ['api', 'detectors/signals'],
  simulator: ['agent'],
  'config.ts': ['config-schema.ts', 'config-checks.ts'],
  'config-checks.ts': ['config-schema.ts', 'alerts', 'api', 'detectors'],
  'config-schema.ts': ['alerts', 'api', 'bus', 'collector', 'detectors', 'recovery', 'releases', 'simulator', 'store'],
  'main.ts': ['app'],
}

const importsOf = (file: string, text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map((match) =>
    normalize(join(dirname(file), match[1]!)),
  )

test('rooms import only what they may: topics and tables join the rest', () => {
  const broken = sources
    .filter(({ file }) => !isTest(file) && MAY_IMPORT[roomOf(file)])
    .flatMap(({ file, text }) =>
      importsOf(file, text)
        .filter((target) => {
          const room = roomOf(file)
          const allowed = [room, 'facts', 'lib', ...MAY_IMPORT[room]!]
          return !allowed.some((prefix) => target === prefix || target.startsWith(`${prefix}/`))
        })
        .map((target) => `${file} imports ${target}`),
    )
  expect(broken).toEqual([])
})

test('time and chance come in through lib/ only', () => {
  const doors = /\bDate\.now\b|\bMath\.random\b|\bsetTimeout\b|\bsetInterval\b|\bnew Date\(\)/
  // The engine child has no room to be handed a clock: it waits for its parent's predecessor to let go of the store.
  // The panel waits in a browser until zooming rests; Grafana hands it no clock.
  const excused = new Set(['store/engine.clickhouse.ts', 'dashboards/plugin/src/timeline/components/use-range.ts'])
  const broken = sources
    .filter(
      ({ file, text }) =>
        !isTest(file) &&
        !file.startsWith('lib/') &&
        !file.startsWith('bench/') &&
        !excused.has(file) &&
        doors.test(codeOf(text)),
    )
    .map(({ file }) => file)
  expect(broken).toEqual([])
})

test('only main.ts reads the environment', () => {
  const broken = sources
    .filter(
      ({ file, text }) =>
        !isTest(file) && !file.startsWith('bench/') && file !== 'main.ts' && /process\.env/.test(codeOf(text)),
    )
    .map(({ file }) => file)
  expect(broken).toEqual([])
})

test('files and functions stay readable', () => {
  const long = sources
    .filter(({ file }) => !file.startsWith('bench/'))
    .map(({ file, text }) => ({ file, lines: text.split('\n').length }))
    .filter(({ file, lines }) => lines > (isTest(file) ? 500 : 380))
    .map(({ file, lines }) => `${file}: ${lines} lines`)
  expect(long).toEqual([])
})

test('nothing in the project tells where or how it was made', () => {
  const forbidden = [
    /\/work\//,
    /\/tmp\/andon/,
    /registry\.npmjs|pypi\.org|repo1\.maven|deb\.debian/i,
    /\bTODO\b|\bFIXME\b/,
  ]
  const broken = files
    .filter(
      (file) =>
        /\.(ts|js|json|md|sql|yml|yaml|css|html|svg|toml|sh)$/.test(file) &&
        !file.endsWith('package-lock.json') &&
        file !== relative(ROOT, fileURLToPath(import.meta.url)),
    )
    .flatMap((file) => {
      const text = readFileSync(join(ROOT, file), 'utf8')
      return forbidden.filter((pattern) => pattern.test(text)).map((pattern) => `${file} has ${pattern}`)
    })
  expect(broken).toEqual([])
})

/** The text without comments and strings, roughly: enough to tell a call from a mention. */
function codeOf(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/'[^'\n]*'/g, "''")
}
