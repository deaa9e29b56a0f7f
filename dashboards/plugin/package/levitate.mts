/** Holds every import of both modules against the libraries of the oldest and the newest Grafana that the manifests allow. Needs the registry. */
import { spawnSync } from 'node:child_process'
import { MODULES, VERSIONS } from './compatible.mts'

let failed = 0
for (const module of MODULES)
  for (const version of VERSIONS) {
    const target = ['data', 'ui', 'runtime'].map((name) => `@grafana/${name}@${version}`).join(',')
    const args = ['--yes', '@grafana/levitate@0.17.2', 'is-compatible', '--path', module, '--target', target]
    process.stdout.write(`${module} with Grafana ${version}\n`)
    if (spawnSync('npx', args, { stdio: 'inherit' }).status !== 0) failed++
  }
process.exitCode = failed === 0 ? 0 : 1
