import { expect, test } from 'vitest'
import { auditCsv, auditRows } from './audit.ts'
import { type GateInput, gate } from './gate.ts'
import { gateConfig } from './limits.ts'
import type { ReleaseRecord } from './record.ts'
import type { KnownRelease } from './registry.ts'

const record: ReleaseRecord = {
  owner: 'Team Orders',
  change: { prompt: 'shorter' },
  allowedActions: ['update'],
  affectedSystems: ['crm'],
  autonomy: 'limited automatic',
  previousRelease: 'r42',
}
const known = (release: string, over: Partial<KnownRelease> = {}): KnownRelease => ({
  release: { environment: 'production', agent: 'order-status', release },
  state: 'live',
  parts: [],
  transitions: [],
  record,
  registered: { by: 'Ada', reason: 'notes', atMs: 0 },
  retired: null,
  seen: null,
  ...over,
})
const measures: GateInput['measures'] = {
  contacts: 2000,
  identified: 1900,
  sampled: 0,
  writes: 1500,
  failedWrites: 10,
  policyFailures: 2,
  reviewed: 0,
  reviewedCorrected: 0,
  writesWithRecord: 1500,
  writesAudited: 1490,
  writesReviewed: 0,
  actions: ['update'],
  systems: ['crm'],
  autonomy: ['limited automatic'],
}
const input = (over: Partial<GateInput> = {}): GateInput => ({
  stage: 'promote',
  known: known('r43'),
  previous: known('r42'),
  measures,
  findings: [{ trigger: 'failed_updates', finding: 'watching', reason: 'below' }],
  recoveries: [],
  limits: gateConfig.parse({}),
  ...over,
})
const measuring = (change: Partial<GateInput['measures']>) => input({ measures: { ...measures, ...change } })
const saying = (change: Partial<ReleaseRecord>, over: Partial<GateInput> = {}) =>
  input({ known: known('r43', { record: { ...record, ...change } }), ...over })
const stepUp = (over: Partial<GateInput> = {}) => saying({ autonomy: 'broad automatic' }, over)
const clear = [{ trigger: 'failed_updates', finding: 'clear' as const, reason: '' }]

test('a release that kept its limits may go on, and so may a step up on clear evidence', () => {
  expect(gate(input())).toMatchObject({ passed: true, stepUp: false })
  expect(gate(stepUp({ findings: clear }))).toMatchObject({ passed: true, stepUp: true })
})

test.each<[what: string, given: GateInput, name: string, result: string]>([
  ['a paused release', input({ known: known('r43', { state: 'paused' }) }), 'release_state', 'failed'],
  [
    'a stopped channel',
    input({ known: known('r43', { parts: [{ channel: 'voice', queue: '', state: 'paused' }] }) }),
    'release_state',
    'failed',
  ],
  [
    'nobody registered it',
    input({ known: known('r43', { record: null, registered: null }) }),
    'release_record',
    'failed',
  ],
  ['nobody owns it', saying({ owner: undefined }), 'release_record', 'failed'],
  [
    'open recovery',
    input({ recoveries: [{ incidentId: 'i', allowed: false, detail: '2 open' }] }),
    'recovery_complete',
    'failed',
  ],
  ['no previous release', input({ previous: null }), 'autonomy', 'unknown'],
  ['a step up at deployment', stepUp({ stage: 'deploy' }), 'autonomy', 'failed'],
  [
    'two steps at once',
    stepUp({ previous: known('r42', { record: { ...record, autonomy: 'reviewed update' } }) }),
    'autonomy',
    'failed',
  ],
  ['a step up while still watching', stepUp(), 'impact_limits', 'unknown'],
  [
    'a step up on few contacts',
    stepUp({ measures: { ...measures, contacts: 900, identified: 890 } }),
    'data_quality',
    'unknown',
  ],
  ['a write that nobody allowed', measuring({ actions: ['update', 'delete'] }), 'declared_scope', 'failed'],
  ['a system that nobody named', measuring({ systems: ['crm', 'erp'] }), 'declared_scope', 'failed'],
  ['more autonomy than recorded', measuring({ autonomy: ['broad_automatic'] }), 'declared_scope', 'failed'],
  ['too few contacts', measuring({ contacts: 299 }), 'data_quality', 'unknown'],
  ['sampled telemetry', measuring({ sampled: 1 }), 'data_quality', 'failed'],
  ['strangers', measuring({ identified: 1000 }), 'data_quality', 'failed'],
  ['policy failures', measuring({ policyFailures: 21 }), 'policy_pass_rate', 'failed'],
  ['no reviews where people review', saying({ autonomy: 'reviewed update' }), 'review_accuracy', 'unknown'],
  ['corrected reviews', measuring({ reviewed: 100, reviewedCorrected: 6 }), 'review_accuracy', 'failed'],
  ['failed writes', measuring({ failedWrites: 31 }), 'update_success', 'failed'],
  ['no writes at all', measuring({ writes: 0, failedWrites: 0 }), 'update_success', 'unknown'],
  ['writes without policy', measuring({ writesAudited: 1000 }), 'audit_completeness', 'failed'],
  ['reviewed updates without reviewer', saying({ autonomy: 'reviewed update' }), 'audit_completeness', 'failed'],
  ['a breach', input({ findings: [{ trigger: 't', finding: 'breach', reason: 'bad' }] }), 'impact_limits', 'failed'],
  ['no trigger', input({ findings: [] }), 'impact_limits', 'unknown'],
  ['a trigger that must judge and does not', saying({ triggers: ['complaints'] }), 'impact_limits', 'failed'],
])('%s does not pass: %3$s is %4$s', (_, given, name, result) => {
  const verdict = gate(given)
  expect(verdict.passed).toBe(false)
  expect(verdict.checks.find((check) => check.name === name)).toMatchObject({ result })
})

test('before the first contact only what can be known is asked', () => {
  const verdict = gate(measuring({ contacts: 0, writes: 0 }))
  expect(verdict.passed).toBe(false)
  const deploy = gate({ ...measuring({ contacts: 0, writes: 0 }), stage: 'deploy' })
  expect(deploy).toMatchObject({ passed: true })
  expect(deploy.checks).toHaveLength(4)
})

test('a read-only release is asked for no writes', () => {
  const verdict = gate(
    saying(
      { autonomy: 'read-only' },
      { measures: { ...measures, writes: 0, failedWrites: 0, writesAudited: 0, actions: [], autonomy: [] } },
    ),
  )
  expect(verdict.passed).toBe(true)
  expect(verdict.checks.filter(({ result }) => result === 'not_asked')).toHaveLength(3)
})

test('what people wrote cannot become a formula or break a row of the audit', () => {
  const release = { environment: 'production', agent: 'a', release: 'r' }
  const rows = auditRows(
    [],
    [
      {
        eventId: 'e',
        atMs: 0,
        type: 'retired',
        release,
        actor: '=HYPERLINK("x")',
        reason: 'one, "two"\nthree',
        record: null,
      },
    ],
    [],
  )
  const line = auditCsv(rows).split('\r\n').slice(1).join('\r\n')
  expect(line).toContain(`"'=HYPERLINK(""x"")"`)
  expect(line).toContain('"one, ""two""\nthree"')
})
