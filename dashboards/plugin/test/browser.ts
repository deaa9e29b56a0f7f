import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page as Tab } from 'playwright-core'
import type { Show } from './harness/main.tsx'

export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

const FOLDER = fileURLToPath(new URL('..', import.meta.url))
const ARGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.map': 'application/json',
}

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM!, args: ARGS.split(' ') })

/** The built plugin, what Grafana serves under /public/, and the page itself. */
function fileOf(path: string): string {
  const [, first = '', ...rest] = path.split('/')
  if (first === 'plugin') return join(FOLDER, 'dist', ...rest)
  if (first === 'public')
    return join(FOLDER, 'node_modules/@grafana/ui/dist/public', ...rest.filter((part) => part !== 'build'))
  return join(FOLDER, '.harness', path)
}

/** The page of test/harness, and the built plugin under /plugin/, from one origin. */
export async function serve(): Promise<Readonly<{ url: string; close: () => void }>> {
  const server = createServer(async ({ url = '/' }, response) => {
    const path = normalize(new URL(url, 'http://local').pathname)
    const file = fileOf(path === '/' ? '/index.html' : path)
    try {
      const body = await readFile(file)
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

export type Opened = Readonly<{
  tab: Tab
  complaints: string[]
  show: (show: Show) => Promise<void>
  close: () => Promise<void>
}>

/** Grafana brings its fonts and its icon itself. */
const FONTS = /\/public\/fonts\/|\/favicon\.ico/

/** A tab that notes what went wrong in it. */
export async function open(browser: Browser, url: string, context: BrowserContextOptions = {}): Promise<Opened> {
  const session = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...context })
  const tab = await session.newPage()
  const complaints: string[] = []
  tab.on('console', (message) => {
    const text = `${message.type()}: ${message.text()} ${message.location().url}`
    if ((message.type() === 'error' || message.type() === 'warning') && !FONTS.test(text)) complaints.push(text)
  })
  tab.on('pageerror', (error) => complaints.push(error.stack ?? error.message))
  await tab.goto(url)
  await tab.waitForFunction('window.ready')
  const show = async (wanted: Show) => {
    await tab.evaluate(`window.show(${JSON.stringify(wanted)})`)
    await tab.locator('[role=status]').first().waitFor()
    await tab.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
  }
  return { tab, complaints, show, close: () => session.close() }
}
