import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const NODE = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))
const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'andon-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Ended = Readonly<{ code: number | null; out: string; err: string }>
const { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE } = process.env
const environment = { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE }

/** Runs `andon …` in the test's folder as a user would. */
function andon(
  args: readonly string[],
  options: { input?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  const child = spawn(NODE, [MAIN, ...args], { cwd: folder, env: { ...environment, ...options.env } })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  child.stdin.end(options.input ?? '')
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return name
}

describe('help and configuration', () => {
  test('--help names every command and ends well; so does the help of each', async () => {
    const { code, out } = await andon(['--help'])
    expect(code).toBe(0)
    const commands = ['serve', 'demo', 'replay', 'check', 'status', 'explain', 'recount', 'pseudonym', 'forget']
    for (const command of commands) expect(out).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    const helps = await Promise.all(['check', 'forget'].map((command) => andon([command, '--help'])))
    expect(helps.map((help) => help.code)).toEqual([0, 0])
  })

  test('a command that is not there, or an option, ends with 2 and a hint', async () => {
    const [command, option] = await Promise.all([andon(['chek']), andon(['check', '--jsn'])])
    expect([command.code, option.code]).toEqual([2, 2])
    expect(command.err).toContain('check')
    expect(option.err).toContain('--json')
  })

  test('check: 0 and words for a valid file, 0 and JSON with --json, 2 and every mistake for a wrong one, 2 for none', async () => {
    const valid = write('valid.yaml', 'judge: { alpha: 0.02 }\n')
    const wrong = write('wrong.yaml', 'receive: { prot: 1 }\nlog: { level: loud }\n')
    const [words, json, mistakes, none] = await Promise.all([
      andon(['check', valid]),
      andon(['check', valid, '--json']),
      andon(['check', wrong]),
      andon(['check', 'missing.yaml']),
    ])
    expect(words.code).toBe(0)
    expect(words.out).toContain('The configuration is valid')
    expect(json.code).toBe(0)
    expect(JSON.parse(json.out)).toMatchObject({ alpha: 0.02 })
    expect(mistakes.code).toBe(2)
    expect(mistakes.out).toBe('')
    expect(mistakes.err.trim().split('\n')).toEqual([
      expect.stringContaining('wrong.yaml:1 receive.prot:'),
      expect.stringContaining('wrong.yaml:2 log.level:'),
    ])
    expect(none.code).toBe(2)
    expect(none.err).toContain('missing.yaml')
  })
})

const at = (minutes: number) => String(BigInt(Date.UTC(2026, 10, 16, 8, minutes)) * 1_000_000n)
const text = (key: string, value: string) => ({ key, value: { stringValue: value } })

/** One contact of a customer as a line of OTLP/JSON: an agent span and a write under it. */
function contactLine(index: number, customer: string): string {
  const traceId = index.toString(16).padStart(32, 'a')
  const contact = [
    text('gen_ai.agent.name', 'orders'),
    text('gen_ai.conversation.id', `c${index}`),
    text('user.id', customer),
    text('andon.intent', 'delivery'),
  ]
  const span = (id: string, parentSpanId: string, name: string, attributes: object[]) => ({
    traceId,
    spanId: id.padEnd(16, '0'),
    parentSpanId,
    name,
    startTimeUnixNano: at(index),
    endTimeUnixNano: at(index + 1),
    attributes: [...contact, ...attributes],
  })
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: [text('service.name', 'orders'), text('service.version', '7')] },
        scopeSpans: [
          {
            spans: [
              span('1', '', 'invoke_agent orders', [text('gen_ai.operation.name', 'invoke_agent')]),
              span('2', '1'.padEnd(16, '0'), 'execute_tool create_case', [
                text('gen_ai.operation.name', 'execute_tool'),
                text('gen_ai.tool.name', 'create_case'),
                text('andon.action', 'create'),
              ]),
            ],
          },
        ],
      },
    ],
  })
}

