import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { chaos } from './chaos.ts'

/** The short form; `node bench/chaos.ts` is the long one, its result stands in docs/benchmarks/chaos.md. */
const ROUNDS = 3

test('killed with SIGKILL under load, the monitor loses nothing it acknowledged and counts and pauses nothing twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'andon-kill-'))
  try {
    const result = await chaos({ folder, rounds: ROUNDS, seed: 7 })
    expect(result).toMatchObject({ lost: 0, countedTwice: 0 })
    expect(result.acknowledged).toBeGreaterThan(0)
    expect(result.incidents).toBeLessThanOrEqual(1)
    expect(result.webhookIds).toBeLessThanOrEqual(1)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 120_000)
