import type { Order } from '../orders.ts'
import type { Links } from '../page.ts'

/** opened: people are told. acknowledged: somebody took it. resolved: the incident is closed. */
export type Stage = 'opened' | 'acknowledged' | 'resolved'

/** What one message is about. Rests only on what is journaled, so that a retry is the same to the byte. */
export type Telling = Readonly<{
  order: Order
  /** Number of the escalation it belongs to, 0 = the first telling. */
  escalation: number
  stage: Stage
  /** When the stage was reached. */
  atMs: number
  links: Links
}>