describe('a store', () => {
  const STORE = ['--store', 'data/store']
  /** A configuration at whose page nobody answers. */
  let idle = ''
  const people = ['+999 550 0001', 'ann@example.com']

  beforeAll(async () => {
    idle = write('idle.yaml', `page: { port: ${await freePort()} }\n`)
    write('traces.jsonl', [0, 1, 2, 3, 4].map((index) => contactLine(index, people[index % 2]!)).join('\n'))
    expect(await andon(['replay', 'traces.jsonl', ...STORE])).toMatchObject({ code: 0 })
  })

  test('status shows what was left in it, as a table and as JSON', async () => {
    const words = await andon(['status', '-c', idle, ...STORE])
    const json = await andon(['status', '-c', idle, ...STORE, '--json'])
    expect(words).toMatchObject({ code: 0, err: '' })
    expect(words.out).toContain('no monitor runs; store in data/store as it was left')
    expect(words.out).toMatch(/^orders +7 +– +live +5 +100\.0 % /m)
    expect(words.out).toMatch(/^orders 7 +repeat_contacts +60\.0 % +12\.0 % +3 +5 /m)
    expect(words.out).toContain('No incident.')
    expect(JSON.parse(json.out)).toMatchObject({
      clock: 'event',
      releases: [{ contacts: 5, identified: 5, state: 'live' }],
      incidents: [],
    })
  })

  test('recount agrees with it', async () => {
    const words = await andon(['recount', ...STORE])
    const json = await andon(['recount', ...STORE, '--json'])
    expect(words).toMatchObject({ code: 0, err: '' })
    expect(words.out).toMatch(/Recounted \d+ totals from raw facts: all equal/)
    expect(JSON.parse(json.out)).toMatchObject({ equal: true, different: 0 })
  })

  test('pseudonym maps a list and equals what is stored; forget says what it would do, does it, and finds nothing then', async () => {
    const asked = await andon(['pseudonym', ...STORE], { input: ` ${people[0]} \n\n${people[1]!.toUpperCase()}\n` })
    expect(asked).toMatchObject({ code: 0, err: '' })
    const lines = asked.out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'))
    expect(lines.map(([identity]) => identity)).toEqual([` ${people[0]} `, people[1]!.toUpperCase()])
    const pseudonyms = lines.map(([, pseudonym]) => pseudonym!)

    const would = await andon(['forget', people[0]!, ...STORE])
    expect(would).toMatchObject({ code: 0, err: '' })
    expect(would.out).toMatch(/^spans +6$/m)
    expect(would.out).toContain('Nothing was changed')
    const other = await andon(['forget', '--pseudonyms', pseudonyms[1]!, ...STORE])
    expect(other.out).toMatch(/^spans +4$/m)

    const done = await andon(['forget', people[0]!, '--yes', ...STORE])
    expect(done).toMatchObject({ code: 0, err: '' })
    expect(done.out).toContain('Erased 1 customer')
    expect(would.out + done.out).not.toContain(people[0])
    expect((await andon(['forget', people[0]!, ...STORE])).out).toContain('Nothing is stored')
    expect((await andon(['recount', ...STORE])).code).toBe(0)
    expect((await andon(['status', '-c', idle, ...STORE])).out).toMatch(/^orders +7 +– +live +5 +100\.0 % /m)
  })

  test('nothing is made where nothing is: no store, and no key, by asking for one', async () => {
    const elsewhere = ['--store', 'elsewhere/store']
    const [status, recount, forget, pseudonym] = await Promise.all([
      andon(['status', '-c', idle, ...elsewhere]),
      andon(['recount', ...elsewhere]),
      andon(['forget', 'x', ...elsewhere]),
      andon(['pseudonym', 'x', ...elsewhere]),
    ])
    expect(status.err).toMatch(
      /no monitor runs at http:\/\/127\.0\.0\.1:\d+, and there is no store in elsewhere\/store/,
    )
    expect(recount.err).toContain('there is no store in elsewhere/store')
    expect(forget.err).toContain('there is no store in elsewhere/store')
    expect(pseudonym.err).toContain('there is no key beside the store (elsewhere/identity.key)')
    expect([status.code, recount.code, forget.code, pseudonym.code]).toEqual([1, 2, 2, 2])
    expect(existsSync(join(folder, 'elsewhere'))).toBe(false)
    mkdirSync(join(folder, 'vacant'))
    expect((await andon(['recount', '--store', 'vacant'])).err).toContain('there is no store in vacant')
    expect(readdirSync(join(folder, 'vacant'))).toEqual([])
  })

  test('input that names nobody, or is no pseudonym, is refused', async () => {
    const [empty, wrong] = await Promise.all([
      andon(['forget', ...STORE], { input: '\n' }),
      andon(['forget', '--pseudonyms', people[1]!, ...STORE]),
    ])
    expect(empty).toMatchObject({ code: 2 })
    expect(empty.err).toContain('no customer was named')
    expect(wrong).toMatchObject({ code: 2 })
    expect(wrong.err).toContain('32 hex digits')
    expect(wrong.err).not.toContain(people[1])
  })

  test('a running monitor answers status, with its token; what needs the store alone says to stop it', async () => {
    const port = await freePort()
    const config = write('running.yaml', `receive: { port: 0 }\npage: { port: ${port}, token: { env: PAGE_TOKEN } }\n`)
    const tokenless = write('tokenless.yaml', `page: { port: ${port} }\n`)
    const env = { PAGE_TOKEN: 'a-token-of-the-page' }
    const serving = spawn(NODE, [MAIN, 'serve', '-c', config, ...STORE], {
      cwd: folder,
      env: { ...environment, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = new Promise((resolve) => serving.on('exit', resolve))
    try {
      await new Promise<void>((resolve) =>
        serving.stderr.on('data', (chunk) => String(chunk).includes('andon is listening') && resolve()),
      )
      const elsewhere = ['--store', join(folder, 'elsewhere/store')]
      const [shown, beside, refused, forget] = await Promise.all([
        andon(['status', '-c', config, ...STORE], { env }),
        andon(['status', '-c', tokenless, ...STORE]),
        andon(['status', '-c', tokenless, ...elsewhere]),
        andon(['forget', people[1]!, '--yes', ...STORE]),
      ])
      expect(shown).toMatchObject({ code: 0, err: '' })
      expect(shown.out).toContain(`monitor at http://127.0.0.1:${port}`)
      expect(shown.out).toMatch(/^orders +7 /m)
      expect(beside.code, 'who may read the key beside the store needs no other').toBe(0)
      expect(refused.code).toBe(1)
      expect(refused.err).toContain('wants a token')
      expect(forget.code).toBe(1)
      expect(forget.err).toContain('stop `andon serve`')
    } finally {
      serving.kill('SIGTERM')
      await ended
    }
  })

  test('the key that was made beside the store is for its owner only', () => {
    expect(readFileSync(join(folder, 'data/identity.key'), 'utf8')).toMatch(/^[0-9a-f]{64}$/)
  })
})

/** A port that nobody listens on at the moment. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
