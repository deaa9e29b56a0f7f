/**
 * Pictures of the boards for docs/grafana.md: the data of the demo, drawn by the components that Grafana's panels draw with, outside Grafana:
 * npm run pictures. What only Grafana's own panels have is missing: threshold lines, state timelines, marks.
 */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { launch, open, serve } from './browser.ts'
import type { DrawnBoard } from './harness/board.tsx'

const PICTURES = fileURLToPath(new URL('../../../docs/pictures/', import.meta.url))
const PREVIEW = fileURLToPath(new URL('../../boards/preview.fixtures.ts', import.meta.url))
const SHOTS: readonly (readonly [file: string, picture: string, dark: boolean, width: number])[] = [
  ['andon-live.json', 'board-live.png', false, 1240],
  ['andon-on-call.json', 'board-on-call.png', false, 1240],
  ['andon-releases.json', 'board-releases.png', true, 1240],
  ['andon-leaders.json', 'board-leaders.png', false, 1240],
]

const json = execFileSync(process.execPath, [PREVIEW], { maxBuffer: 2 ** 28, encoding: 'utf8' })
const boards = JSON.parse(json) as (DrawnBoard & { file: string })[]
const browser = await launch()
const server = await serve()
try {
  for (const [file, picture, dark, width] of SHOTS) {
    const board = boards.find((one) => one.file === file)!
    const { tab, complaints, close } = await open(browser, server.url, {
      viewport: { width: width + 32, height: 3000 },
    })
    await tab.evaluate(`window.showBoard(${JSON.stringify(board)}, ${dark}, ${width})`)
    await tab.locator('[role=status]').waitFor()
    await tab.waitForTimeout(1500) // charts are laid out and drawn over several frames
    await tab
      .locator('#root > div')
      .first()
      .screenshot({ path: PICTURES + picture })
    process.stdout.write(
      `${picture}: ${Math.ceil(statSync(PICTURES + picture).size / 1024)} kB ${complaints.join('\n').slice(0, 2000)}\n`,
    )
    await close()
  }
} finally {
  server.close()
  await browser.close()
}
