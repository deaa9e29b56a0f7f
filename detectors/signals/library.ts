import { type Signal, signalSchema } from './definition.ts'

const HOURS_PER_DAY = 24

/** The four signals of the product (docs/signals.md), in order of their boards. */
const FOUR: readonly unknown[] = [
  {
    name: 'failed_updates',
    title: 'Failed updates',
    description: 'Contacts with at least one write, of which one of the writes failed.',
    evaluator: 'share',
    trial: [{ field: 'writes', above: 0 }],
    hit: [{ field: 'failedWrites', above: 0 }],
    runbook: 'docs/runbooks/failed-updates.md',
  },
  {
    name: 'duplicate_creations',
    title: 'Duplicate creations',
    description: 'Contacts with a successful create, one of which repeats a record created within 30 days by anyone.',
    evaluator: 'recurrence',
    over: 'creates',
    trial: [{ field: 'creates', above: 0 }],
    windowHours: 30 * HOURS_PER_DAY,
    runbook: 'docs/runbooks/duplicate-creations.md',
  },
  {
    name: 'repeat_contacts',
    title: 'Repeat contacts',
    description: 'Contacts with customer and intent whose customer comes back with the same intent within 72 hours.',
    evaluator: 'recurrence',
    over: 'contacts',
    trial: [
      { field: 'customer', known: true },
      { field: 'intent', known: true },
    ],
    windowHours: 72,
    runbook: 'docs/runbooks/repeat-contacts.md',
  },
  {
    name: 'complaints',
    title: 'Complaints',
    description:
      'Contacts with at least one complaint attributed to them: by conversation, else the latest contact of the customer within 7 days.',
    evaluator: 'attributed',
    outcome: 'complaint',
    windowHours: 7 * HOURS_PER_DAY,
    runbook: 'docs/runbooks/complaints.md',
  },
]

/** More signals that ship as data; a configuration names those it wants (`signals.use`). */
const MORE: readonly unknown[] = [
  {
    name: 'repeat_contacts_7d',
    title: 'Repeat contacts, 7 days',
    evaluator: 'recurrence',
    over: 'contacts',
    trial: [
      { field: 'customer', known: true },
      { field: 'intent', known: true },
    ],
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'reopened_cases',
    title: 'Reopened cases',
    evaluator: 'attributed',
    outcome: 'reopen',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'corrections',
    title: 'Corrections',
    description: 'Contacts with a write that somebody corrected later.',
    evaluator: 'attributed',
    outcome: 'correction',
    trial: [{ field: 'writes', above: 0 }],
    windowHours: 7 * HOURS_PER_DAY,
  },
  { name: 'transfers', title: 'Transfers', evaluator: 'share', hit: [{ field: 'transfers', above: 0 }] },
  { name: 'escalations', title: 'Escalations', evaluator: 'share', hit: [{ field: 'contactEnd', is: ['escalated'] }] },
  {
    name: 'abandoned',
    title: 'Abandoned contacts',
    evaluator: 'share',
    hit: [{ field: 'contactEnd', is: ['abandoned'] }],
  },
  {
    name: 'not_contained',
    title: 'Not contained',
    description: 'Contacts that ended with a person: transferred or escalated.',
    evaluator: 'share',
    hit: [{ field: 'contactEnd', is: ['transferred', 'escalated'] }],
  },
  {
    name: 'hallucinations',
    title: 'Hallucinations',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'hallucination',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'data_exposures',
    title: 'Data exposures',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'data_exposure',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'policy_failures',
    title: 'Policy failures',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'policy_fail',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'finance_exceptions',
    title: 'Finance exceptions',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'finance_exception',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'authentication_failures',
    title: 'Authentication failures',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'authentication_failure',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'context_losses',
    title: 'Lost context',
    description: 'Contacts in which what was known did not reach the next agent or person.',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'context_propagation',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'misrouted',
    title: 'Wrong channel or queue',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'channel_routing',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'downstream_faults',
    title: 'Wrong downstream triggers',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'downstream_trigger',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'wrong_etas',
    title: 'Wrong delivery times',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'wrong_eta',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'broken_promises',
    title: 'Broken promises',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'broken_promise',
    windowHours: 14 * HOURS_PER_DAY,
  },
  {
    name: 'missed_severities',
    title: 'Missed severity',
    evaluator: 'attributed',
    outcome: 'flag',
    flag: 'missed_severity',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'human_reviews',
    title: 'Human reviews',
    description: 'Contacts that a person had to review; the minutes are summed beside.',
    evaluator: 'attributed',
    outcome: 'review',
    windowHours: 7 * HOURS_PER_DAY,
  },
  {
    name: 'unidentified',
    title: 'Unidentified contacts',
    description:
      'Contacts without a customer: they are no trial of a recurrence signal, so their rise is itself a signal.',
    evaluator: 'share',
    hit: [{ field: 'customer', is: [''] }],
  },
  {
    name: 'slow_contacts',
    title: 'Slow contacts',
    description: 'Contacts that took longer than ten minutes.',
    evaluator: 'measure',
    value: 'durationSeconds',
    above: 600,
  },
  {
    name: 'handling_time',
    title: 'Handling time',
    description: 'Seconds from the start of a contact to its end, against what was usual: median, 90 % and 99 % point.',
    evaluator: 'measure',
    value: 'durationSeconds',
  },
]

const parse = (signals: readonly unknown[]): Signal[] => signals.map((signal) => signalSchema.parse(signal))

export const FOUR_SIGNALS: readonly Signal[] = parse(FOUR)
export const SIGNAL_LIBRARY: readonly Signal[] = [...FOUR_SIGNALS, ...parse(MORE)]

/** Counted for the KPIs of leaders even where no trigger reads them. */
export const KPI_SIGNALS: readonly Signal[] = SIGNAL_LIBRARY.filter((signal) =>
  ['reopened_cases', 'corrections', 'human_reviews', 'escalations'].includes(signal.name),
)
