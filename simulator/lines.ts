/** One tool call that an agent may make in a contact. */
export type Step = Readonly<{
  tool: string
  action?: 'create' | 'update' | 'merge' | 'read' | 'transfer'
  system: string
  recordType: string
  /** Share of the contacts of this intent in which it happens. */
  share: number
  /** For a create: what a returning customer gets instead, whose record exists by then. */
  instead?: Omit<Step, 'share' | 'instead'>
}>

export type Intent = Readonly<{ name: string; queue: string; weight: number; steps: readonly Step[] }>

/** A line of work: one agent and its customers. */
export type Line = Readonly<{
  agent: string
  /** First contacts per hour, as a daily mean; customers who come back add to it. */
  perHour: number
  /** Relative traffic by hour of day, 24 values. */
  hours: readonly number[]
  channels: readonly Readonly<{ name: string; weight: number; prefix: string }>[]
  intents: readonly Intent[]
  regions: readonly string[]
  /** Share of first contacts that the agent begins; a customer who comes back begins the contact. */
  agentInitiated: number
  /** Share of contacts whose customer is known. */
  identified: number
  medianMinutes: number
  /** How complaints reach the monitor: a log event that names the conversation, or a posted CloudEvent that knows only the customer. */
  complaints: 'log_event' | 'cloud_event'
}>

const OFFICE_HOURS = [2, 1, 1, 1, 2, 4, 8, 14, 20, 24, 25, 24, 22, 22, 24, 24, 22, 18, 14, 11, 9, 7, 5, 3]
const EVENING_HOURS = [4, 3, 2, 2, 2, 3, 6, 10, 14, 16, 17, 18, 20, 18, 16, 16, 17, 20, 24, 26, 25, 20, 13, 8]

const readOrder: Step = { tool: 'get_order', action: 'read', system: 'oms', recordType: 'order', share: 0.9 }
const readAccount: Step = { tool: 'get_account', action: 'read', system: 'finance', recordType: 'account', share: 0.8 }
const findContact: Step = { tool: 'find_contact', action: 'read', system: 'crm', recordType: 'contact', share: 0.7 }
const updateCase = { tool: 'update_case', action: 'update', system: 'crm', recordType: 'case' } as const
const updatePlan = { tool: 'update_plan', action: 'update', system: 'finance', recordType: 'payment_plan' } as const

/** WhatsApp order status, voice collections, CRM data hygiene: 54 first contacts per hour together. */
export const LINES: readonly Line[] = [
  {
    agent: 'order-status',
    perHour: 18,
    hours: EVENING_HOURS,
    channels: [
      { name: 'whatsapp', weight: 0.85, prefix: 'wa' },
      { name: 'chat', weight: 0.15, prefix: 'ch' },
    ],
    regions: ['de', 'at', 'ch'],
    agentInitiated: 0,
    identified: 0.98,
    medianMinutes: 7,
    complaints: 'log_event',
    intents: [
      {
        name: 'where_is_my_order',
        queue: 'orders',
        weight: 0.6,
        steps: [
          readOrder,
          { tool: 'set_notification', action: 'update', system: 'oms', recordType: 'order', share: 0.5 },
        ],
      },
      {
        name: 'change_delivery',
        queue: 'delivery',
        weight: 0.25,
        steps: [
          readOrder,
          { tool: 'update_delivery', action: 'update', system: 'oms', recordType: 'delivery', share: 0.9 },
        ],
      },
      {
        name: 'missing_parcel',
        queue: 'delivery',
        weight: 0.15,
        steps: [
          readOrder,
          { tool: 'create_case', action: 'create', system: 'crm', recordType: 'case', share: 0.9, instead: updateCase },
          { tool: 'hand_over', action: 'transfer', system: 'contact_centre', recordType: 'contact', share: 0.15 },
        ],
      },
    ],
  },
  {
    agent: 'collections',
    perHour: 18,
    hours: OFFICE_HOURS,
    channels: [{ name: 'voice', weight: 1, prefix: 'call' }],
    regions: ['north', 'south'],
    agentInitiated: 0.6,
    identified: 0.96,
    medianMinutes: 4,
    complaints: 'cloud_event',
    intents: [
      {
        name: 'promise_to_pay',
        queue: 'promises',
        weight: 0.6,
        steps: [
          readAccount,
          {
            tool: 'create_promise',
            action: 'create',
            system: 'finance',
            recordType: 'promise_to_pay',
            share: 0.6,
            instead: { tool: 'update_promise', action: 'update', system: 'finance', recordType: 'promise_to_pay' },
          },
        ],
      },
      {
        name: 'payment_plan',
        queue: 'plans',
        weight: 0.25,
        steps: [
          readAccount,
          {
            tool: 'create_plan',
            action: 'create',
            system: 'finance',
            recordType: 'payment_plan',
            share: 0.7,
            instead: updatePlan,
          },
        ],
      },
      {
        name: 'dispute',
        queue: 'disputes',
        weight: 0.15,
        steps: [
          { tool: 'create_case', action: 'create', system: 'crm', recordType: 'case', share: 0.8, instead: updateCase },
          { tool: 'hand_over', action: 'transfer', system: 'contact_centre', recordType: 'contact', share: 0.4 },
        ],
      },
    ],
  },
  {
    agent: 'crm-hygiene',
    perHour: 18,
    hours: OFFICE_HOURS,
    channels: [
      { name: 'email', weight: 0.7, prefix: 'mail' },
      { name: 'web', weight: 0.3, prefix: 'web' },
    ],
    regions: ['emea', 'amer'],
    agentInitiated: 0,
    identified: 0.99,
    medianMinutes: 2,
    complaints: 'log_event',
    intents: [
      {
        name: 'change_address',
        queue: 'master_data',
        weight: 0.35,
        steps: [
          findContact,
          { tool: 'update_contact', action: 'update', system: 'crm', recordType: 'contact', share: 1 },
        ],
      },
      {
        name: 'merge_accounts',
        queue: 'master_data',
        weight: 0.1,
        steps: [
          findContact,
          { tool: 'merge_contacts', action: 'merge', system: 'crm', recordType: 'contact', share: 0.9 },
        ],
      },
      {
        name: 'add_contact',
        queue: 'onboarding',
        weight: 0.55,
        steps: [
          {
            tool: 'create_contact',
            action: 'create',
            system: 'crm',
            recordType: 'contact',
            share: 1,
            instead: { tool: 'update_contact', action: 'update', system: 'crm', recordType: 'contact' },
          },
          { tool: 'link_account', action: 'update', system: 'crm', recordType: 'account', share: 0.6 },
        ],
      },
    ],
  },
]
