import type { Bus } from '../bus/bus.ts'
import type { KafkaConfig } from '../bus/config.ts'
import type { Clock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'

export const alerterGroup = ({ groupPrefix }: KafkaConfig): string => `${groupPrefix}-alerter`

/** Who asks is told this late at most, with or without a name. */
const ASKED_MS = 2_000

/** Says where people are to ask instead: at the process whose alerter is active, as far as the group tells it. `instance`: name of this process. */
export const elsewhere =
  (bus: Pick<Bus, 'leaderOf'>, kafka: KafkaConfig, instance: string, clock: Clock) => async (): Promise<AndonError> => {
    const asked = new AbortController()
    const leader = await Promise.race([
      bus.leaderOf(alerterGroup(kafka)).catch(() => NAMELESS),
      clock.sleep(ASKED_MS, asked.signal).then(() => NAMELESS),
    ])
    asked.abort()
    return new AndonError('unavailable', whereIs(leader, instance), { retryable: true })
  }

/** Also where nobody knows: perhaps there is one. */
const NAMELESS = { name: null }

function whereIs(leader: Awaited<ReturnType<Bus['leaderOf']>>, instance: string): string {
  if (leader === null) return 'no alerter is active at present: ask again in some seconds'
  if (leader.name === null) return 'the active alerter runs in another process: ask that one'
  if (leader.name === instance) return 'the alerter of this process is about to act: ask again in some seconds'
  return `the active alerter runs in another process, ${leader.name}: ask that one`
}
