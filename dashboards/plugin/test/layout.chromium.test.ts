import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHROMIUM, launch, type Opened, open, serve } from './browser.ts'
import { drawnBoards } from './drawn-boards.ts'
import type { DrawnBoard } from './harness/board.tsx'
import { layoutFaults } from './layout.ts'

/** Widths in pixels; as high as the highest board, since tables below the fold would draw no rows. */
const SCREENS = { phone: { width: 390, height: 8000 }, desktop: { width: 1280, height: 5000 } } as const
type Screen = keyof typeof SCREENS

/** Panels without anything to draw in the recording: nothing reports these outcomes, no drill ran, and what Prometheus has was not recorded. */
const RIGHTLY_EMPTY: Readonly<Record<string, readonly string[]>> = {
  'andon-leaders.json': ['Complaint rate by channel', 'Reopened rate by channel'],
  'andon-monitor.json': [
    'Rows per batch', // by the wall clock, which is not that of the demo
    'From acceptance to counted',
    'Rows accepted',
    'Rejected',
    'Time of a batch',
    'Lag over time',
    'Time of an evaluation',
    'Webhook attempts',
    'Incidents by state',
    'Heartbeats',
    'Active processes by group',
    'Records that wait',
    'Failures of roles',
    'Records lost or put aside',
    'Lanes counted',
    'Drills',
    'Memory',
    'Event loop delay',
  ],
}

describe.skipIf(!CHROMIUM)('the boards as people see them', () => {
  const boards = drawnBoards()
  let browser: Browser
  let server: Awaited<ReturnType<typeof serve>>
  let tabs: Readonly<Record<Screen, Opened>>
  beforeAll(async () => {
    ;[browser, server] = await Promise.all([launch(), serve()])
    const [phone, desktop] = await Promise.all([
      open(browser, server.url, { viewport: SCREENS.phone }),
      open(browser, server.url, { viewport: SCREENS.desktop }),
    ])
    tabs = { phone, desktop }
  })
  afterAll(async () => {
    server?.close()
    await browser?.close()
  })

  async function faultsOf(board: DrawnBoard, screen: Screen, mayBeEmpty: readonly string[]): Promise<string[]> {
    const { tab, complaints } = tabs[screen]
    complaints.length = 0
    await shown(tabs[screen], board, SCREENS[screen].width)
    const faults = (await tab.evaluate(layoutFaults, { isPhone: screen === 'phone', mayBeEmpty })) as string[]
    return [...faults, ...complaints]
  }

  async function shown({ tab }: Opened, board: DrawnBoard, width: number): Promise<void> {
    await tab.evaluate(`window.showBoard(${JSON.stringify(board)}, false, ${width})`)
    await tab.waitForFunction(() => {
      const waiting = [...document.querySelectorAll<HTMLElement>('[data-kind=table], [data-kind=timeseries]')]
      return (
        waiting.length > 0 && waiting.every((panel) => panel.querySelector('[data-empty], [role=gridcell], canvas'))
      )
    })
    await tab.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
  }

  test.each([...boards.keys()].flatMap((file) => [[file, 'phone'] as const, [file, 'desktop'] as const]))(
    '%s on a %s: nothing is cut, no text scrolls, no panel is empty or broken',
    async (file, screen) => {
      expect(await faultsOf(boards.get(file)!, screen, RIGHTLY_EMPTY[file] ?? [])).toEqual([])
    },
  )

  test('the gate sees what is wrong', async () => {
    const onCall = boards.get('andon-on-call.json')!
    const broken: DrawnBoard = {
      ...onCall,
      panels: onCall.panels.map((panel) => {
        if (panel.type === 'text') return { ...panel, gridPos: { ...panel.gridPos, h: 4 } }
        if (panel.title === 'Not drained')
          return { ...panel, title: 'A title that is far too long for so small a panel' }
        if (panel.title === 'States over time') return { ...panel, frames: [] }
        if (panel.title !== 'The clock of each incident') return panel
        const wide = [
          { matcher: { id: 'byName', options: 'release_name' }, properties: [{ id: 'custom.width', value: 900 }] },
        ]
        const { defaults, overrides } = panel.fieldConfig!
        return { ...panel, fieldConfig: { defaults, overrides: [...overrides, ...wide] } }
      }),
    }
    expect(await faultsOf(broken, 'phone', [])).toEqual([
      'A title that is far too long for so small a panel: its title is cut',
      'First five minutes: its text must be scrolled',
      'The clock of each incident: only 0 of its columns are whole',
      'States over time: it is empty',
    ])
  })
})
