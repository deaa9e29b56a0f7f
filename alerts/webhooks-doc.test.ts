import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { incidentIdOf } from './decide.ts'
import { aFinding, MINUTE, SECRET, START_MS } from './fixtures.ts'
import { applyToOrder, type Order } from './orders.ts'
import { bodyOf, payloadSchema } from './payload.ts'
import { FAST_MS, SLOW_MS } from './schedule.ts'
import { keyOf, sign } from './sign.ts'

/** docs/webhooks.md is checked against what is sent: its example, its tables, and its code, which is run. */
const text = readFileSync(new URL('../docs/webhooks.md', import.meta.url), 'utf8')
const blockOf = (language: string): string => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? ''

const finding = aFinding()
const incidentId = incidentIdOf(finding)
const opened = { type: 'opened', finding, reason: 'first_breach', pause: true } as const
const order = applyToOrder(null, { incidentId, version: 1, atMs: START_MS, event: opened }) as Order
const body = bodyOf(order, 0, { pageUrl: 'https://andon.example.com' })

const OLD_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const FOREIGN_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
const headers = sign({ id: 'i-pause', atMs: START_MS, body, keys: [keyOf(SECRET), keyOf(OLD_SECRET)] })
/** [what, secrets, body, now, is it from Andon] */
const cases: [string, string[], string, number, boolean][] = [
  ['the new secret', [SECRET], body, START_MS, true],
  ['the old secret', [OLD_SECRET], body, START_MS, true],
  ['both', [FOREIGN_SECRET, SECRET], body, START_MS, true],
  ['a foreign secret', [FOREIGN_SECRET], body, START_MS, false],
  ['a changed body', [SECRET], body.replace('r43', 'r42'), START_MS, false],
  ['a late arrival', [SECRET], body, START_MS + 6 * MINUTE, false],
]

test('the example body is what Andon sends', () => {
  expect(JSON.parse(blockOf('json'))).toEqual(JSON.parse(body))
})

test('every key of the body is explained, and no key that does not exist', () => {
  const table = text.slice(text.indexOf('| key of `data` |'), text.indexOf('## Delivery'))
  const explained = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key)
  expect(explained).toEqual(Object.keys(payloadSchema.shape.data.shape))
})

test('the schedule of the text is the schedule of the code', () => {
  expect([...FAST_MS, ...SLOW_MS].slice(1, 11).map((ms) => ms / 1000)).toEqual([
    1, 2, 5, 15, 30, 60, 120, 300, 900, 1800,
  ])
  expect(text).toContain('1, 2, 5, 15 and 30 s, 1, 2, 5, 15 and 30 min and then every hour up to\n  24 h')
})

test('the TypeScript example verifies what Andon signs and nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'andon-doc-'))
  try {
    const file = join(folder, 'verify.ts')
    writeFileSync(file, blockOf('ts'))
    const { isFromAndon } = await import(pathToFileURL(file).href)
    for (const [what, secrets, raw, nowMs, wanted] of cases)
      expect(isFromAndon(headers, raw, secrets, nowMs), what).toBe(wanted)
    expect(isFromAndon({}, body, [SECRET], START_MS)).toBe(false)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const hasPython = spawnSync('python3', ['--version']).status === 0
test.skipIf(!hasPython)('the Python example verifies what Andon signs and nothing else (needs python3)', () => {
  const script = `${blockOf('python')}
import json, sys
given = json.load(sys.stdin)
print(json.dumps([is_from_andon(given["headers"], raw.encode(), secrets, now / 1000) for _, secrets, raw, now, _ in given["cases"]]))
`
  const run = spawnSync('python3', ['-c', script], { input: JSON.stringify({ headers, cases }), encoding: 'utf8' })
  expect(run.stderr).toBe('')
  expect(JSON.parse(run.stdout)).toEqual(cases.map(([, , , , wanted]) => wanted))
})
