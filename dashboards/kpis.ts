/** count: how many. share: 0 to 1. seconds, minutes: mean, or sum where there is no denominator. money: in `currency`. */
export type KpiUnit = 'count' | 'share' | 'seconds' | 'minutes' | 'money'

/** One KPI of leaders: a row of the view `kpis` (store/migrations/0008_recovery.sql) for each period and slice in which something was counted. */
export type Kpi = Readonly<{
  name: string
  title: string
  unit: KpiUnit
  /** What is summed, and over what it is divided; '' = it is a sum. */
  numerator: string
  denominator: string
  /** Which time decides about day, week and month. */
  countedAt: 'start of the contact' | 'opening of the incident'
  /** The view with its parts by day; `kpi_parts` has those of all. */
  view: 'kpi_contact_parts' | 'kpi_incident_parts' | 'kpi_affected_parts'
  /** When the row is absent, beyond "nothing was counted", and what else a reader must know. */
  note: string
}>

const contact = { countedAt: 'start of the contact', view: 'kpi_contact_parts' } as const
const incident = { countedAt: 'opening of the incident', view: 'kpi_incident_parts' } as const
const affected = { countedAt: 'opening of the incident', view: 'kpi_affected_parts' } as const
const EVENTS = 'rollback events'
const mature = (window: string) => `Only contacts whose window of ${window} is over.`
const silence = (kind: string) => `Absent until the first ${kind} ever arrives: what nobody reports is not zero.`

