import { Gauge, type Registry } from 'prom-client'
import { isDrill } from '../facts/drill.ts'
import { type Incident, isPast } from '../facts/incident.ts'

/** Incidents with a series of their own, the latest: names come from outside and must not grow the page without bound. */
const MAX_INCIDENTS = 100

/**
 * Every incident that is not drained as one series with its release and state: what alert rules fire on; and what has begun after its
 * pause so far. The series of a state ends when
 * the state does, and with the drain, the resume or the closing the last one. Incidents of replays, drills and shadow
 * triggers have none.
 */
export function createIncidentMetrics(edges: { registry: Registry; incidents: () => readonly Incident[] }): void {
  const shown = () =>
    edges
      .incidents()
      .filter((incident) => !isPast(incident) && incident.state !== 'drained')
      .filter(({ reason, release }) => reason !== 'replay' && reason !== 'shadow' && !isDrill(release))
      .sort((a, b) => b.openedAtMs - a.openedAtMs)
      .slice(0, MAX_INCIDENTS)
  new Gauge({
    name: 'andon_incident',
    help: '1 for each of the latest incidents that are not drained, resumed or closed, by release and state.',
    labelNames: ['environment', 'agent', 'release', 'signal', 'state'],
    registers: [edges.registry],
    collect() {
      this.reset()
      for (const { release, finding, state } of shown()) this.set({ ...release, signal: finding.signal, state }, 1)
    },
  })
  new Gauge({
    name: 'andon_incident_contacts_after_pause',
    help: 'Contacts begun after the pause of an incident was accepted, as telemetry has told so far; no series before that is known.',
    labelNames: ['environment', 'agent', 'release', 'signal'],
    registers: [edges.registry],
    collect() {
      this.reset()
      for (const { release, finding, contactsAfterPause } of shown())
        if (contactsAfterPause !== null) this.set({ ...release, signal: finding.signal }, contactsAfterPause)
    },
  })
}
