import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const PLUGIN = fileURLToPath(new URL('plugin', import.meta.url))
const isInstalled = existsSync(`${PLUGIN}/node_modules`)
if (!isInstalled)
  process.stderr.write(
    '\n*** SKIPPED: the Grafana plugin was NOT built or tested, as its own packages are not installed.\n' +
      '*** Install them and test it: npm --prefix dashboards/plugin ci && npm run test:plugin\n\n',
  )

/** What its tools should not take for their own: it runs under no other test runner when people build it. */
const { NODE_ENV, TEST, ...environment } = process.env
const own = Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('VITEST')))

/** A package of its own, with its own compiler, bundler and test runner. */
test.skipIf(!isInstalled)('the Grafana plugin is built and passes its own tests', { timeout: 600_000 }, async () => {
  const child = spawn('npm', ['test'], { cwd: PLUGIN, env: own, stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = () => child.kill()
  process.once('exit', kill)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  const code = await new Promise((resolve) => child.once('close', resolve))
  process.off('exit', kill)
  process.stdout.write(said) // at once, when it ended: other tests speak meanwhile
  expect(code).toBe(0)
})
