import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { explanationOf } from '../app/check.ts'
import { playbookNamed, playbooks } from '../app/playbooks.ts'
import { type Config, countedSignals, signalsOf } from '../config.ts'
import { compileSignals } from '../detectors/signals/compile.ts'
import type { Signal } from '../detectors/signals/definition.ts'
import type { OutcomeFact, SpanFact } from '../facts/span.ts'
import { wallClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { agentSpan, outcomeOf, toolSpan } from '../pipeline/fixtures.ts'
import { createSequencer } from '../pipeline/sequencer.clickhouse.ts'
import { openStore, rowsOf } from '../store/store.clickhouse.ts'

const MINUTE = 60_000
const T = Date.UTC(2027, 0, 4, 10)
const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test('there are six playbooks, and every one of them is listed in the documentation', () => {
  expect(playbooks()).toEqual([
    'crm-record-updates',
    'invoice-dispute',
    'service-escalation-triage',
    'supplier-confirmation',
    'voice-collections',
    'whatsapp-order-status',
  ])
  for (const name of playbooks()) expect(read('docs/playbooks.md')).toContain(`(../playbooks/${name}/`)
})

test('a name that is none is refused with those that are', () => {
  expect(() => playbookNamed('../etc')).toThrow(/there is crm-record-updates, .*; found \.\.\/etc/)
})

describe.each(playbooks())('%s', (name) => {
  const config = playbookNamed(name)
  const triggers = config.triggers!
  const runbook = read(`playbooks/${name}/runbook.md`)

  test('is valid, warns of nothing, and can stop a release', () => {
    expect(explanationOf(config).warnings).toEqual([])
    expect(triggers.filter((trigger) => trigger.action === 'pause').length).toBeGreaterThanOrEqual(4)
    expect(config.targets.some((target) => target.enforces && !target.escalation)).toBe(true)
    expect(new Set(triggers.map((trigger) => trigger.match.agent)).size).toBe(1)
    for (const target of config.targets) if (target.url) expect(new URL(target.url).hostname).toMatch(/\.example$/)
  })

  test('spends all of alpha, and judges more than the four signals', () => {
    const acting = triggers.filter((trigger) => trigger.action !== 'notify')
    expect(acting.reduce((sum, trigger) => sum + trigger.weight!, 0)).toBeCloseTo(1, 9)
    expect(config.signals.length).toBeGreaterThan(0)
    const judged = new Set(triggers.map((trigger) => trigger.signal))
    const unused = signalsOf(config).filter(
      (signal) => !judged.has(signal.name) && config.signals.some((entry) => nameOf(entry) === signal.name),
    )
    expect(unused.map((signal) => signal.name).filter((signal) => signal !== 'human_reviews')).toEqual([])
  })

  test('has a runbook that is linked and explains every trigger', () => {
    expect(config.links.runbook).toBe(`playbooks/${name}/runbook.md`)
    for (const trigger of triggers) expect(runbook).toContain(`\`${trigger.name}\``)
    for (const part of ['First five minutes', 'Recovery', 'Resume or roll back', 'What the telemetry must say'])
      expect(runbook).toContain(`\n## ${part}\n`)
    for (const [, link] of runbook.matchAll(/\]\(([^)#]+)/g))
      expect(existsSync(new URL(link!, new URL(`./${name}/`, import.meta.url))), link).toBe(true)
  })
})

const nameOf = (entry: Config['signals'][number]): string => (typeof entry === 'string' ? entry : entry.name)

describe('every signal of every playbook counts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'andon-playbooks-'))
  let store: ClickHouseClient
  beforeAll(async () => {
    store = await openStore({ kind: 'embedded', path: folder })
  })
  afterAll(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(playbooks())('%s: a contact that goes wrong is a hit where its trigger looks', async (name) => {
    const config = playbookNamed(name)
    const facts = config.triggers!.map((trigger, index) => {
      const signal = signalsOf(config).find((one) => one.name === trigger.signal)!
      const place = { agentName: trigger.match.agent!, channel: trigger.match.channel ?? 'chat', release: name }
      return harmOf(signal, `p${playbooks().indexOf(name)}t${index}`, place) // ids of fixtures are short
    })
    const sequencer = await createSequencer({
      store,
      statements: compileSignals(countedSignals(config)),
      idleMs: null,
      clock: wallClock,
      clockMode: 'event',
      holdMs: 0,
      onBatch: () => {},
      log: silentLog,
    })
    const spans = facts.flatMap((one) => one.spans)
    await sequencer.accept({ spans, outcomes: facts.flatMap((one) => one.outcomes), points: [] })
    await sequencer.settle()
    await sequencer.close()
    for (const trigger of config.triggers!) {
      const [row] = await rowsOf<{ hits: number; trials: number }>(
        store,
        `SELECT sumIf(rollup_minutes.n, measure = 'hits') AS hits, sumIf(rollup_minutes.n, measure = 'trials') AS trials FROM rollup_minutes
         WHERE signal = {signal:String} AND agent = {agent:String} AND release = {release:String} AND ({channel:String} = '' OR channel = {channel:String})`,
        { signal: trigger.signal, agent: trigger.match.agent, release: name, channel: trigger.match.channel ?? '' },
      )
      expect(row!.hits, trigger.name).toBeGreaterThan(0)
      expect(row!.trials, trigger.name).toBeGreaterThanOrEqual(row!.hits)
    }
  })
})

type Place = Readonly<{ agentName: string; channel: string; release: string }>

/** Facts of one contact, or two, that are a hit of this signal. */
function harmOf(signal: Signal, id: string, place: Place): { spans: SpanFact[]; outcomes: OutcomeFact[] } {
  const customer = Buffer.from(id).toString('hex').slice(-32).padStart(32, '0')
  const about = { ...place, serviceName: place.agentName, customer, intent: 'help', conversation: id }
  const contact = (part: string, change: Partial<SpanFact>, ...writes: Partial<SpanFact>[]): SpanFact[] => [
    agentSpan({ trace: part, id: `${part}a`, ...about, conversation: part, startedAtMs: T, ...change }),
    ...writes.map((write, n) =>
      toolSpan({
        trace: part,
        id: `${part}${n}`,
        parent: `${part}a`,
        serviceName: place.agentName,
        startedAtMs: T + n,
        ...write,
      }),
    ),
  ]
  const update = { tool: 'update', action: 'update', result: 'ok' } as const
  const create = { tool: 'create', action: 'create', result: 'ok', recordKey: id } as const
  if (signal.evaluator === 'attributed') {
    const outcome = { kind: signal.outcome, flag: signal.flag, reviewMinutes: signal.outcome === 'review' ? 3 : 0 }
    const facts = { outcomeId: id, atMs: T + MINUTE, conversation: id, ...outcome }
    return { spans: contact(id, {}, update), outcomes: [outcomeOf(facts)] }
  }
  if (signal.evaluator === 'recurrence' && signal.over === 'contacts')
    return { spans: [...contact(id, {}), ...contact(`${id}2`, { startedAtMs: T + 60 * MINUTE })], outcomes: [] }
  if (signal.evaluator === 'recurrence') return { spans: contact(id, {}, create, create), outcomes: [] }
  if (signal.evaluator === 'measure')
    return {
      spans: contact(id, { endedAtMs: T + 20 * MINUTE }, { ...update, amount: signal.above! + 1, currency: 'EUR' }),
      outcomes: [],
    }
  if (signal.name === 'escalations') return { spans: contact(id, { contactEnd: 'escalated' }), outcomes: [] }
  return { spans: contact(id, {}, { ...update, result: 'failed' }), outcomes: [] }
}
