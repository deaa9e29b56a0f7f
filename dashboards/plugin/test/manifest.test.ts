import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { bundledBoard, revisionOf } from '../boards.build.ts'
import { MODULES, VERSIONS } from '../package/compatible.mts'
import { BOARDS } from '../src/boards.ts'

type Manifest = Readonly<{
  id: string
  type: string
  name: string
  buildMode: string
  info: Readonly<{
    description: string
    version: string
    updated: string
    keywords: string[]
    logos: Record<string, string>
  }>
  dependencies: Readonly<{ grafanaDependency: string }>
  includes?: readonly Readonly<{ type: string; name: string; path: string; uid?: string }>[]
}>

const dist = (path: string) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url))
const json = <T>(path: string) => JSON.parse(readFileSync(path, 'utf8')) as T
const app = json<Manifest>(dist('plugin.json'))
const panel = json<Manifest>(dist('timeline/plugin.json'))
const { version } = json<{ version: string }>(fileURLToPath(new URL('../package.json', import.meta.url)))

test.each([
  ['the app', app, 'andon-app', 'app', ''],
  ['the panel', panel, 'andon-releasetimeline-panel', 'panel', 'timeline/'],
] as const)('%s has a manifest that Grafana takes', (_, manifest, id, type, folder) => {
  expect(manifest).toMatchObject({ id, type, buildMode: 'production', info: { version } })
  expect(id).toMatch(/^[0-9a-z]+-([0-9a-z]+-)?(app|panel)$/)
  expect(manifest.info.updated).toMatch(/^\d{4}-\d\d-\d\d$/)
  expect(manifest.info.keywords.length).toBeGreaterThan(0)
  expect(manifest.dependencies.grafanaDependency).toBe('>=12.4.0')
  expect(JSON.stringify(manifest)).not.toMatch(/%[A-Z_]+%/)
  for (const logo of Object.values(manifest.info.logos)) expect(existsSync(dist(folder + logo)), logo).toBe(true)
  expect(existsSync(dist(`${folder}module.js`))).toBe(true)
})

test('what the app says it brings is there, and nothing is there that it does not say', () => {
  const boards = app.includes!.filter(({ type }) => type === 'dashboard')
  for (const { path, uid } of boards) expect(json<{ uid: string }>(dist(path)).uid).toBe(uid)
  expect(readdirSync(dist('dashboards')).map((name) => `dashboards/${name}`)).toEqual(
    boards.map(({ path }) => path).sort(),
  )
  expect(boards.map(({ name, uid }) => ({ title: name, uid }))).toEqual(
    BOARDS.map(({ title, uid }) => ({ title, uid })),
  )
  expect(app.includes!.find(({ type }) => type === 'panel')).toEqual({
    type: 'panel',
    name: panel.name,
    path: 'timeline/plugin.json',
  })
})

test('the boards are those generated next door, with the revision of this version', () => {
  const folder = fileURLToPath(new URL('../../grafana/', import.meta.url))
  const generated = readdirSync(folder)
  expect(generated.length).toBe(BOARDS.length - 1)
  for (const name of generated)
    expect(readFileSync(dist(`dashboards/${name}`), 'utf8')).toBe(
      bundledBoard(readFileSync(folder + name, 'utf8'), version),
    )
  for (const name of readdirSync(dist('dashboards')))
    expect(json(dist(`dashboards/${name}`))).toMatchObject({ revision: revisionOf(version) })
})

test('a later version has a greater revision', () => {
  expect(['0.1.0', '0.1.1', '0.2.0', '1.0.0-rc.1', '1.0.12', '12.0.0'].map(revisionOf)).toEqual([
    1000, 1001, 2000, 1000000, 1000012, 12000000,
  ])
  expect(() => revisionOf('next')).toThrow('“next” is no version')
})

test('the bundles ask for nothing that Grafana does not share, and stay small', () => {
  const shared = new Set(['module', 'react', '@emotion/css', '@grafana/data', '@grafana/ui', '@grafana/runtime'])
  for (const [file, mostKb] of [
    ['module.js', 10],
    ['timeline/module.js', 80],
  ] as const) {
    const text = readFileSync(dist(file), 'utf8')
    const asked = /define\(\[([^\]]*)\]/
      .exec(text)![1]!
      .split(',')
      .map((name) => name.trim().slice(1, -1))
    expect(asked.filter((name) => !shared.has(name))).toEqual([])
    const kb = statSync(dist(file)).size / 1024
    process.stdout.write(`${file}: ${kb.toFixed(1)} kB, ${(gzipSync(text).length / 1024).toFixed(1)} kB gzipped\n`)
    expect(kb).toBeLessThan(mostKb)
  }
})

test('compatibility is checked for every module, with the oldest Grafana that the manifests allow and the one it is built with', () => {
  const { dependencies } = json<{ dependencies: Record<string, string> }>(
    fileURLToPath(new URL('../package.json', import.meta.url)),
  )
  const oldest = app.dependencies.grafanaDependency.replace(/^>=(\d+\.\d+)\..*$/, '$1.')
  expect(VERSIONS[0].startsWith(oldest)).toBe(true)
  expect(VERSIONS[1]).toBe(dependencies['@grafana/ui'])
  const modules = readdirSync(dist(''), { recursive: true }).map(String)
  const loaded = modules
    .filter((path) => /(^|\/)module\.js$/.test(path))
    .map((path) => `src/${path.replace(/\.js$/, '.ts')}`)
  expect([...MODULES].sort()).toEqual(loaded.sort())
})
