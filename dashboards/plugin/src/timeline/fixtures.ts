import { type Incident, keyOf, MOMENTS, type Moment, type Names, type Release } from './model.ts'

const NAMES: Names = { environment: 'production', agent: 'order-status', release: '2026.11.2' }

export function aRelease(firstMs: number, lastMs: number, names: Partial<Names> = {}): Release {
  const all = { ...NAMES, ...names }
  return { ...all, key: keyOf(all), firstMs, lastMs, contacts: null, row: null }
}

/** An incident with these moments; the others have not come. */
export function anIncident(moments: Partial<Record<Moment, number>>, parts: Partial<Incident> = {}): Incident {
  const at = Object.fromEntries(MOMENTS.map((moment) => [moment, moments[moment] ?? null])) as Record<
    Moment,
    number | null
  >
  const names = { ...NAMES, ...parts }
  return {
    ...NAMES,
    key: keyOf({ environment: names.environment, agent: names.agent, release: names.release }),
    id: 'first',
    state: moments.accepted === undefined ? 'pausing' : 'paused',
    signals: 'failed_updates',
    reason: '',
    at,
    onsetLowMs: null,
    onsetHighMs: null,
    resumedMs: null,
    rolledBackMs: null,
    closedMs: null,
    ordered: null,
    tellsRecovery: false,
    contactsExposed: null,
    contactsAfterPause: null,
    writesAfterPause: null,
    row: { frame: 0, row: 0 },
    ...parts,
  }
}
