import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { boardsFor, generated } from '../generate.ts'
import { allBoards, pluginBoards } from './all.ts'
import type { BoardJson } from './finish.ts'
import { BOARDS, SHARED } from './links.ts'
import { allVariablesOf, annotationsOf, clickhouseQueriesOf, type PanelJson, panelsOf } from './read.fixtures.ts'
import { boardSchema } from './schema.fixtures.ts'
import { MONITOR_PAGE } from './variables.ts'

const boards = Object.entries({ ...allBoards(), ...pluginBoards() })
const readable = (panel: PanelJson): boolean => panel.type !== 'row'

test('the generated files are up to date: `npm run dashboards` writes them', () => {
  for (const [path, text] of Object.entries(generated()))
    expect(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'), path).toBe(text)
  const written = Object.keys(generated()).filter((path) => path.startsWith('grafana/'))
  expect(readdirSync(new URL('../grafana', import.meta.url)).map((file) => `grafana/${file}`)).toEqual(written.sort())
})

test('no board names a data source by uid, and none asks for one at import', () => {
  for (const [file, board] of boards) {
    const text = JSON.stringify(board)
    expect(text, file).not.toContain('${DS_')
    expect(text, file).not.toContain('__inputs')
    const sources = new Set(
      allVariablesOf(board)
        .filter(({ type }) => type === 'datasource')
        .map(({ name }) => `\${${name}}`),
    )
    const used = [...text.matchAll(/"datasource":\{"type":"([^"]+)","uid":"([^"]+)"\}/g)]
    expect(used.length, file).toBeGreaterThan(5)
    for (const [, type, uid] of used) {
      expect(sources, `${file}: ${type}`).toContain(uid)
      expect(uid).toBe(type === 'prometheus' ? '${prometheus}' : '${clickhouse}')
    }
    expect([...text.matchAll(/"datasource":/g)], `${file}: a data source in another shape`).toHaveLength(used.length)
  }
})

test('boards are told apart by uid and title, and are linked by tag with range and selection', () => {
  expect(new Set(boards.map(([, board]) => board.uid))).toEqual(new Set(Object.values(BOARDS).map(({ uid }) => uid)))
  expect(new Set(boards.map(([, board]) => board.title)).size).toBe(boards.length)
  for (const [file, board] of boards) {
    expect(board.tags, file).toContain('andon')
    expect(board.links, file).toEqual([
      expect.objectContaining({ type: 'dashboards', tags: ['andon'], includeVars: true, keepTime: true }),
    ])
  }
})

test('every board has the same variables, hidden where it has no use for them: no link loses or narrows the selection', () => {
  const sharedOf = (board: BoardJson) =>
    allVariablesOf(board)
      .filter(({ name }) => (SHARED as readonly string[]).includes(name))
      .map(({ hide: _, ...variable }) => variable)
  const [, first] = boards[0]!
  expect(sharedOf(first).map(({ name }) => name)).toEqual([...SHARED])
  for (const [file, board] of boards) expect(sharedOf(board), file).toEqual(sharedOf(first))
})

test('a variable of one board alone is on no other, so what it holds narrows nothing else', () => {
  const own = boards.flatMap(([, board]) =>
    allVariablesOf(board)
      .map(({ name }) => name)
      .filter((name) => !(SHARED as readonly string[]).includes(name)),
  )
  expect(own.sort()).toEqual(['instance', 'left', 'period', 'prometheus', 'right'])
})

test('a board shows what its panels and links read, and hides the rest', () => {
  for (const [file, board] of boards) {
    const used = JSON.stringify([board.panels, board.annotations]).replace(/\/d\/[^"]*/g, '')
    for (const { name, hide } of allVariablesOf(board))
      expect(hide === undefined, `${file} ${name}`).toBe(new RegExp(`\\$\\{?${name}\\b`).test(used))
  }
})

/** Addresses of links in panels, and what they set and keep. */
const linksOf = (board: BoardJson, uid: string): URLSearchParams[] =>
  [...JSON.stringify(board).matchAll(new RegExp(`"/d/${uid}\\?((?:[^"\\\\]|\\\\.)*)"`, 'g'))].map(
    ([, query]) => new URLSearchParams(query!.replaceAll(/\$\{(\w+):queryparam\}/g, '$1=kept').replaceAll('\\"', '"')),
  )

test('a link to the comparison names the whole release, and keeps the selection', () => {
  for (const file of ['andon-live.json', 'andon-on-call.json', 'andon-leaders.json', 'andon-timeline.json']) {
    const links = linksOf(Object.fromEntries(boards)[file]!, 'andon-releases')
    expect(links.length, file).toBeGreaterThan(0)
    for (const link of links) {
      expect(link.get('var-left'), file).toBe('${__data.fields["release_key"]:percentencode}')
      for (const name of SHARED)
        expect([link.get(name), link.get(`var-${name}`)], `${file} ${name}`).toEqual(['kept', null])
    }
  }
})

test('a row of the history is compared with the release chosen above, or takes its place', () => {
  const [withThis, this_] = linksOf(Object.fromEntries(boards)['andon-releases.json']!, 'andon-releases')
  expect([withThis!.get('left'), withThis!.get('var-right')]).toEqual([
    'kept',
    '${__data.fields["release_key"]:percentencode}',
  ])
  expect(this_!.get('var-left')).toBe('${__data.fields["release_key"]:percentencode}')
})

test('two releases keep their colours in every panel of the comparison', () => {
  const board = Object.fromEntries(boards)['andon-releases.json']!
  const colours = panelsOf(board).flatMap(({ title, type, fieldConfig }) =>
    type !== 'timeseries'
      ? []
      : ['_a', '_b'].map((end) => {
          const mine = fieldConfig!.overrides.filter(({ matcher }) => matcher.options.endsWith(end))
          const fixed = mine.map(
            ({ properties }) =>
              (properties.find(({ id }) => id === 'color')?.value as { fixedColor: string } | undefined)?.fixedColor,
          )
          return [title, end, [...new Set(fixed)]]
        }),
  )
  expect(colours.length).toBe(10)
  for (const [title, end, fixed] of colours)
    expect(fixed, `${title} ${end}`).toEqual([end === '_a' ? 'blue' : 'dark-orange'])
})

describe.each(boards)('%s', (_, board) => {
  const panels = panelsOf(board)

  test('it holds what Grafana knows, and nothing else', () => {
    const { error } = boardSchema.safeParse(board)
    expect(error && z.prettifyError(error)).toBeUndefined()
  })

  test('every panel says what it shows, in which unit, and what it means when it is empty', () => {
    for (const panel of panels.filter(readable)) {
      expect(panel.title, `panel ${panel.id}`).toMatch(/^[A-Z]/)
      expect(panel.description?.length ?? 0, panel.title).toBeGreaterThan(20)
      if (panel.type === 'text') continue
      expect(panel.fieldConfig?.defaults.unit, panel.title).toEqual(expect.any(String))
      // A stat writes it as large as it fits: a sentence would be too small to read.
      expect(panel.fieldConfig?.defaults.noValue, panel.title).toMatch(
        panel.type === 'stat' ? /^.{1,20}$/ : /^[A-Z].{15,}/,
      )
      expect(panel.targets?.length, panel.title).toBeGreaterThan(0)
    }
  })

  test('an empty cell of a table does not say why a whole panel may be empty', () => {
    for (const { title, type, fieldConfig } of panels)
      if (type === 'table')
        for (const { matcher, properties } of fieldConfig!.overrides)
          expect(properties.find(({ id }) => id === 'noValue')?.value, `${title}: ${matcher.options}`).toBe('–')
  })

  test('ids and refIds are given once, titles are not repeated', () => {
    const ids = panels.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const titles = panels.map(({ title }) => title)
    expect(new Set(titles).size).toBe(titles.length)
    for (const { title, targets = [] } of panels)
      expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.filter(({ refId }) => refId).length)
  })

  test('panels lie on the grid without covering each other', () => {
    const cells = new Set<string>()
    for (const { gridPos, title } of panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x},${y}`), `${title} covers another panel`).toBe(false)
          cells.add(`${x},${y}`)
        }
    }
  })

  test('what refers to a variable refers to one that the board, or the board that a link leads to, has', () => {
    const names = namesOf(board)
    const known =
      /^__(?:all|url_time_range|data|field|value|fromTime|toTime|timeFilter|timeInterval|interval_s|conditionalAll|rate_interval|range)$/
    for (const [, name] of JSON.stringify(board).matchAll(/\$\{?(\w+)/g))
      expect(names.has(name!) || known.test(name!), `$${name}`).toBe(true)
    for (const [, uid, query] of JSON.stringify(board).matchAll(/"\/d\/([^?"]+)\?([^"]*)"/g)) {
      const target = boards.find(([, other]) => other.uid === uid)
      expect(target, `link to ${uid}`).toBeDefined()
      for (const [, name] of query!.matchAll(/(?:var-(\w+)=|\$\{(\w+):queryparam\})/g))
        if (name) expect(namesOf(target![1]), `link to ${uid}`).toContain(name)
    }
  })

  test('in SQL a value of a variable only ever travels encoded', () => {
    for (const { rawSql, where } of clickhouseQueriesOf(board)) {
      const outside = rawSql
        .replace(/\$\{\w+:customqueryparam:v\}/g, '')
        .replace(/, \$\w+\)/g, ')') // the name that $__conditionalAll looks at
        .replace(/\$__\w+/g, '')
      expect(outside, where).not.toContain('$')
    }
  })

  test('annotations bring their own name', () => {
    for (const { target, name } of annotationsOf(board)) expect(target.refId, name).toBe('Anno')
    expect(JSON.stringify(board)).not.toContain('inControlsMenu')
  })
})

test('the gates see a mistake: an unknown key, an uid, a threshold that falls', () => {
  const good = boards[0]![1]
  expect(boardSchema.safeParse(good).success).toBe(true)
  const broken = (change: (text: string) => string) => JSON.parse(change(JSON.stringify(good))) as BoardJson
  for (const bad of [
    broken((text) => text.replace('"rawSql"', '"rawSQL"')),
    broken((text) => text.replace('"uid":"${clickhouse}"', '"uid":"abc123"')),
    broken((text) => text.replace('"value":0.5', '"value":5')),
    broken((text) => text.replace('"format":0', '"format":2')),
  ])
    expect(boardSchema.safeParse(bad).success).toBe(false)
})

const namesOf = (board: BoardJson): Set<string> => new Set(allVariablesOf(board).map(({ name }) => name))

test('boards for a Grafana of one’s own lead to the page they are given, and to none that is no address', () => {
  const boards = boardsFor('https://andon.example.com/')
  expect(Object.keys(boards).sort()).toEqual(Object.keys(allBoards()).sort())
  expect(boards['andon-on-call.json']).toContain('"https://andon.example.com"')
  for (const text of Object.values(boards)) expect(text).not.toContain(MONITOR_PAGE)
  expect(() => boardsFor('andon.example.com')).toThrow('--page must be the address')
})
