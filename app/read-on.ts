import { between, type Term } from '../bus/bus.ts'
import type { Log } from '../lib/log.ts'

/**
 * Goes on where the group got to in topics whose records matter one by one. What they do not keep any more is told, once: an alerter that was
 * away for too long may have missed a finding.
 */
export async function readOn(
  term: Term,
  { topics, onLost, log }: Readonly<{ topics: readonly string[]; onLost: (records: number) => void; log: Log }>,
): Promise<void> {
  const committed = await term.committed()
  const from = await term.seek(committed)
  const lost = between(committed, from)
  if (lost === 0) return
  onLost(lost)
  log.error(
    { topics, records: lost },
    'the topics do not keep these records any more: nobody acted on them. Keep records longer than roles may be away',
  )
  await term.commit(from)
}
