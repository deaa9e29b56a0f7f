#!/usr/bin/env node
// Starts Andon with the Node it was installed with: an older `node` on the PATH cannot run TypeScript.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)
const main = fileURLToPath(new URL('./main.ts', import.meta.url))
if (major > 22 || (major === 22 && minor >= 18)) {
  await import(main)
} else {
  const own = fileURLToPath(new URL('./node_modules/.bin/node', import.meta.url))
  if (!existsSync(own)) {
    console.error(
      `andon needs Node 22.18 or newer, this is ${process.version}; run "npm ci" in its folder, or install a newer Node`,
    )
    process.exit(1)
  }
  const { status, signal } = spawnSync(own, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exit(signal ? 1 : (status ?? 1))
}
