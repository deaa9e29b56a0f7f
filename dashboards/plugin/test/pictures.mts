/**
 * Pictures of the boards for docs/grafana.md: the recorded data of the demo, drawn by the components that Grafana's panels draw with, outside
 * Grafana: npm run pictures.
 */
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { launch, open, serve } from './browser.ts'
import { drawnBoards } from './drawn-boards.ts'

const PICTURES = fileURLToPath(new URL('../../../docs/pictures/', import.meta.url))
const [DESKTOP, PHONE] = [1272, 390]
const SHOTS: readonly (readonly [file: string, picture: string, dark: boolean, width: number])[] = [
  ['andon-live.json', 'board-live.png', false, DESKTOP],
  ['andon-live.json', 'board-live-phone.png', true, PHONE],
  ['andon-on-call.json', 'board-on-call.png', false, DESKTOP],
  ['andon-on-call.json', 'board-on-call-phone.png', false, PHONE],
  ['andon-releases.json', 'board-releases.png', true, DESKTOP],
  ['andon-leaders.json', 'board-leaders.png', false, DESKTOP],
]
/** Higher than any board: tables below the fold would draw no rows. */
const SCREEN_PX = 8000
/** Of a phone the first screens: the whole is many times as high as wide. */
const HIGHEST_PX = { [DESKTOP]: SCREEN_PX, [PHONE]: 2600 }

const boards = drawnBoards()
const browser = await launch()
const server = await serve()
try {
  for (const [file, picture, dark, width] of SHOTS) {
    const { tab, complaints, close } = await open(browser, server.url, { viewport: { width, height: SCREEN_PX } })
    await tab.evaluate(`window.showBoard(${JSON.stringify(boards.get(file))}, ${dark}, ${width})`)
    await tab.locator('[role=status]').waitFor()
    await tab.waitForTimeout(1500) // charts are laid out and drawn over several frames
    const { height } = (await tab.locator('main').boundingBox())!
    const clip = { x: 0, y: 0, width, height: Math.min(height, HIGHEST_PX[width]!) }
    await tab.screenshot({ path: PICTURES + picture, clip })
    process.stdout.write(
      `${picture}: ${Math.ceil(statSync(PICTURES + picture).size / 1024)} kB ${complaints.join('\n').slice(0, 2000)}\n`,
    )
    await close()
  }
} finally {
  server.close()
  await browser.close()
}
