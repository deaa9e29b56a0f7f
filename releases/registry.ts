import type { ClickHouseClient } from '@clickhouse/client'
import type { ByPerson } from '../facts/incident.ts'
import type { ReleaseName } from '../facts/operation.ts'
import { type Release, releaseKeyOf, releaseLabelOf } from '../facts/slice.ts'
import type { Clock } from '../lib/clock.ts'
import { closestOf } from '../lib/closest.ts'
import { AndonError } from '../lib/errors.ts'
import { idOf } from '../lib/hash.ts'
import { livesOf, moved, type ReleaseLife, type ReleaseState, type Told } from './life.ts'
import { levelOf, type ReleaseEvent, type ReleaseRecord, recordSchema, type SeenRelease } from './record.ts'
import { appendReleaseEvent, loadReleaseEvents, seenReleases } from './registry.clickhouse.ts'

/** What is known of one release: what telemetry says, what people said, where it stands. */
export type KnownRelease = Readonly<{
  release: Release
  state: ReleaseState
  parts: ReleaseLife['parts']
  transitions: ReleaseLife['transitions']
  /** null: telemetry named it, and nobody registered it. */
  record: ReleaseRecord | null
  registered: Readonly<{ by: string; reason: string; atMs: number }> | null
  retired: Readonly<{ by: string; reason: string; atMs: number }> | null
  /** null: registered, and no contact was seen. */
  seen: SeenRelease | null
}>

export type Registry = Readonly<{
  list: () => Promise<KnownRelease[]>
  /** Throws AndonError `not_found` with the nearest name, `conflict` where several environments have it. */
  find: (name: ReleaseName) => Promise<KnownRelease>
  /** Replaces the record. The same record again is the same line. Throws AndonError `invalid`. */
  register: (release: Release, record: unknown, person: ByPerson) => Promise<ReleaseEvent>
  /** The release never takes a contact again. Throws AndonError `conflict` where its state does not allow it. */
  retire: (release: Release, person: ByPerson) => Promise<ReleaseEvent | null>
}>

/** A release that took a contact within this time is not retired: it is alive. */
const ALIVE_MS = 3_600_000

export function createRegistry(edges: {
  store: ClickHouseClient
  clock: Pick<Clock, 'nowMs'>
  /** The journal of incidents, each line with its incident before and after. */
  told: () => Promise<readonly Told[]>
}): Registry {
  const { store, clock, told } = edges

  async function list(): Promise<KnownRelease[]> {
    const [events, seen, lines] = await Promise.all([loadReleaseEvents(store), seenReleases(store), told()])
    const lives = livesOf(lines, events)
    const named = [...seen.values(), ...events, ...lines.map(({ incident }) => incident)]
    const releases = new Map(named.map(({ release }) => [releaseKeyOf(release), release]))
    return [...releases].map(([key, release]): KnownRelease => {
      const own = events.filter((event) => releaseKeyOf(event.release) === key)
      const life = lives.get(key)
      const registered = own.findLast(({ type }) => type === 'registered')
      const retired = own.findLast(({ type }) => type === 'retired')
      return {
        release,
        state: life?.state ?? 'live',
        parts: life?.parts ?? [],
        transitions: life?.transitions ?? [],
        record: registered?.record ?? null,
        registered: personOf(registered),
        retired: personOf(retired),
        seen: seen.get(key) ?? null,
      }
    })
  }

  async function register(release: Release, given: unknown, person: ByPerson): Promise<ReleaseEvent> {
    const record = checkedRecord(release, given)
    signed(person)
    const event = eventOf('registered', release, person, record, clock.nowMs())
    const present = (await loadReleaseEvents(store)).findLast(
      (one) => one.type === 'registered' && releaseKeyOf(one.release) === releaseKeyOf(release),
    )
    if (present && JSON.stringify(present.record) === JSON.stringify(record)) return present
    await appendReleaseEvent(store, event)
    return event
  }

  async function retire(release: Release, person: ByPerson): Promise<ReleaseEvent | null> {
    signed(person)
    const known = (await list()).find((one) => releaseKeyOf(one.release) === releaseKeyOf(release))
    if (!known) throw new AndonError('not_found', `${releaseLabelOf(release)} is neither registered nor seen`)
    if (known.state === 'retired') return null
    const move = moved(known.state, 'retired')
    if ('refused' in move) throw new AndonError('conflict', `${releaseLabelOf(release)}: ${move.refused}`)
    const quietMs = clock.nowMs() - (known.seen?.lastContactMs ?? 0)
    if (known.state !== 'recovering' && quietMs < ALIVE_MS)
      throw new AndonError(
        'conflict',
        `${releaseLabelOf(release)} took a contact ${Math.round(quietMs / 60_000)} min ago: pause it or roll it back first`,
      )
    const event = eventOf('retired', release, person, null, clock.nowMs())
    await appendReleaseEvent(store, event)
    return event
  }

  return { list, find: async (name) => named(await list(), name), register, retire }
}

