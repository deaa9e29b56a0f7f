import type { Launch } from './scenario.ts'

export type PauseAnswer = 'paused' | 'already_paused' | 'unknown_release'

/** Who serves whom, right now: what an agent platform keeps for its router. */
export type Routing = Readonly<{
  launch: (launch: Pick<Launch, 'agent' | 'release' | 'share'>) => void
  /** From this moment on the release gets no new contact; contacts that run go on to their end. */
  pause: (agent: string, release: string, instead: 'previous_release' | 'people') => PauseAnswer
  /** The release that serves the next contact, or null for people; `roll` in [0, 1) decides between a new release and the one before. */
  serve: (agent: string, roll: number) => string | null
}>

type Live = { readonly release: string; readonly share: number; pausedFor: 'previous_release' | 'people' | null }

/**
 * The newest release takes its share, the one before it the rest. What a paused release would have served goes to people,
 * or to the newest older release that is not paused, and to people when there is none.
 */
export function createRouting(): Routing {
  const newestFirst = new Map<string, Live[]>()
  return {
    launch: ({ agent, release, share }) => {
      newestFirst.set(agent, [{ release, share, pausedFor: null }, ...(newestFirst.get(agent) ?? [])])
    },
    pause: (agent, release, instead) => {
      const live = newestFirst.get(agent)?.find((candidate) => candidate.release === release)
      if (live === undefined) return 'unknown_release'
      if (live.pausedFor !== null) return 'already_paused'
      live.pausedFor = instead
      return 'paused'
    },
    serve: (agent, roll) => {
      const releases = newestFirst.get(agent) ?? []
      const isLeftToOlder = releases.length > 1 && roll >= releases[0]!.share
      for (const { release, pausedFor } of isLeftToOlder ? releases.slice(1) : releases) {
        if (pausedFor === null) return release
        if (pausedFor === 'people') return null
      }
      return null
    },
  }
}
