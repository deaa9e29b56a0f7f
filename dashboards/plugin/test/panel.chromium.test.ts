import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContextOptions, Page as Tab } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { BOARDS } from '../src/boards.ts'
import { CHROMIUM, launch, type Opened, open, serve } from './browser.ts'
import type { Show } from './harness/main.tsx'
import { rangeOf, type Scene } from './scenes.ts'

if (CHROMIUM === undefined) {
  const told =
    'no Chromium: the panel is NOT tested in a browser (apt-get install chromium fonts-dejavu-core, then npm run test:plugin)'
  // As test/tools.ts of the project has it, which this package of its own cannot import.
  if (!['', 'false'].includes(process.env.CI ?? '') && existsSync('/usr/bin/apt-get'))
    throw new Error(`CI must have what .ci/run installs, and there is ${told}`)
  process.stderr.write(`\n*** SKIPPED: ${told}\n\n`)
}

const PICTURES = fileURLToPath(new URL('../../../docs/pictures/', import.meta.url))
const MAX_PICTURE_BYTES = 200_000
const MINUTE = 60_000

let browser: Browser
let server: Awaited<ReturnType<typeof serve>>
const opened: Opened[] = []
beforeAll(async () => {
  if (!CHROMIUM) return
  browser = await launch()
  server = await serve()
})
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})
afterAll(async () => {
  await browser?.close()
  server?.close()
})

/** A tab with the panel in it. */
async function shown(show: Partial<Show> & { scene: Scene }, context: BrowserContextOptions = {}): Promise<Opened> {
  const one = await open(browser, server.url, context)
  opened.push(one)
  await one.show({ width: 1180, height: 620, ...show })
  return one
}

const textOf = async (tab: Tab, selector: string): Promise<string> =>
  (await tab.locator(selector).allInnerTexts()).join('\n').replaceAll('\u00a0', ' ')
const list = (tab: Tab) => tab.getByRole('listbox')
const lane = (tab: Tab, name: string) => tab.getByRole('option').filter({ hasText: name }).first()
const seen = (tab: Tab): Promise<{ ranges: { from: number; to: number }[]; hovers: (number | null)[] }> =>
  tab.evaluate('JSON.parse(JSON.stringify(window.seen))')
const spread = ({ from, to }: { from: number; to: number }): number => to - from

/** Where a moment of the range stands on a lane, in pixels of the window. */
async function pointOf(tab: Tab, name: string, ms: number, { from, to } = rangeOf('day')) {
  await lane(tab, name).scrollIntoViewIfNeeded()
  const box = (await lane(tab, name).locator('svg').last().boundingBox())!
  return { x: box.x + ((ms - from) / (to - from)) * box.width, y: box.y + 18 }
}