const personOf = (event: ReleaseEvent | undefined) =>
  event ? { by: event.actor, reason: event.reason, atMs: event.atMs } : null

const eventOf = (
  type: ReleaseEvent['type'],
  release: Release,
  { by, reason }: ByPerson,
  record: ReleaseRecord | null,
  atMs: number,
): ReleaseEvent => ({
  eventId: idOf('release', type, releaseKeyOf(release), JSON.stringify(record), by, String(atMs)),
  atMs,
  type,
  release,
  actor: by.trim(),
  reason: reason.trim(),
  record,
})

function signed({ by, reason }: ByPerson): void {
  if (by.trim() === '') throw new AndonError('invalid', 'say who decides: a name (--by)')
  if (reason.trim() === '') throw new AndonError('invalid', 'say why: a reason (--reason)')
}

function checkedRecord(release: Release, given: unknown): ReleaseRecord {
  if (release.agent === '' || release.release === '')
    throw new AndonError('invalid', 'a release has an agent and a name')
  const result = recordSchema.safeParse(given)
  if (!result.success)
    throw new AndonError(
      'invalid',
      result.error.issues.map(({ path, message }) => `${path.join('.') || 'record'}: ${message}`).join('; '),
    )
  if (result.data.previousRelease === release.release)
    throw new AndonError('invalid', 'previousRelease: a release does not follow itself')
  return result.data
}

/** The one release that a name means. */
function named(all: readonly KnownRelease[], { environment, agent, release }: ReleaseName): KnownRelease {
  const fits = all.filter(
    (one) =>
      one.release.agent === agent &&
      one.release.release === release &&
      (environment === undefined || one.release.environment === environment),
  )
  if (fits.length === 1) return fits[0]!
  if (fits.length > 1)
    throw new AndonError(
      'conflict',
      `${agent} ${release} is in ${fits.map((one) => one.release.environment || '(none)').join(', ')}: name the environment`,
    )
  const near = closestOf(
    `${agent} ${release}`,
    all.map((one) => `${one.release.agent} ${one.release.release}`),
  )
  throw new AndonError(
    'not_found',
    `there is no release ${release} of ${agent}${near ? `; did you mean ${near}?` : ''} (register one that has sent nothing yet)`,
  )
}

/** The release that a record says came before, where it is known. */
export const previousOf = (all: readonly KnownRelease[], known: KnownRelease): KnownRelease | null =>
  all.find(
    ({ release }) =>
      release.environment === known.release.environment &&
      release.agent === known.release.agent &&
      release.release === known.record?.previousRelease,
  ) ?? null

/** Whether a release may do more on its own than the one before; null where one of them says nothing. */
export function isStepUp(known: KnownRelease, previous: KnownRelease | null): boolean | null {
  const [now, before] = [levelOf(known.record?.autonomy), levelOf(previous?.record?.autonomy)]
  return now === null || before === null ? null : now > before
}
