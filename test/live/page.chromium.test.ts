import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page as Tab } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { mounted } from '../../api/fixtures.ts'
import { aBadDay, aHostileDay, anEmptyDay, aQuietDay, HOSTILE } from '../../dashboards/fixtures.ts'
import { type PageOptions, startPage } from '../../dashboards/serve.http.ts'
import type { Overview } from '../../facts/overview.ts'
import { wallClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { CHROMIUM, haveTools } from '../tools.ts'

const PICTURES = fileURLToPath(new URL('../../docs/pictures/', import.meta.url))
const MAX_PICTURE_BYTES = 200_000
const ARGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'

const hasChromium = haveTools(CHROMIUM ? [] : ['Chromium'], {
  packages: 'chromium fonts-dejavu-core',
  unchecked: 'the page is NOT tested in a browser',
})

let browser: Browser
const cleanups: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  if (CHROMIUM) browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS.split(' ') })
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
afterAll(() => browser?.close())

/** The page over an overview that a test may exchange. */
async function serve(overview: Overview, { token, ...options }: Partial<PageOptions> & { token?: string } = {}) {
  const shown = { overview }
  const look = async () => shown.overview
  const page = await startPage({
    listen: { host: '127.0.0.1', port: 0 },
    ...mounted({ token, overview: look }),
    overview: look,
    metrics: async () => ({ contentType: 'text/plain', body: '' }),
    health: async () => ({ ready: true, live: true, checks: {} }),
    clock: wallClock,
    log: silentLog,
    ...options,
  })
  cleanups.push(page.close)
  return { ...page, shown }
}

/** A tab that notes what went wrong in it and whom it asked. */
async function open(url: string, context: BrowserContextOptions = {}) {
  const session = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...context })
  cleanups.push(() => session.close())
  const tab = await session.newPage()
  const complaints: string[] = []
  const hosts = new Set<string>()
  tab.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  tab.on('pageerror', (error) => complaints.push(error.message))
  tab.on('request', (request) => hosts.add(new URL(request.url()).origin))
  await tab.goto(url)
  await tab.locator('h1').waitFor()
  return { tab, complaints, hosts }
}

const textOf = async (tab: Tab, selector: string): Promise<string> =>
  (await tab.locator(selector).allInnerTexts()).join('\n').replaceAll('\u00a0', ' ')

/** How far the content is wider than the window, also inside what clips it. */
const overflowOf = (tab: Tab): Promise<number> =>
  tab.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')

/** Texts whose contrast with their ground is below WCAG 2.2 AA (4.5, or 3 for large text). */
const faintTextsOf = (tab: Tab): Promise<string[]> =>
  tab.evaluate(`(() => {
  const parse = (color) => { const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number); return { r, g, b, a } }
  const linear = (channel) => (channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4)
  const luminance = ({ r, g, b }) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor)
      if (color.a === 1) return color
      if (color.a !== 0) throw new Error('a translucent ground needs blending: ' + at.className)
    }
    throw new Error('no ground')
  }
  const faint = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement
    if (!node.nodeValue.trim() || element.closest('svg, script, noscript, .visually-hidden, [hidden]')) continue
    const style = getComputedStyle(element)
    const [high, low] = [luminance(parse(style.color)), luminance(groundOf(element))].sort((a, b) => b - a)
    const size = parseFloat(style.fontSize)
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
    const ratio = (high + 0.05) / (low + 0.05)
    if (ratio < (isLarge ? 3 : 4.5)) faint.push(ratio.toFixed(2) + ' ' + node.nodeValue.slice(0, 40))
  }
  return faint
})()`)

