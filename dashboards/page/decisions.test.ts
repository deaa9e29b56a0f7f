import { expect, test } from 'vitest'
import { aBadDay, aFinding, anIncident } from '../fixtures.ts'
// @ts-expect-error plain JavaScript for the browser; page/tsconfig.json checks its types
import * as decisions from './decisions.js'

const { acknowledgementOf, commandLinesOf, deliveriesOf, nextStepsOf, quietFor, shellWord } = decisions

const [pausing, drained, observed] = aBadDay().incidents as [never, never, never]
const ada = { by: 'Ada', reason: 'on it', atMs: 0 }
const linesOf = (incident: unknown): string[] => commandLinesOf(incident).map(({ does }: { does: string }) => does)

test('who has it is said with how long that took', () => {
  expect(acknowledgementOf(pausing)).toEqual({ isOpen: true, text: 'nobody has acknowledged it yet' })
  expect(acknowledgementOf(drained).text.replaceAll('\u00a0', ' ')).toBe(
    'Ada Okafor after 2 min: on it, calling the platform team',
  )
})

test('each target says how far it is, and what a person carried out counts as well', () => {
  expect(deliveriesOf(pausing)).toEqual([
    { target: 'agent-platform', text: 'server error (503), attempt 4', isDone: false },
    { target: 'on-call', text: 'told', isDone: true },
  ])
  const byHand = anIncident(aFinding(), { acceptedBy: ['by hand: Ada'], deliveries: [] })
  expect(deliveriesOf(byHand)).toEqual([{ target: 'by hand: Ada', text: 'accepted', isDone: true }])
})

test('the command lines are those that the state allows', () => {
  expect(linesOf(pausing)).toContain('Done by hand')
  expect(linesOf(drained)).not.toContain('Acknowledge')
  expect(linesOf(drained)).not.toContain('Verdict')
  expect(linesOf(observed)).toEqual(['Acknowledge', 'Pause it', 'Verdict', 'Evidence'])
  const resumed = anIncident(aFinding(), { state: 'resumed', resumed: { ...ada, how: 'overridden', acceptedMs: 1 } })
  expect(linesOf(resumed)).toEqual(['Verdict', 'Evidence'])
  expect(nextStepsOf(resumed)[1]).toContain('verdict')
})

test.each([
  ['order-status', 'order-status'],
  ["it's", `'it'\\''s'`],
  ['$(reboot)', "'$(reboot)'"],
  ['-rf', "'-rf'"],
  ['', "''"],
  ['a\u202eb', null],
])('%j is typed as %j', (text, typed) => {
  expect(shellWord(text)).toBe(typed)
})

test('a snooze is shown as long as it lasts', () => {
  const snoozed = anIncident(aFinding(), { snoozed: { ...ada, untilMs: 60_000 } })
  expect(quietFor(snoozed, 0)).not.toBeNull()
  expect(quietFor(snoozed, 60_000)).toBeNull()
})

test('each part that is stopped can be resumed alone, once somebody has accepted the order and more than one is', () => {
  const scope = [
    { channel: 'whatsapp', queue: '' },
    { channel: 'voice', queue: "it's late" },
    { channel: 'a\u202eb', queue: '' },
  ]
  const lines = (change: object) =>
    commandLinesOf(anIncident(aFinding(), { scope, ...change })).filter((one: { does: string }) =>
      one.does.startsWith('Only'),
    )
  expect(lines({}).map(({ does, line }: { does: string; line: string }) => [does, line.split(' --by')[0]])).toEqual([
    ['Only whatsapp', 'andon resume 4be07cfd2c1a --channel whatsapp'],
    ["Only voice · it's late", "andon resume 4be07cfd2c1a --channel voice --queue 'it'\\''s late'"],
  ])
  expect(lines({ state: 'pausing' })).toEqual([])
  expect(lines({ scope: scope.slice(0, 1) })).toEqual([])
})
