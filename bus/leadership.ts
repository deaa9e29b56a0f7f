import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Positions, Term } from './bus.ts'
import type { Inbox } from './inbox.ts'

/** What an implementation knows of a term; the rest of {@link Term} is the same everywhere. */
export type OpenTerm = Readonly<{
  isCurrent: () => boolean
  inbox: Inbox
  committed: () => Promise<Positions>
  seek: (positions: Positions) => Promise<Positions>
  oldest: () => Promise<Positions>
  /** The inbox has room again. */
  onDrained: () => void
  commit: (positions: Positions) => Promise<void>
  close: () => void
}>

export type Leadership = Readonly<{
  /** This member leads from now on; an earlier term of its own ends first. */
  appoint: () => void
  /** This member does not lead any more. */
  dismiss: () => void
  /** Appointed, and neither dismissed nor closed since; its term may still be about to begin. */
  isAppointed: () => boolean
  isLeading: () => boolean
  lag: () => Readonly<Record<string, number>> | null
  close: () => Promise<void>
}>

const AGAIN_MS = 1_000

/** Calls `run` for as long as this member is appointed: one call at a time, and again when it ended or failed while the member still leads. */
export function leadWhile(edges: {
  group: string
  run: (term: Term) => Promise<void>
  clock: Clock
  log: Log
  openTerm: () => OpenTerm
}): Leadership {
  const { group, run, clock, log } = edges
  let appointment: AbortController | null = null
  let current: { open: OpenTerm; signal: AbortSignal } | null = null
  let working: Promise<void> = Promise.resolve()
  let isClosed = false

  const serve = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      const open = edges.openTerm()
      if (!open.isCurrent()) {
        open.close()
        await clock.sleep(AGAIN_MS, signal)
        continue
      }
      current = { open, signal }
      try {
        await run(termOf(open, signal))
      } catch (error) {
        if (!signal.aborted)
          log.error({ err: (error as Error).message, group }, 'the work of this term failed; trying again')
      } finally {
        open.close()
        current = null
      }
      await clock.sleep(AGAIN_MS, signal)
    }
  }
  const dismiss = () => {
    appointment?.abort()
    appointment = null
  }
  return {
    appoint: () => {
      if (isClosed) return
      dismiss()
      const begun = new AbortController()
      appointment = begun
      working = working.then(() => serve(begun.signal))
    },
    dismiss,
    isAppointed: () => appointment !== null,
    isLeading: () => current !== null && !current.signal.aborted && current.open.isCurrent(),
    lag: () => (current && !current.signal.aborted ? current.open.inbox.lag() : null),
    close: async () => {
      isClosed = true
      dismiss()
      await working
    },
  }
}

const termOf = (open: OpenTerm, signal: AbortSignal): Term => ({
  signal,
  isCurrent: () => !signal.aborted && open.isCurrent(),
  committed: open.committed,
  seek: open.seek,
  oldest: open.oldest,
  poll: async ({ maxBytes, waitMs }) => {
    const records = await open.inbox.take({ maxBytes, waitMs, signal })
    if (open.inbox.isDrained()) open.onDrained()
    return records
  },
  commit: open.commit,
})