const LOOKS: readonly (readonly [name: string, show: Partial<Show>, context: BrowserContextOptions])[] = [
  ['light', {}, {}],
  ['dark', { dark: true }, {}],
  ['narrow', { width: 366, height: 640 }, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
  ['compact', { options: { density: 'compact', order: 'urgent' } }, {}],
]
const SCENES: readonly (readonly [scene: Scene, summary: RegExp])[] = [
  ['day', /^10 releases · 1 pausing · 2 recovering · 1 rolled back · 1 breach, not paused$/],
  ['empty', /^0 releases$/],
  ['elsewhere', /^0 of 1 release active in this range$/],
  ['one', /^1 release · 1 recovering$/],
  ['many', /^200 releases/],
  ['hostile', /^4 releases · 1 paused · 1 breach, not paused$/],
]

describe.skipIf(CHROMIUM === undefined)(
  'the built panel in a real Chromium, with the real libraries of Grafana',
  () => {
    test.each(LOOKS)('%s: every scene is drawn inside its frame, without an error', async (_, look, context) => {
      const { tab, complaints, show } = await shown({ scene: 'day', ...look }, context)
      for (const [scene, summary] of SCENES) {
        await show({ width: 1180, height: 620, ...look, scene })
        expect((await textOf(tab, '[role=status]')).trim(), scene).toMatch(summary)
        expect(complaints, scene).toEqual([])
        const wider = await tab.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
        expect(wider, scene).toBeLessThanOrEqual(0)
      }
    })

    test('queries that lack columns are told what to add, by the name of the query', async () => {
      const { tab, complaints } = await shown({ scene: 'problems' })
      const text = await textOf(tab, '[role=alert]')
      expect(text).toMatch(/Query A[\s\S]*lacks “release”, “last_at”/)
      expect(text).toMatch(/Query B[\s\S]*none of the tables/)
      expect(complaints).toEqual([])
    })

    test('an empty panel says why, and what to do', async () => {
      const { tab, show } = await shown({ scene: 'empty' })
      expect(await textOf(tab, 'body')).toContain('A lane appears with the first contact of a release.')
      await show({ scene: 'elsewhere', width: 800, height: 300 })
      expect(await textOf(tab, 'body')).toContain('Choose a longer range.')
    })

    test('names from telemetry are text, whatever they hold', async () => {
      const { tab } = await shown({ scene: 'hostile' })
      expect(await tab.locator('img').count()).toBe(0)
      const text = await textOf(tab, 'body')
      expect(text).toContain('<img src=x onerror=alert(1)>')
      expect(text).toContain('\\u202egnihtemos')
      expect(text).toContain('unknown release')
    })

    test('of 200 lanes only those in sight are drawn, and scrolling brings the others', async () => {
      const { tab } = await shown({ scene: 'many' })
      expect(await tab.getByRole('option').count()).toBeLessThan(25)
      expect(await lane(tab, '2026.1.0').getAttribute('aria-setsize')).toBe('200')
      const frames = await tab.evaluate(`(async () => {
      const list = document.querySelector('[role=listbox]')
      const frame = () => new Promise((done) => requestAnimationFrame(done))
      const times = []
      for (let step = 0; step < 60; step++) {
        const start = performance.now()
        list.scrollTop += 120
        await frame()
        times.push(performance.now() - start)
      }
      return times.sort((a, b) => a - b)
    })()`)
      const times = frames as number[]
      process.stdout.write(
        `200 lanes, a frame while scrolling: median ${times[30]!.toFixed(0)} ms, worst ${times[59]!.toFixed(0)} ms\n`,
      )
      await list(tab).evaluate((element) => element.scrollTo(0, element.scrollHeight))
      await tab.locator('[aria-posinset="200"]').waitFor()
      expect(await tab.getByRole('option').count()).toBeLessThan(25)
    })

    test('hovering a mark shows the clock of its incident, and the other panels the moment', async () => {
      const { tab } = await shown({ scene: 'day' })
      const { x, y } = await pointOf(tab, '2026.11.2', rangeOf('day').now - 739 * MINUTE)
      await tab.mouse.move(x - 40, y)
      await tab.mouse.move(x, y)
      const text = await textOf(tab, '[role=tooltip]')
      for (const part of [
        /order-status 2026\.11\.2/,
        /61 of 812 contacts/,
        /Onset[\s\S]*2026-11-20 01:50:00[\s\S]*01:41:00 – 01:54:00[\s\S]*\s01:51:00/,
        /First harm[\s\S]*\+1 min/,
        /Detected[\s\S]*\+20 min/,
        /Accepted[\s\S]*\+690 ms/,
        /Drained/,
        /Time to detect\s+21 min/,
        /Time to pause\s+830 ms/,
        /211 contacts exposed/,
        /of the pause line/,
      ])
        expect(text).toMatch(part)
      expect((await seen(tab)).hovers.at(-1)).toBeCloseTo(rangeOf('day').now - 739 * MINUTE, -6)
      await tab.mouse.move(5, 5)
      await tab.getByRole('tooltip').waitFor({ state: 'detached' })
    })

    test('a click keeps the card, with links that carry the data, until Escape', async () => {
      const { tab } = await shown({ scene: 'day' })
      const { x, y } = await pointOf(tab, '2026.11.2', rangeOf('day').now - 739 * MINUTE)
      await tab.mouse.click(x, y)
      const card = tab.getByRole('dialog')
      await card.waitFor()
      const link = card.getByRole('link', { name: 'Incident on the page of the monitor' })
      expect(await link.getAttribute('href')).toBe('http://127.0.0.1:4320/#b0d1c2e30')
      expect(await link.getAttribute('target')).toBe('_blank')
      expect(await card.getByRole('link').count()).toBe(2)
      await tab.keyboard.press('Escape')
      await card.waitFor({ state: 'detached' })
    })

    // On a busy machine the card that the first click opens may lie under the second one, which then goes to the card.
    test('dragging zooms to what was dragged over, a double click zooms out again', { retry: 2 }, async () => {
      const { tab } = await shown({ scene: 'day' })
      const { from, to } = rangeOf('day')
      const start = await pointOf(tab, '2026.11.2', from + 0.25 * (to - from))
      const end = await pointOf(tab, '2026.11.2', from + 0.75 * (to - from))
      await tab.mouse.move(start.x, start.y)
      await tab.mouse.down()
      await tab.mouse.move(end.x, end.y, { steps: 4 })
      await tab.mouse.up()
      await tab.waitForFunction('window.seen.ranges.length > 0')
      const [zoomed] = (await seen(tab)).ranges
      expect(zoomed!.from).toBeCloseTo(from + 0.25 * (to - from), -5.5)
      expect(spread(zoomed!)).toBeCloseTo(0.5 * (to - from), -5.5)
      expect(await tab.getByRole('dialog').count()).toBe(0)
      await tab.mouse.dblclick(end.x, end.y)
      await tab.waitForFunction('window.seen.ranges.length > 1')
      const { ranges } = await seen(tab)
      expect(spread(ranges.at(-1)!)).toBeCloseTo(to - from, -5.5)
    })

    test('the wheel scrolls; with Ctrl it zooms at once and asks for data when it rests', async () => {
      const { tab } = await shown({ scene: 'day' })
      const { x, y } = await pointOf(tab, '2026.11.2', rangeOf('day').now - 739 * MINUTE)
      await tab.mouse.move(x, y - 60)
      await tab.keyboard.down('Control')
      for (let turn = 0; turn < 3; turn++) await tab.mouse.wheel(0, -100)
      await tab.keyboard.up('Control')
      await tab.waitForFunction('window.seen.ranges.length > 0')
      const { ranges } = await seen(tab)
      expect(ranges).toHaveLength(1)
      expect(spread(ranges[0]!)).toBeCloseTo(0.8 ** 3 * spread(rangeOf('day')), -5.5)
      await tab.mouse.wheel(0, 100)
      await tab.waitForFunction("document.querySelector('[role=listbox]').scrollTop > 0")
      expect((await seen(tab)).ranges).toHaveLength(1)
    })

    test('all of it is reached by keyboard', async () => {
      const { tab } = await shown({ scene: 'day' })
      const chosen = async () =>
        tab
          .locator(`[id="${await list(tab).getAttribute('aria-activedescendant')}"]`)
          .getAttribute('aria-label')
          .then((text) => text!.replaceAll('\u00a0', ' '))
      await list(tab).focus()
      await tab.keyboard.press('ArrowDown')
      expect(await chosen()).toMatch(
        /^crm-hygiene 2026-11-19-prompt7, production: Pausing\..*Detected .* \(\+6 h 47 min\)/,
      )
      expect(await textOf(tab, '[role=tooltip]')).toContain('not yet')
      await tab.keyboard.press('End')
      expect(await chosen()).toMatch(/^order-status 2026\.11\.1,/)
      await lane(tab, '2026.11.1').waitFor()
      await tab.keyboard.press('Home')
      for (let step = 0; step < 8; step++) await tab.keyboard.press('ArrowDown')
      expect(await chosen()).toMatch(/^order-status 2026\.11\.2/)
      await tab.keyboard.press('f')
      await tab.waitForFunction('window.seen.ranges.length === 1')
      expect(spread((await seen(tab)).ranges[0]!)).toBeLessThan(90 * MINUTE)
      await tab.keyboard.press('Enter')
      const card = tab.getByRole('dialog')
      await card.waitFor()
      expect(await tab.evaluate("document.querySelector('[role=dialog]').contains(document.activeElement)")).toBe(true)
      await tab.keyboard.press('Tab')
      expect(await tab.evaluate('document.activeElement.textContent')).toBe('Incident on the page of the monitor')
      await tab.keyboard.press('Escape')
      await card.waitFor({ state: 'detached' })
      expect(await list(tab).evaluate((element) => element === document.activeElement)).toBe(true)
      await tab.keyboard.press('-')
      await tab.waitForFunction('window.seen.ranges.length === 2')
      const [before, after] = (await seen(tab)).ranges
      expect(spread(after!)).toBeCloseTo(2 * spread(before!), -2)
    })

    test('lanes where somebody must act stand on top, with the agents they belong to', async () => {
      const { tab } = await shown({ scene: 'day' })
      const standings = await tab.getByRole('option').evaluateAll((all) => all.map((one) => one.ariaLabel!))
      expect(standings[0]).toMatch(/^crm-hygiene .*: Pausing\./)
      expect(standings[2]).toMatch(/^refunds .*: Breach, not paused\./)
    })

    test('a finger zooms with the buttons', async () => {
      const { tab } = await shown(
        { scene: 'day', width: 366, height: 640 },
        { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
      )
      const spreads = async () => (await seen(tab)).ranges.map(spread)
      const whole = spread(rangeOf('day'))
      await tab.getByRole('button', { name: 'Zoom in' }).tap()
      await tab.getByRole('button', { name: 'Zoom out' }).tap()
      await tab.getByRole('button', { name: 'Fit the latest incident' }).tap()
      const [closer, farther, fitted] = await spreads()
      expect(closer).toBeCloseTo(whole / 2, -3)
      expect(farther).toBeCloseTo(whole, -3)
      expect(fitted).toBeLessThan(whole)
      expect(await list(tab).evaluate((element) => getComputedStyle(element).touchAction)).toBe('pan-y pinch-zoom')
    })

    test('no text of the panel is smaller than 11 pixels', async () => {
      const { tab } = await shown({ scene: 'day' })
      const sizes = await tab
        .locator('svg text, span, p, div')
        .evaluateAll((all) =>
          all
            .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent!.trim() !== ''))
            .map((one) => Number.parseFloat(getComputedStyle(one).fontSize)),
        )
      expect(sizes.length).toBeGreaterThan(40)
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(11)
    })

    test('while a card is open it says the moment itself, and nothing hides behind it', async () => {
      const { tab } = await shown({ scene: 'day' })
      const { x, y } = await pointOf(tab, '2026.11.2', rangeOf('day').now - 739 * MINUTE)
      await tab.mouse.move(x - 40, y)
      await tab.mouse.move(x, y)
      expect(await textOf(tab, '[role=tooltip] time')).toMatch(/^2026-11-20 02:1\d:\d\d$/)
    })

    test('annotations of the dashboard stand on the axis, those of the range alone', async () => {
      const { tab } = await shown({ scene: 'one' })
      expect(await tab.locator('svg title').allTextContents()).toEqual(['Ledger was migrated'])
    })

    test('where marks stand too close, zooming takes them apart', async () => {
      const { tab, show } = await shown({ scene: 'one' })
      const marks = () => lane(tab, '2026.11.2').locator('svg').last().locator('> g[transform]').count()
      const before = await marks()
      await list(tab).focus()
      await tab.keyboard.press('ArrowDown')
      await tab.keyboard.press('f')
      await tab.waitForFunction('window.seen.ranges.length === 1')
      expect(await marks()).toBeGreaterThan(before)
      await show({ scene: 'one', width: 900, height: 300 })
    })

    test('a finger scrolls, and its tap opens the card', async () => {
      const { tab } = await shown(
        { scene: 'day', width: 366, height: 640 },
        { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
      )
      await lane(tab, '7.1.0-canary').tap()
      await tab.getByRole('dialog').waitFor()
      expect((await seen(tab)).ranges).toEqual([])
    })

    test('the start page of the app leads to its boards, and says what is missing', async () => {
      const { tab, complaints } = await shown({ scene: 'empty' })
      await tab.evaluate('window.showHome(false)')
      await tab.getByText('No ClickHouse data source yet').waitFor()
      expect(await tab.getByRole('link', { name: 'Add a ClickHouse data source' }).getAttribute('href')).toBe(
        '/connections/datasources/new',
      )
      await tab.evaluate('window.showHome(true)')
      await tab.getByText('No ClickHouse data source yet').waitFor({ state: 'detached' })
      const links = tab.getByRole('main').getByRole('link')
      expect(await links.evaluateAll((all) => all.map((link) => link.getAttribute('href')))).toEqual(
        BOARDS.map(({ uid }) => `/d/${uid}`),
      )
      expect(complaints).toEqual([])
    })

    test('pictures for the documents, of a size to keep', async () => {
      const picture = async (name: string, { tab }: Opened, width: number, height: number) => {
        const clip = { x: 0, y: 0, width, height }
        const isKept = process.env.ANDON_UPDATE_PICTURES === '1'
        const bytes = await tab.screenshot(isKept ? { path: `${PICTURES}${name}.png`, clip } : { clip })
        expect(bytes.length).toBeGreaterThan(10_000)
        expect(bytes.length).toBeLessThan(MAX_PICTURE_BYTES)
      }
      const light = await shown({ scene: 'day', height: 840 }, { viewport: { width: 1204, height: 864 } })
      const { x, y } = await pointOf(light.tab, '2026.11.2', rangeOf('day').now - 739 * MINUTE)
      await light.tab.mouse.move(x - 2, y)
      await light.tab.mouse.move(x, y)
      await light.tab.waitForTimeout(400) // the card fades in
      await picture('timeline-light', light, 1204, 864)
      await picture('timeline-dark', await shown({ scene: 'day', dark: true, height: 620 }), 1204, 644)
      await picture('timeline-200', await shown({ scene: 'many', options: { density: 'compact' } }), 1204, 644)
      const phone = { viewport: { width: 390, height: 664 }, deviceScaleFactor: 2 }
      await picture('timeline-phone', await shown({ scene: 'day', width: 366, height: 640 }, phone), 390, 664)
    })
  },
)
