import { randomUUID } from 'node:crypto'
import type { RestartEvidence } from '../alerts/restarts.ts'
import type { EvidenceRestart } from '../facts/incident.ts'
import type { Release } from '../facts/slice.ts'
import { AndonError } from '../lib/errors.ts'

/** What the active alerter asks the active detector, over the topic of requests. */
export type RestartRequest = Readonly<{ id: string; release: Release; trigger: string }>

/** Its answer, over the topic of findings. A request may be answered twice: then evidence was restarted twice, which spends less alpha, never more. */
export type RestartAnswer = Readonly<{ kind: 'restarted'; id: string; restart: EvidenceRestart | null }>

export const isAnswer = (said: { kind: string }): said is RestartAnswer => said.kind === 'restarted'

const over = () => new AndonError('superseded', 'this alerter is not the active one any more', { retryable: true })

/**
 * Evidence starts anew wherever the detector is active. A question waits for as long as it takes: it is durable once it was sent, and whoever
 * detects next answers it. Rejects with AndonError `superseded` (retryable) when this alerter's term ends first.
 */
export function askOverBus(
  send: (request: RestartRequest) => Promise<void>,
  signal: AbortSignal,
): Readonly<{ restartEvidence: RestartEvidence; hear: (answer: RestartAnswer) => void }> {
  const waiting = new Map<string, PromiseWithResolvers<EvidenceRestart | null>>()
  signal.addEventListener('abort', () => {
    for (const { reject } of waiting.values()) reject(over())
  })
  return {
    restartEvidence: async (release, trigger) => {
      if (signal.aborted) throw over()
      const id = randomUUID()
      const answer = Promise.withResolvers<EvidenceRestart | null>()
      answer.promise.catch(() => {}) // the term may end while the question is being sent: then that is told, below
      waiting.set(id, answer)
      try {
        await send({ id, release, trigger })
        return await answer.promise
      } finally {
        waiting.delete(id)
      }
    },
    hear: ({ id, restart }) => waiting.get(id)?.resolve(restart),
  }
}
