import type { Stamp } from './rows.ts'

/**
 * The part of a batch that one lane does: every key (trace, contact, customer, …) falls to one of `lanes` lanes, numbered from 0. One lane
 * is the whole batch.
 */
export type Share = Readonly<{ stamp: Stamp; lane: number; lanes: number }>

export const wholeOf = (stamp: Stamp): Share => ({ stamp, lane: 0, lanes: 1 })

/** The lane that a key falls to: FNV-1a over its UTF-16 units, the same in every process. */
export function laneOf(key: string, lanes: number): number {
  if (lanes === 1) return 0
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % lanes
}

/** What falls to each lane, in the order it came. */
export function divide<T>(items: readonly T[], keyOf: (item: T) => string, lanes: number): T[][] {
  const parts: T[][] = Array.from({ length: lanes }, () => [])
  for (const item of items) parts[laneOf(keyOf(item), lanes)]!.push(item)
  return parts
}