const LOOKS: readonly (readonly [name: string, context: BrowserContextOptions])[] = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['on a phone', { colorScheme: 'light', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
]
const DAYS: readonly (readonly [name: string, day: () => Overview, headline: RegExp])[] = [
  ['a bad day', aBadDay, /^1 release being paused · 1 paused · 1 in breach, not paused · 1 at risk$/],
  ['thirty quiet releases', aQuietDay, /^All releases within limits$/],
  ['hostile names', aHostileDay, /^2 releases paused · 3 at risk$/],
  ['nothing yet', anEmptyDay, /^Waiting for the first contact$/],
]

describe.skipIf(!hasChromium)('the page in a real Chromium', () => {
  describe.each(LOOKS)('%s', (_, context) => {
    test.each(DAYS)(
      '%s: readable, inside the window, without an error or a foreign request',
      async (_, day, headline) => {
        const { url } = await serve(day())
        const { tab, complaints, hosts } = await open(url, context)
        expect(await textOf(tab, 'h1')).toMatch(headline)
        expect(await tab.locator('.release').count()).toBe(day().releases.length)
        expect(await tab.locator('.incident').count()).toBe(day().incidents.length)
        expect(await textOf(tab, '#link')).toBe('Live')
        expect(await overflowOf(tab)).toBe(0)
        expect(await faintTextsOf(tab)).toEqual([])
        expect(complaints).toEqual([])
        expect([...hosts]).toEqual([url])
      },
    )
  })

  test('a release shows its rates, limits and evidence as text and to those who do not see the graphics', async () => {
    const { url } = await serve(aBadDay())
    const { tab } = await open(url)
    const release = tab.locator('.release', { hasText: '2026.11.2' })
    const text = (await release.allInnerTexts()).join().replaceAll('\u00a0', ' ')
    for (const part of [
      'Drained',
      'order-status',
      'production',
      '1,104 contacts',
      '92.3 % identified',
      '7.5 % (5.9–9.5 %)',
      'limit 2.5 %',
      '61 of 812',
      'Breach',
    ])
      expect(text).toContain(part)
    const labels = await release
      .getByRole('img')
      .evaluateAll((images) => images.map((image) => image.getAttribute('aria-label')))
    expect(labels.join('\n').replaceAll('\u00a0', ' ')).toContain(
      'Failed updates: 7.5 % of 812, 95 % interval 5.9–9.5 %; limit 2.5 %, baseline 2.0 %',
    )
    expect(labels.every((label) => label)).toBe(true)
  })

  test('an incident shows its clock, what it cost, and what has not happened yet', async () => {
    const { url } = await serve(aBadDay())
    const { tab } = await open(url)
    const drained = await textOf(tab, '.incident:nth-child(2)')
    for (const part of [
      '21 min 1 s after the harm began',
      'Release start',
      '13:19:00Z – 13:32:00Z',
      '+690 ms',
      '830 ms',
      '4 min 11 s',
      'previous release',
      'agent-platform',
      '110 : 1',
    ])
      expect(drained).toContain(part)
    expect(await tab.locator('.incident:nth-child(2) time[title="2026-11-20T13:49:00.830Z"]').count()).toBe(1)
    expect(await tab.locator('.incident:nth-child(1) .step.waiting').allInnerTexts()).toEqual([
      'Accepted\nnot yet',
      'Stopped\nnot yet',
      'Drained\nnot yet',
    ])
  })

  test('names from outside stay text', async () => {
    const { url } = await serve(aHostileDay())
    const { tab } = await open(url)
    expect(await tab.title()).not.toContain('pwned')
    expect(await tab.locator('main img, main script, main b').count()).toBe(0)
    const main = await textOf(tab, 'main')
    expect(main).toContain(HOSTILE[0])
    expect(main).toContain('\\u202egnorw si siht')
    expect(main).not.toContain('\u202e')
    expect(await textOf(tab, '#facts')).toContain('event time, runs faster than the wall clock')
  })

  test('what happens is shown without a reload, and focus and opened details stay', async () => {
    const { url, shown } = await serve(aBadDay())
    const { tab, complaints } = await open(url)
    const summary = tab.locator('.incident:nth-child(2) summary')
    await summary.focus()
    await tab.keyboard.press('Enter')
    expect(await tab.locator('.incident:nth-child(2) details').getAttribute('open')).toBeNull()
    const [pausing, ...others] = shown.overview.incidents
    const clock = { ...pausing!.clock, acceptedMs: pausing!.clock.detectedMs + 2_000 }
    const releases = shown.overview.releases.map((view) =>
      view.state === 'pausing' ? { ...view, state: 'paused' as const } : view,
    )
    shown.overview = { ...shown.overview, releases, incidents: [{ ...pausing!, state: 'paused', clock }, ...others] }
    await expect.poll(() => textOf(tab, 'h1')).toBe('2 releases paused · 1 in breach, not paused · 1 at risk')
    expect(await textOf(tab, '.incident:nth-child(1)')).toContain('whether contacts have stopped is not known yet')
    expect(await tab.title()).toContain('2 releases paused')
    expect(await summary.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true)
    expect(await tab.locator('.incident:nth-child(2) details').getAttribute('open')).toBeNull()
    expect(await tab.locator('.incident:nth-child(1) details').getAttribute('open')).toBe('')
    expect(complaints).toEqual([])
  })

  test('a lost connection is said in words, and a new one found by itself', async () => {
    const { url, close } = await serve(aBadDay())
    const { tab } = await open(url)
    await close()
    await tab.locator('#banner').waitFor({ state: 'visible' })
    expect(await textOf(tab, '#banner')).toContain(
      'The connection to the monitor is lost. What you see is from 2026-11-20 14:30:00Z',
    )
    expect(await textOf(tab, '#link')).toBe('Disconnected')
    expect(await faintTextsOf(tab)).toEqual([])
    await serve(aQuietDay(), { listen: { host: '127.0.0.1', port: Number(new URL(url).port) } })
    await expect.poll(() => textOf(tab, 'h1'), { timeout: 15_000 }).toBe('All releases within limits')
    expect(await tab.locator('#banner').isVisible()).toBe(false)
    expect(await textOf(tab, '#link')).toBe('Live')
  })

  test('a monitor that answers and cannot read its state is not called live', async () => {
    const { url } = await serve(aBadDay(), { overview: () => Promise.reject(new Error('gone')) })
    const session = await browser.newContext()
    cleanups.push(() => session.close())
    const tab = await session.newPage()
    await tab.goto(url)
    await tab.locator('#banner').waitFor({ state: 'visible' })
    expect(await textOf(tab, '#banner')).toContain(
      'cannot read its state at the moment; its log says why. There is nothing to show yet.',
    )
  })

  test('one page too many still shows the state, by asking again and again', async () => {
    const { url } = await serve(aBadDay(), { maxListeners: 0 })
    const { tab } = await open(url)
    expect(await textOf(tab, 'h1')).toContain('1 release being paused')
    expect(await textOf(tab, '#link')).toBe('Live')
  })

  test('everything is reached by keyboard, and releases are found by name', async () => {
    const { url } = await serve(aQuietDay())
    const { tab } = await open(url)
    await tab.keyboard.press('Tab')
    expect(await tab.evaluate('document.activeElement.className')).toBe('skip')
    await tab.keyboard.press('Tab')
    expect(await tab.evaluate('document.activeElement.id')).toBe('filter')
    await tab.keyboard.type('agent-03')
    expect(await tab.locator('.release').count()).toBe(3)
    await tab.keyboard.type(' nobody')
    expect(await textOf(tab, '#releases')).toContain('No release has such an agent')
  })

  test('a link of a webhook opens the page at its incident', async () => {
    const { url } = await serve(aBadDay())
    const { tab } = await open(`${url}/incidents/00aa11bb22cc33dd44ee55ff66778899`)
    expect(await tab.evaluate('document.activeElement.id')).toBe('incident-00aa11bb22cc33dd44ee55ff66778899')
    const { tab: lost } = await open(`${url}/incidents/deadbeef`)
    expect(await textOf(lost, '#incidents')).toContain('not known to this monitor: deadbeef')
  })

  test('behind a token the link with the token opens the page, and the address keeps none', async () => {
    const { url } = await serve(aBadDay(), { token: 'open-sesame' })
    const { tab, complaints } = await open(`${url}/?token=open-sesame`)
    expect(tab.url()).toBe(`${url}/`)
    expect(await textOf(tab, '#link')).toBe('Live')
    expect(complaints).toEqual([])
  })

  test('with nothing to show it says where to send telemetry', async () => {
    const { url } = await serve(anEmptyDay(), { collectorUrl: 'http://127.0.0.1:14318' })
    const { tab } = await open(url)
    const text = await textOf(tab, 'main')
    expect(text).toContain('OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318')
    expect(text).toContain('docs/telemetry.md')
  })

  test('nothing moves for whoever asked for less motion', async () => {
    const { url } = await serve(aBadDay())
    const durationOf = async (reducedMotion: 'reduce' | 'no-preference') => {
      const { tab } = await open(url, { reducedMotion })
      return tab.evaluate("getComputedStyle(document.querySelector('.evidence .fill')).transitionDuration")
    }
    expect(await durationOf('reduce')).toBe('0s')
    expect(await durationOf('no-preference')).toBe('0.4s')
  })

  test.each([
    ['page-light.png', { colorScheme: 'light', viewport: { width: 1280, height: 820 } }, '#standing'],
    ['page-dark.png', { colorScheme: 'dark', viewport: { width: 1280, height: 820 } }, '#standing'],
    ['page-incident.png', { colorScheme: 'light' }, '#incidents'],
    [
      'page-phone.png',
      { colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 1 },
      '#standing',
    ],
  ] as const)('the picture %s for the documentation is of a size to keep', async (file, context, section) => {
    const { url } = await serve(aBadDay())
    const { tab } = await open(url, { ...context, reducedMotion: 'reduce' })
    if (section === '#incidents') await tab.locator(section).evaluate((element) => element.scrollIntoView())
    const isKept = process.env.ANDON_UPDATE_PICTURES === '1'
    if (isKept) mkdirSync(PICTURES, { recursive: true })
    const picture = await tab.screenshot(isKept ? { path: PICTURES + file } : {})
    expect(picture.length).toBeGreaterThan(10_000)
    expect(picture.length).toBeLessThan(MAX_PICTURE_BYTES)
  })
})
