import { covers, type Scope } from '../facts/incident.ts'
import { type Release, releaseKeyOf, type Slice } from '../facts/slice.ts'
import type { ReleaseActivity } from './watch.ts'

/** How far back before a pause the usual gap between contacts is measured. */
export const LOOK_BACK_MS = 24 * 3_600_000

/** What of a release is followed, from when on. Empty scope = all of it. */
export type Followed = Readonly<{ release: Release; scope: readonly Scope[]; sinceMs: number }>

/** What batches brought since the last look. */
export type News = Readonly<{
  /** Versions of contacts of releases that are followed: 1 = there is this one now, -1 = it is replaced or gone. */
  contacts: readonly Readonly<Slice & { sign: 1 | -1; startedAtMs: number; endedAtMs: number }>[]
  /** Their writes, each span once. */
  writes: readonly Readonly<Slice & { startedAtMs: number }>[]
  /** Start of the latest contact that was told, by slice, of any release. */
  latest: readonly Readonly<Slice & { startedAtMs: number }>[]
}>

/**
 * Activity as it was, plus what is new. Pure. The usual gap stays what it was: it is about the time before the pause.
 * null: the latest contact moved elsewhere, so only reading all of it again tells which one is the latest now.
 */
export function advanced(activity: ReleaseActivity, followed: Followed, news: News): ReleaseActivity | null {
  const { sinceMs } = followed
  const isOwn = ownOf(followed)
  const contacts = news.contacts.filter((one) => one.startedAtMs >= sinceMs - LOOK_BACK_MS && isOwn(one))
  const starts = latestOf(activity.lastContactStartedAtMs, contacts, 'startedAtMs')
  const ends = latestOf(activity.lastSpanEndedAtMs, contacts, 'endedAtMs')
  if (starts === 'lost' || ends === 'lost') return null
  const others = news.latest.filter((one) => one.startedAtMs > sinceMs && !isOwn(one)).map((one) => one.startedAtMs)
  const begun = contacts.filter((one) => one.startedAtMs > sinceMs)
  return {
    ...activity,
    lastContactStartedAtMs: starts,
    lastSpanEndedAtMs: ends,
    contactsAfterPause: activity.contactsAfterPause + begun.reduce((sum, one) => sum + one.sign, 0),
    writesAfterPause:
      activity.writesAfterPause + news.writes.filter((one) => one.startedAtMs > sinceMs && isOwn(one)).length,
    otherInputAtMs: others.reduce(
      (latest: number | null, atMs) => Math.max(latest ?? atMs, atMs),
      activity.otherInputAtMs,
    ),
  }
}

function ownOf({ release, scope }: Followed): (slice: Slice) => boolean {
  const key = releaseKeyOf(release)
  return (slice) => releaseKeyOf(slice) === key && (scope.length === 0 || scope.some((part) => covers(part, slice)))
}

/** The latest time that some version still has; 'lost' when the one that was the latest is gone and nothing later came. */
function latestOf(
  beforeMs: number | null,
  contacts: News['contacts'],
  time: 'startedAtMs' | 'endedAtMs',
): number | null | 'lost' {
  const net = new Map<number, number>()
  for (const contact of contacts) net.set(contact[time], (net.get(contact[time]) ?? 0) + contact.sign)
  let newMs: number | null = null
  for (const [atMs, n] of net) if (n > 0) newMs = Math.max(newMs ?? atMs, atMs)
  if (beforeMs === null || (newMs !== null && newMs >= beforeMs)) return newMs ?? beforeMs
  return (net.get(beforeMs) ?? 0) < 0 ? 'lost' : beforeMs
}
