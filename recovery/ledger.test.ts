import fc from 'fast-check'
import { expect, test } from 'vitest'
import { REPLY_WINDOW_MS, replyWindow } from '../facts/reply-window.ts'
import { type AffectedItem, affectedItems, ITEM_KINDS, type Need } from './affected.ts'
import {
  entriesOfOutcome,
  type RecoveryEntry,
  type RecoveryOutcome,
  recoveryState,
  redeployGate,
  STEPS,
  type Step,
} from './ledger.ts'

const release = { environment: 'production', agent: 'a', release: 'r' }
const [template] = affectedItems({ incidentId: 'i', release, contacts: [], pausedAtMs: 0, caseIdleMs: 1 })
const snapshot = { number: 1, takenAtMs: 0, because: 'accepted' }

const anyItem = fc
  .record({
    kind: fc.constantFrom(...ITEM_KINDS),
    item: fc.constantFrom('a', 'b', 'c', 'd'),
    need: fc.constantFrom<Need>('', 'correct', 'recontact', 'route', 'close'),
    conversation: fc.constantFrom('', 'c1', 'c2'),
    customer: fc.constantFrom('', 'u1', 'u2'),
    recordType: fc.constantFrom('', 'order'),
    recordId: fc.constantFrom('', '1', '2'),
    atMs: fc.integer({ min: 0, max: 5 }),
  })
  .map((fields): AffectedItem => ({ ...template!, ...fields }))
const anyItems = fc.uniqueArray(anyItem, { selector: ({ kind, item }) => `${kind} ${item}`, maxLength: 12 })
const anyEntry = fc
  .record({
    step: fc.constantFrom<Step>(...STEPS),
    kind: fc.constantFrom(...ITEM_KINDS),
    item: fc.constantFrom('a', 'b', 'c', 'd'),
    atMs: fc.integer({ min: 0, max: 9 }),
    entryId: fc.string({ minLength: 4, maxLength: 4 }),
  })
  .map(
    ({ step, kind, item, ...fields }): RecoveryEntry => ({
      incidentId: 'i',
      step,
      ...(step === 'waived' ? { kind: '' as const, item: '' } : { kind, item }),
      actor: 'Ada',
      reason: 'r',
      source: 'hand',
      outcomeId: '',
      ...fields,
    }),
  )

test('what is entered only ever brings a recovery forward; copies and order change nothing', () => {
  fc.assert(
    fc.property(anyItems, fc.array(anyEntry, { maxLength: 20 }), (items, entries) => {
      let last = 0
      for (let n = 0; n <= entries.length; n++) {
        const state = recoveryState('i', snapshot, items, entries.slice(0, n))
        expect(state.done).toBeGreaterThanOrEqual(last)
        expect(state.done).toBeLessThanOrEqual(state.needed)
        expect(Object.values(state.open).reduce((sum, open) => sum + open, 0)).toBe(state.needed - state.done)
        last = state.done
      }
      const whole = recoveryState('i', snapshot, items, entries)
      const again = recoveryState('i', snapshot, items, [...entries, ...entries].reverse())
      expect({ ...again, waiver: null }).toEqual({ ...whole, waiver: null })
    }),
  )
})

test('the gate opens for a complete recovery or a waiver by name, and for nothing else', () => {
  fc.assert(
    fc.property(anyItems, fc.array(anyEntry, { maxLength: 20 }), fc.boolean(), (items, entries, isListed) => {
      const state = recoveryState('i', isListed ? snapshot : null, isListed ? items : [], entries)
      const isWaived = entries.some((entry) => entry.step === 'waived')
      const gate = redeployGate(state, null)
      expect(gate.allowed).toBe(isWaived || (isListed && state.done === state.needed))
      if (isWaived) expect(gate.detail).toContain('waived by Ada')
      // What was known before more was stopped opens nothing.
      const latestMs = Math.max(0, snapshot.takenAtMs, ...entries.map((entry) => entry.atMs))
      expect(redeployGate(state, latestMs + 1).allowed).toBe(false)
    }),
  )
})

test('an outcome enters what it is about, under ids that a second reading gives again, and nothing from before the harm', () => {
  const anyOutcome = fc.record<RecoveryOutcome>({
    outcomeId: fc.constantFrom('o1', 'o2'),
    kind: fc.constantFrom('correction', 'recontact'),
    atMs: fc.integer({ min: 0, max: 9 }),
    environment: fc.constant('production'),
    conversation: fc.constantFrom('', 'c1', 'c2'),
    customer: fc.constantFrom('', 'u1', 'u2'),
    recordType: fc.constantFrom('', 'order'),
    recordId: fc.constantFrom('', '1', '2'),
  })
  fc.assert(
    fc.property(anyItems, anyOutcome, (items, outcome) => {
      const entries = entriesOfOutcome('i', items, outcome)
      expect(entriesOfOutcome('i', items, outcome)).toEqual(entries)
      expect(new Set(entries.map((entry) => entry.entryId)).size).toBe(entries.length)
      for (const entry of entries) {
        const item = items.find((one) => one.kind === entry.kind && one.item === entry.item)!
        expect(item.kind).toBe(outcome.kind === 'correction' ? 'record' : 'customer')
        expect(outcome.atMs).toBeGreaterThanOrEqual(item.atMs)
        if (outcome.kind === 'correction' && outcome.recordId !== '') expect(item.recordId).toBe(outcome.recordId)
      }
      // Who names nothing closes nothing.
      const nobody = { ...outcome, conversation: '', customer: '', recordId: '' }
      expect(entriesOfOutcome('i', items, nobody)).toEqual([])
    }),
  )
})

test('the reply window is a day from the last activity, on WhatsApp only', () => {
  expect(replyWindow('whatsapp', 1000, 1000)).toEqual({ untilMs: 1000 + REPLY_WINDOW_MS, leftMs: REPLY_WINDOW_MS })
  expect(replyWindow('WhatsApp Business', 0, REPLY_WINDOW_MS + 1)).toEqual({ untilMs: REPLY_WINDOW_MS, leftMs: 0 })
  expect(replyWindow('voice', 1000, 1000)).toBeNull()
  expect(replyWindow('', 1000, 1000)).toBeNull()
})
