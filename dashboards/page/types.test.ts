import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test("the page's modules agree with the facts that they read, by the compiler", async () => {
  const tsc = fileURLToPath(new URL('../node_modules/typescript/lib/tsc.js', new URL('../', import.meta.url)))
  const project = fileURLToPath(new URL('./tsconfig.json', import.meta.url))
  const run = promisify(execFile)(process.execPath, [tsc, '--project', project]).catch((error) => error)
  expect((await run).stdout).toBe('')
})
