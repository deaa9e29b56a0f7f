import type { Finding } from '../facts/finding.ts'
import { type EvidenceRestart, type Incident, isPast } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'
import type { Log } from '../lib/log.ts'
import type { Mode } from './decide.ts'
import type { Ledger } from './ledger.ts'

/** Starts the evidence of one trigger anew at half the alpha; null when the trigger has none on this release. */
export type RestartEvidence = (release: Release, trigger: string) => Promise<EvidenceRestart | null>

/**
 * A release that goes on after an incident is judged again, from new contacts and at a smaller alpha: without that, its evidence
 * would stay beyond the line and say nothing more. What is due is read from the journal, so that a crash forgets none; one between
 * the restart and its line repeats it, which spends less alpha, never more.
 */
export function createRestarts(edges: {
  ledger: Ledger
  mode: Mode
  log: Log
  restartEvidence?: RestartEvidence
}): Readonly<{ due: () => void; idle: () => Promise<void> }> {
  const { ledger, log, restartEvidence } = edges
  const running = new Map<string, Promise<void>>()

  // Never within the ledger's turn: the detector may be waiting for it with a breach.
  async function restart(incident: Incident): Promise<void> {
    const { incidentId, release } = incident
    const restarts: EvidenceRestart[] = []
    for (const trigger of restartedBy(incident)) {
      const restarted = await restartEvidence?.(release, trigger)
      if (restarted) restarts.push(restarted)
    }
    const because = incident.resumed?.how ?? 'closed'
    await ledger.serially((record) => record(incidentId, { type: 'evidence_restarted', restarts, because }))
  }

  function due(): void {
    if (edges.mode === 'replay' || !restartEvidence) return
    for (const [incidentId, { incident }] of ledger.cases) {
      if (!isPast(incident) || incident.restarts !== null || running.has(incidentId)) continue
      const work = restart(incident)
        .catch((err) => log.error({ err, incidentId }, 'the evidence could not be restarted, it is tried again'))
        .finally(() => running.delete(incidentId))
      running.set(incidentId, work)
    }
  }

  return {
    due,
    idle: async () => {
      await Promise.all(running.values())
    },
  }
}

/** The triggers to restart: those that can pause share one alpha and restart together, so one of them stands for all. */
function restartedBy({ finding, joined }: Incident): string[] {
  const measured = [finding, ...joined].filter(({ by }) => by !== 'person' && by !== 'silence')
  const acting = measured.find(isActing)
  const notifying = measured.filter((one) => !isActing(one)).map(({ trigger }) => trigger)
  return [...new Set([...(acting ? [acting.trigger] : []), ...notifying])]
}

const isActing = ({ shadow, action }: Finding): boolean => !shadow && action !== 'notify'
