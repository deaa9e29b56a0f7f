import type { Detector } from '../detectors/detector.clickhouse.ts'
import type { EvidenceRestart } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'
import { AndonError } from '../lib/errors.ts'

/** Starts the evidence of one trigger anew; null when the trigger judges this release no more, so that there is nothing to restart. */
export async function restartEvidence(
  detector: Detector,
  release: Release,
  trigger: string,
): Promise<EvidenceRestart | null> {
  try {
    const { overrides, alphaSpent, alphaNext } = await detector.restartAfterOverride(release, trigger)
    return { trigger, overrides, alphaSpent, alphaNext }
  } catch (error) {
    if (error instanceof AndonError && error.code === 'unknown') return null
    throw error
  }
}
