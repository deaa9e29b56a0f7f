import { DRILL } from '../facts/drill.ts'
import type { Clock } from '../lib/clock.ts'
import { seededRandom } from '../lib/random.ts'
import { connectRelease, type Receiver, type Telemetry } from './telemetry.http.ts'

export type DrillTraffic = Readonly<{
  receiver: Receiver
  clock: Clock
  /** Name of the release that goes bad; a new one for every drill. */
  release: string
  /** Contacts per second of the bad release, and seconds of healthy ones before the onset. */
  perSecond: number
  healthySeconds: number
  /** Whether the platform still gives contacts to the release. */
  isServed: () => boolean
  /** When to end altogether. */
  isOver: () => boolean
  signal: AbortSignal
}>

/** What was sent. onsetMs: start of the first contact of the faulty half; null: it never came to that. */
export type DrillSent = { onsetMs: number | null; firstHarmMs: number | null; contacts: number; exposed: number }

const SECOND_MS = 1000
const CONTACT_MS = 40

/**
 * Traffic with a fault in it, sent as an agent would: a release that is healthy for some seconds, then fails every second update, until
 * it is no longer served; healthy traffic of another agent all the while. `sent` is filled as it goes.
 * Throws AndonError 'telemetry_not_delivered' when the receiver takes nothing.
 */
export async function sendDrill(traffic: DrillTraffic, sent: DrillSent): Promise<void> {
  const { receiver, clock, release, signal } = traffic
  const connect = (agent: string) =>
    connectRelease(
      { ...receiver, clock },
      { environment: DRILL.environment, agent, release: agent === DRILL.agent ? release : 'healthy' },
      seededRandom(release, agent),
    )
  const [bad, control] = [connect(DRILL.agent), connect(DRILL.control)]
  try {
    for (let second = 0; !traffic.isOver() && !signal.aborted; second++) {
      const isFaulty = second >= traffic.healthySeconds
      for (let n = 0; n < traffic.perSecond && traffic.isServed(); n++) {
        const startMs = clock.nowMs()
        const fails = isFaulty && sent.exposed % 2 === 0
        if (isFaulty) {
          sent.onsetMs ??= startMs
          sent.exposed++
        }
        if (fails) sent.firstHarmMs ??= startMs
        contact(bad, `${release}-${sent.contacts++}`, startMs, fails)
      }
      contact(control, `${release}-control-${second}`, clock.nowMs(), false)
      await Promise.all([bad.deliver(), control.deliver()])
      await clock.sleep(SECOND_MS, signal)
    }
  } finally {
    await Promise.all([bad.close(), control.close()])
  }
}

function contact({ andon }: Telemetry, conversation: string, startMs: number, fails: boolean): void {
  const fields = { conversation, channel: 'drill', queue: 'drill', intent: 'drill', startTime: startMs }
  const open = andon.startContact(fields)
  const action = open.startAction({
    tool: 'update_record',
    action: 'update',
    system: 'drill',
    recordType: 'drill',
    startTime: startMs + 1,
  })
  action.end({ result: fails ? 'failed' : 'ok', endTime: startMs + CONTACT_MS / 2 })
  open.end('resolved', { endTime: startMs + CONTACT_MS })
}
