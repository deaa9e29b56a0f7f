import type { Attributes, MeterProvider } from '@opentelemetry/api'
import { metric, SCOPE } from './names.ts'

/** The three counters of the convention; their attributes come from short lists only, never an id. */
export type Counters = Readonly<{
  contact: (attributes: Attributes) => void
  action: (attributes: Attributes) => void
  outcome: (attributes: Attributes) => void
}>

export function countersOf(provider: MeterProvider, agent: Attributes): Counters {
  const meter = provider.getMeter(SCOPE.name, SCOPE.version)
  const contacts = meter.createCounter(metric.contacts, { unit: '{contact}', description: 'Contacts that ended.' })
  const actions = meter.createCounter(metric.actions, { unit: '{action}', description: 'Tool calls that ended.' })
  const outcomes = meter.createCounter(metric.outcomes, { unit: '{outcome}', description: 'Outcomes reported.' })
  return {
    contact: (attributes) => contacts.add(1, { ...agent, ...attributes }),
    action: (attributes) => actions.add(1, { ...agent, ...attributes }),
    outcome: (attributes) => outcomes.add(1, { ...agent, ...attributes }),
  }
}