/** In the order in which they are shown. */
export const KPIS: readonly Kpi[] = [
  {
    ...incident,
    name: 'rollback_events',
    title: 'Rollback events',
    unit: 'count',
    numerator: 'incidents in which the release was ordered to stop (pause or rollback)',
    denominator: '',
    note: 'Drills, replays, shadow triggers and incidents that only told people are none.',
  },
  {
    ...incident,
    name: 'detected_by_people',
    title: 'Detected by people',
    unit: 'count',
    numerator: 'rollback events that a person ordered before any trigger did',
    denominator: '',
    note: 'What the cord missed; absent when it missed none.',
  },
  {
    ...incident,
    name: 'time_to_detect',
    title: 'Time to detect',
    unit: 'seconds',
    numerator: 'detected − estimated onset of the harm',
    denominator: `${EVENTS} with an onset`,
    note: '',
  },
  {
    ...incident,
    name: 'time_from_first_harm',
    title: 'First harm to detection',
    unit: 'seconds',
    numerator: 'detected − first hit after the onset',
    denominator: `${EVENTS} with a first harm`,
    note: '',
  },
  {
    ...incident,
    name: 'time_to_pause',
    title: 'Time to pause',
    unit: 'seconds',
    numerator: 'accepted − detected',
    denominator: `${EVENTS} accepted: by a target that enforces, an agent that asked the stop switch and obeys, or by hand`,
    note: '',
  },
  {
    ...incident,
    name: 'time_to_stop',
    title: 'Time to stop',
    unit: 'seconds',
    numerator: 'stopped − accepted',
    denominator: `${EVENTS} proven stopped`,
    note: '',
  },
  {
    ...incident,
    name: 'time_to_drain',
    title: 'Time to drain',
    unit: 'seconds',
    numerator: 'drained − accepted',
    denominator: `${EVENTS} proven drained`,
    note: '',
  },
  {
    ...incident,
    name: 'time_to_acknowledge',
    title: 'Time to acknowledge',
    unit: 'seconds',
    numerator: 'acknowledged by a person − opened',
    denominator: `${EVENTS} acknowledged`,
    note: '',
  },
  {
    ...incident,
    name: 'pause_precision',
    title: 'Precision of pauses',
    unit: 'share',
    numerator: `${EVENTS} of triggers closed as confirmed`,
    denominator: `${EVENTS} of triggers closed as confirmed or false alarm`,
    note: 'Unclear ones, those not closed yet, and those that people ordered are in neither. Read it beside `detected_by_people`.',
  },
  {
    ...incident,
    name: 'contacts_exposed',
    title: 'Contacts exposed',
    unit: 'count',
    numerator: 'contacts begun between onset and detection',
    denominator: '',
    note: '',
  },
  {
    ...incident,
    name: 'contacts_after_pause',
    title: 'Contacts after the pause',
    unit: 'count',
    numerator: 'contacts begun after acceptance',
    denominator: '',
    note: 'Absent until the release is proven stopped.',
  },
  {
    ...incident,
    name: 'writes_after_pause',
    title: 'Writes after the pause',
    unit: 'count',
    numerator: 'writes begun after acceptance',
    denominator: '',
    note: 'Absent until the release is proven stopped.',
  },
  {
    ...contact,
    name: 'contacts',
    title: 'Contacts',
    unit: 'count',
    numerator: 'contacts',
    denominator: '',
    note: '',
  },
  {
    ...contact,
    name: 'identity_coverage',
    title: 'Identity coverage',
    unit: 'share',
    numerator: 'contacts whose customer is known',
    denominator: 'contacts',
    note: '',
  },
  {
    ...contact,
    name: 'repeat_contact_rate',
    title: 'Repeat contact rate',
    unit: 'share',
    numerator: 'hits of `repeat_contacts`',
    denominator: 'its trials',
    note: mature('72 h'),
  },
  {
    ...contact,
    name: 'reopened_rate',
    title: 'Reopened rate',
    unit: 'share',
    numerator: 'hits of `reopened_cases`',
    denominator: 'its trials',
    note: `${mature('7 d')} ${silence('reopen')}`,
  },
  {
    ...contact,
    name: 'complaint_rate',
    title: 'Complaint rate',
    unit: 'share',
    numerator: 'hits of `complaints`',
    denominator: 'its trials',
    note: `${mature('7 d')} ${silence('complaint')}`,
  },
  {
    ...contact,
    name: 'update_success_rate',
    title: 'Update success',
    unit: 'share',
    numerator: 'writes − failed writes',
    denominator: 'writes',
    note: 'Of writes; the signal `failed_updates` is about contacts.',
  },
  {
    ...contact,
    name: 'duplicate_rate',
    title: 'Duplicate rate',
    unit: 'share',
    numerator: 'hits of `duplicate_creations`',
    denominator: 'its trials',
    note: '',
  },
  {
    ...contact,
    name: 'corrections',
    title: 'Correction volume',
    unit: 'count',
    numerator: 'correction outcomes attributed to a contact',
    denominator: '',
    note: 'Absent when none was reported.',
  },
  {
    ...contact,
    name: 'review_minutes',
    title: 'Human review',
    unit: 'minutes',
    numerator: 'minutes of review outcomes attributed to a contact',
    denominator: '',
    note: 'Absent when none was reported.',
  },
  {
    ...contact,
    name: 'review_minutes_per_action',
    title: 'Human review per action',
    unit: 'minutes',
    numerator: 'minutes of review outcomes attributed to a contact',
    denominator: 'writes − failed writes',
    note: silence('review'),
  },
  {
    ...contact,
    name: 'transfer_rate',
    title: 'Transfer rate',
    unit: 'share',
    numerator: 'contacts with a transfer call',
    denominator: 'contacts',
    note: '',
  },
  {
    ...contact,
    name: 'escalation_rate',
    title: 'Escalation rate',
    unit: 'share',
    numerator: 'hits of `escalations`',
    denominator: 'its trials',
    note: '',
  },
  {
    ...affected,
    name: 'affected_contacts',
    title: 'Affected conversations',
    unit: 'count',
    numerator: 'contacts in the affected set',
    denominator: '',
    note: 'Slice: of the contact.',
  },
  {
    ...affected,
    name: 'affected_customers',
    title: 'Affected customers',
    unit: 'count',
    numerator: 'customers in the affected set',
    denominator: '',
    note: 'Slice: of their latest contact. A customer whom two incidents touched counts in each; the board of leaders counts each once.',
  },
  {
    ...affected,
    name: 'affected_transfers',
    title: 'Affected transfers',
    unit: 'count',
    numerator: 'contacts in the affected set that ended as transferred',
    denominator: '',
    note: '',
  },
  {
    ...affected,
    name: 'affected_escalations',
    title: 'Affected escalations',
    unit: 'count',
    numerator: 'contacts in the affected set that ended as escalated',
    denominator: '',
    note: '',
  },
  {
    ...affected,
    name: 'amount_at_risk',
    title: 'Revenue or cash at risk',
    unit: 'money',
    numerator: '`andon.amount` of the writes in the affected set',
    denominator: '',
    note: "One row per `currency`; '' = not told. Never sum over currencies.",
  },
  {
    ...affected,
    name: 'recovery_completeness',
    title: 'Recovery completeness',
    unit: 'share',
    numerator: 'items of the affected set that need something and have an entry in the ledger',
    denominator: 'items that need something',
    note: 'An unrecoverable item counts as dealt with; a waiver does not.',
  },
]
