import type { Order } from './lanes.ts'

export type Options = Readonly<{
  order: Order
  evidence: boolean
  legend: boolean
  density: 'comfortable' | 'compact'
  silentAfterMinutes: number
}>

export const DEFAULTS: Options = {
  order: 'agent',
  evidence: true,
  legend: true,
  density: 'comfortable',
  silentAfterMinutes: 60,
}
