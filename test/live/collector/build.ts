import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BINARY, MANIFEST, VERSION } from './collector.ts'

/** `npm run collector`: builds the Collector of builder.yaml where the live tests look for it. */
const folder = mkdtempSync(join(tmpdir(), 'andon-otelcol-'))
try {
  const manifest = join(folder, 'builder.yaml')
  writeFileSync(manifest, JSON.stringify({ ...MANIFEST, dist: { ...MANIFEST.dist, output_path: folder } }))
  const { status, error } = spawnSync(
    'go',
    ['run', `go.opentelemetry.io/collector/cmd/builder@v${VERSION}`, '--config', manifest],
    { stdio: 'inherit' },
  )
  if (error) throw new Error(`Go is needed (1.25 or newer): ${error.message}`)
  if (status !== 0) throw new Error('the Collector was not built')
  mkdirSync(dirname(BINARY), { recursive: true })
  renameSync(join(folder, MANIFEST.dist.name), BINARY)
  console.log(BINARY)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
