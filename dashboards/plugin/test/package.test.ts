import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { archiveOf } from '../package/archive.mts'
import { unzipped } from '../package/unzip.mts'

// What Grafana's loader, its import of an app's boards (pkg/services/plugindashboards) and its plugin validator demand of an archive.

type Include = Readonly<{ type: string; name: string; path: string; uid?: string; role?: string }>
type Manifest = Readonly<{
  id: string
  type: string
  info: Readonly<{ version: string; logos: Record<string, string>; screenshots: readonly { path: string }[] }>
  includes?: readonly Include[]
}>
type Board = Readonly<{ uid: string; title: string; revision: number; schemaVersion: number }> & Record<string, unknown>

const archive = archiveOf(fileURLToPath(new URL('../dist', import.meta.url)))
const files = unzipped(archive.zip)
const json = <T>(path: string): T => JSON.parse(files[path]!.toString()) as T
const ROOT = 'andon-app/'
const app = json<Manifest>(`${ROOT}plugin.json`)
const manifests = Object.keys(files)
  .filter((path) => path.endsWith('/plugin.json'))
  .map((path) => ({ path: path.slice(ROOT.length), ...json<Manifest>(path) }))
const boards = app.includes!.filter(({ type }) => type === 'dashboard')

test('the zip is one folder with the name of the app, with all that is in dist, and its checksum is its own', () => {
  expect(Object.keys(files).sort()).toEqual([...archive.paths].sort())
  for (const path of Object.keys(files)) expect(path.startsWith(ROOT), path).toBe(true)
  expect(archive.name).toBe(`${app.id}-${app.info.version}.zip`)
  expect(archive.sha256).toBe(createHash('sha256').update(archive.zip).digest('hex'))
  for (const name of ['README.md', 'CHANGELOG.md', 'LICENSE'])
    expect(files[ROOT + name]?.length, name).toBeGreaterThan(50)
})

test('each plugin in it has its code, the map of its code, and its pictures at the paths it says', () => {
  expect(manifests).toHaveLength(2)
  for (const { path, info } of manifests) {
    const folder = ROOT + (dirname(path) === '.' ? '' : `${dirname(path)}/`)
    const pictures = [...Object.values(info.logos), ...info.screenshots.map((picture) => picture.path)]
    for (const name of ['module.js', 'module.js.map', ...pictures]) {
      expect(name).toMatch(/^[a-z]/)
      expect(files[folder + name]?.length, folder + name).toBeGreaterThan(50)
    }
    for (const [name, body] of Object.entries(files))
      if (name.endsWith('.svg')) expect(body.toString(), name).not.toMatch(/<script|<foreignObject|\son\w+=|href=/i)
  }
})

test('a plugin within the app is told by the path of its manifest, and its type', () => {
  const nested = manifests.filter(({ path }) => path !== 'plugin.json').map(({ path, type }) => ({ path, type }))
  const told = app.includes!.filter(({ type }) => type === 'panel').map(({ path, type }) => ({ path, type }))
  expect(told).toEqual(nested)
})

/** As Grafana makes the name of a board in its address, for titles of letters, digits, blanks, slashes and hyphens. */
const slugOf = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')

test('Grafana can import every board: found by its path, told apart by its slug, taken again by its revision', () => {
  expect(boards).toHaveLength(6)
  for (const { path, uid } of boards) {
    expect(path).toBe(normalize(path))
    expect(path).toMatch(/^dashboards\/[a-z-]+\.json$/)
    const board = json<Board>(ROOT + path)
    expect(board.uid).toBe(uid)
    expect(board.uid).toMatch(/^[a-zA-Z0-9_-]{1,40}$/)
    expect(Number.isSafeInteger(board.revision) && board.revision > 0, path).toBe(true)
    // An id would overwrite another board; inputs ask for answers that nobody gives when an app is enabled.
    for (const key of ['id', '__inputs', '__requires', '__elements', 'version'])
      expect(board, path).not.toHaveProperty(key)
    expect(files[ROOT + path]!.toString(), path).not.toMatch(/\$\{DS_|\$\{VAR_/)
  }
  const slugs = boards.map(({ path }) => slugOf(json<Board>(ROOT + path).title))
  expect(new Set(slugs).size).toBe(boards.length)
})

test('pages lie under the address of the app', () => {
  for (const { type, path } of app.includes!) if (type === 'page') expect(path).toBe(`/a/${app.id}`)
})

test('the documents name every id that Grafana must be told to load unsigned', () => {
  const page = readFileSync(fileURLToPath(new URL('../../../docs/plugin.md', import.meta.url)), 'utf8')
  const ids = /allow_loading_unsigned_plugins = (\S+)/.exec(page)![1]!.split(',')
  expect(ids.sort()).toEqual(manifests.map(({ id }) => id).sort())
})
