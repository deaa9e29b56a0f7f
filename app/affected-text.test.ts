import { expect, test } from 'vitest'
import type { RecoveryStateAnswer } from '../api/recovery.ts'
import { type AffectedRow, COLUMNS } from '../recovery/export.ts'
import { affectedText } from './affected-text.ts'

const row = (change: Partial<AffectedRow>): AffectedRow =>
  ({ ...Object.fromEntries(COLUMNS.map((column) => [column, ''])), ...change }) as AffectedRow
const state: RecoveryStateAnswer = {
  incidentId: 'inc',
  snapshot: { number: 1, takenAtMs: Date.UTC(2027, 0, 4, 10), because: 'drained' },
  needed: 3,
  done: 1,
  unrecoverable: 0,
  completeness: 1 / 3,
  open: { customer: 2 },
  waiver: null,
  gate: { allowed: false, reason: 'recovery_open', detail: 'still open: 2 customers' },
}

test('what is left to do comes first by how long the customer may be answered; what is done, or needs nothing, is only counted', () => {
  const text = affectedText(
    [
      row({ kind: 'contact', item: 'c1' }),
      row({ kind: 'record', item: 'crm/order/1', need: 'correct', done: 'record_corrected' }),
      row({
        kind: 'customer',
        item: 'calm',
        need: 'recontact',
        why: 'complaint',
        channel: 'whatsapp',
        replySecondsLeft: 7200,
      }),
      row({
        kind: 'customer',
        item: 'hasty\u001b[2J',
        need: 'recontact',
        why: 'failed',
        channel: 'whatsapp',
        replySecondsLeft: 600,
      }),
      row({ kind: 'case', item: 'voice', need: 'route' }),
    ],
    state,
  )
  const lines = text.split('\n')
  expect(lines[0]).toBe('Touched   1 contact, 1 record, 2 customers, 1 case (listed 2027-01-04T10:00:00.000Z)')
  expect(lines[1]).toBe('Redeploy  not yet: still open: 2 customers')
  expect(lines.slice(5, 8).map((line) => line.split(/ {2,}/))).toEqual([
    ['recontact', 'customer', 'hasty�[2J', 'failed', 'whatsapp', '10 min'],
    ['recontact', 'customer', 'calm', 'complaint', 'whatsapp', '2 h 0 min'],
    ['route', 'case', 'voice'],
  ])
  expect(text).not.toContain('crm/order/1')
})

test('nothing is left, or more than a screen holds', () => {
  expect(affectedText([row({ kind: 'contact', item: 'c' })], state)).toContain('Nothing is left to do.')
  const many = Array.from({ length: 130 }, (_, n) => row({ kind: 'case', item: `c${n}`, need: 'route' }))
  expect(affectedText(many, state)).toContain('… and 30 more')
})
