import type { Bus } from '../bus/bus.ts'
import type { KafkaConfig } from '../bus/config.ts'
import { AndonError } from '../lib/errors.ts'

export const alerterGroup = ({ groupPrefix }: KafkaConfig): string => `${groupPrefix}-alerter`

/** Says where people are to ask instead: at the process whose alerter is active, as the group knows it. `instance`: name of this process. */
export const elsewhere =
  (bus: Pick<Bus, 'leaderOf'>, kafka: KafkaConfig, instance: string) => async (): Promise<AndonError> => {
    const leader = await bus.leaderOf(alerterGroup(kafka)).catch(() => null)
    const where =
      leader === null
        ? 'no alerter is active at present: ask again in some seconds'
        : leader === instance
          ? 'the alerter of this process is about to act: ask again in some seconds'
          : `the active alerter runs in another process, ${leader}: ask that one`
    return new AndonError('unavailable', where, { retryable: true })
  }
