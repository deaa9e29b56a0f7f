/** Builds and tests the Grafana plugin, which is a package of its own; says loudly when it is not installed. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const plugin = fileURLToPath(new URL('./plugin', import.meta.url))

if (existsSync(`${plugin}/node_modules`)) {
  const { status } = spawnSync('npm test', { cwd: plugin, stdio: 'inherit', shell: true })
  process.exitCode = status ?? 1
} else {
  process.stderr.write(
    '\n*** SKIPPED: the Grafana plugin was NOT built or tested, as its own packages are not installed.\n' +
      '*** Install them and test it: npm --prefix dashboards/plugin ci && npm run test:plugin\n\n',
  )
}
